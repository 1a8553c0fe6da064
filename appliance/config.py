"""config.yaml as frozen values: parsed once, every fault told at once, with "did you mean".

Each key has its default here and nowhere else. Keys whose part is not built yet are known and
refused by name when they ask for it, so that nobody believes in a protection that is not there.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)

from appliance import yaml_dialect
from appliance.errors import ConfigError
from appliance.yaml_dialect import LONGEST_VALUE, name_of, shortened, shown

SYSTEM_CONFIG = Path("/etc/appliance/config.yaml")
# The value of model.name that leaves the choice to what was measured, see appliance.model_choice.
AUTO = "auto"
# The values of model.delegate that are words; every other one is a path.
CPU_DELEGATE = "cpu"
TENSORRT = "tensorrt"

# A config is a few kilobytes; a device or a disk image given by mistake is not read to its end.
_MOST_CHARACTERS = 64 * 1024
# A message that lists more than this is not read.
_MOST_FAULTS = 20

# What pydantic misses, in words for people who write YAML.
_EXPECTED: Mapping[str, str] = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "finite_number": "a number",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a smaller number",
    "int_type": "a whole number",
    "path_type": "a path",
    "string_type": "a text (quote it)",
    "tuple_type": "a list",
}


def _off_is_a_word(value: object) -> object:
    # YAML 1.1 reads an unquoted `off` as the boolean false.
    return "off" if value is False else value


def _none_is_a_word(value: object) -> object:
    # So does an unquoted `null` or `~`, but for None; nothing else can be meant here.
    return "none" if value is None else value


def _spelt(value: object) -> str:
    """A value as it is written in YAML."""
    if value is None or value == ():
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(_spelt(item) for item in value)
    return str(value)


def _require_time_zone(name: str) -> None:
    """ValueError where this system has no time zone of that name."""
    import zoneinfo  # only where a config names one

    try:
        zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # none, a path that leads elsewhere, a folder
        known = {zone.lower(): zone for zone in zoneinfo.available_timezones()}
    else:
        return
    if not known:
        raise ValueError("this system has no time zones: `apt install tzdata`")
    near = difflib.get_close_matches(name.lower(), known, n=1)
    advice = f"did you mean {known[near[0]]}?" if near else "such as Europe/Zurich"
    raise ValueError(f"{shown(name)} is no time zone of this system ({advice})")


def _annotation(section: type[BaseModel], key: str) -> Any:
    return section.model_fields[key].annotation


def _is_a_number(annotation: Any) -> bool:
    options = (annotation, *get_args(annotation), *_literals(annotation))
    return any(
        option in {int, float} or (isinstance(option, int) and not isinstance(option, bool))
        for option in options
    )


def _literals(annotation: Any) -> list[object]:
    if getattr(annotation, "__origin__", None) is Literal:
        return list(get_args(annotation))
    return [item for part in get_args(annotation) for item in _literals(part)]


def _a_real_path(value: object) -> object:
    # pathlib takes an empty text for the working folder.
    if isinstance(value, str) and not value.strip():
        raise ValueError("a path is expected, not an empty text; leave the key out instead")
    return value


_Path = Annotated[Path, BeforeValidator(_a_real_path)]


class _Section(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=False, validate_default=True, allow_inf_nan=False
    )

    @field_validator("*", mode="before")
    @classmethod
    def _yes_is_not_a_number(cls, value: object, info: ValidationInfo) -> object:
        # Python counts True as 1: `pin: yes` would drive line 1.
        if isinstance(value, bool) and _is_a_number(_annotation(cls, info.field_name or "")):
            raise ValueError(f"a number is expected, not {_spelt(value)}")
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _text_can_be_used(cls, value: object) -> object:
        # What no path, device or user name holds, and what a terminal would obey.
        if isinstance(value, str) and not value.isprintable():
            raise ValueError("the text holds a character that cannot be printed")
        return value


_VOICE = re.compile(r"[A-Za-z]{2,3}([-+][A-Za-z0-9]{1,20}){0,3}")


_Share = Annotated[float, Field(ge=-0.5, le=0.5)]


class CameraConfig(_Section):
    """Where frames come from.

    ir: the source of an infrared camera of the same driver; None: there is none. ir_shift,
    ir_scale: where it looks, see appliance.liveness.infrared.Placement.
    """

    driver: Literal["v4l2", "picamera2", "gstreamer", "rtsp", "files"] = "v4l2"
    source: str = "/dev/video0"
    width: int = Field(1280, ge=160, le=7680)
    height: int = Field(720, ge=120, le=4320)
    fps: float = Field(15.0, gt=0, le=240)
    pixel_format: Literal["mjpg", "yuyv", "any"] = "mjpg"
    rotate: Literal[0, 90, 180, 270] = 0
    warm_up_frames: int = Field(5, ge=0, le=300)
    idle_fps: float = Field(5.0, ge=2, le=240)
    rtsp_transport: Literal["tcp", "udp"] = "tcp"
    pacing: Literal["fast", "real_time"] = "fast"
    loop: bool = False
    ir: str | None = None
    ir_shift: tuple[_Share, _Share] = (0.0, 0.0)
    ir_scale: float = Field(1.0, ge=0.25, le=4)

    @field_validator("source", "ir", mode="before")
    @classmethod
    def _number_is_a_device(cls, value: object) -> object:
        if isinstance(value, int) and not isinstance(value, bool):
            if value < 0:
                raise ValueError(f"the number of a camera is expected, not {value}")
            return f"/dev/video{value}"
        return _a_real_path(value)

    @model_validator(mode="after")
    def _source_suits_the_driver(self) -> CameraConfig:
        # What is written is never repeated: an address may hold a password.
        if self.driver == "rtsp" and not _is_rtsp(self.source):
            raise ValueError(
                "camera.source must be an address such as rtsp://user:password@192.0.2.7/stream, "
                "where @ / ? # in user and password are written %40 %2F %3F %23"
            )
        if self.driver == "picamera2" and self.sensor is None:
            raise ValueError("camera.source must be the number of the sensor, such as 0")
        return self

    @field_validator("ir_shift", mode="before")
    @classmethod
    def _right_and_down(cls, value: object) -> object:
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            raise ValueError("two numbers are expected, such as [0.05, 0]: to the right, and down")
        return value

    @model_validator(mode="after")
    def _the_infrared_camera_is_another(self) -> CameraConfig:
        if self.ir is None:
            return self
        if self.driver == "rtsp":
            raise ValueError(
                "camera.ir needs a camera that is wired to the board: of a network camera's "
                "pictures nobody knows when they were taken"
            )
        second = self.infrared
        if self.driver == "picamera2" and second.sensor is None:
            raise ValueError("camera.ir must be the number of the sensor, such as 1")
        by_number = self.driver in {"picamera2", "gstreamer"} and self.sensor is not None
        if self.ir == self.source or (by_number and self.sensor == second.sensor):
            raise ValueError("camera.ir and camera.source are the same camera")
        return self

    @property
    def infrared(self) -> CameraConfig:
        """The second camera, as if it were the only one; ValueError where there is none."""
        if self.ir is None:
            raise ValueError("camera.ir is not set")
        # What it offers is grey, so not of camera.pixel_format; more than this is not looked at.
        return self.model_copy(
            update={
                "source": self.ir,
                "ir": None,
                "width": 640,
                "height": 480,
                "pixel_format": "any",
            }
        )

    @property
    def sensor(self) -> int | None:
        """The number in `source`, where it is nothing else: the nth CSI sensor."""
        found = re.fullmatch(r"(?:/dev/video)?(\d{1,3})", self.source)
        return int(found.group(1)) if found else None

    @property
    def shown_source(self) -> str:
        """What the camera is called in messages and logs: of an address no more than the host."""
        if self.driver == "rtsp":
            address = urlsplit(self.source)
            return f"{address.scheme}://{address.netloc.rpartition('@')[2]}"
        if self.driver == "gstreamer" and self.sensor is None:
            return self.source.split(maxsplit=1)[0]
        return self.source

    @field_serializer("source", when_used="json")
    def _hide_what_may_be_secret(self, _: str) -> str:
        return self.shown_source

    @field_serializer("ir", when_used="json")
    def _hide_it_likewise(self, _: str | None) -> str | None:
        if self.ir is None:
            return None
        shown = self.infrared.shown_source
        return f"{shown} 2" if shown == self.shown_source else shown  # two are not read as one


def _is_rtsp(source: str) -> bool:
    try:
        address = urlsplit(source)
        port = address.port
    except ValueError:
        return False
    # A password with a slash in it would end up as half a host and half a path.
    whole = "@" not in address.path + address.query + address.fragment
    return address.scheme in {"rtsp", "rtsps"} and bool(address.hostname) and port != 0 and whole


class DetectorConfig(_Section):
    """How faces are acquired.

    nearest, farthest: the width of a face, as a share of the picture's shorter side, of the
    nearest and the farthest person to be served.
    """

    driver: Literal["hog", "haar"] = "hog"
    nearest: float = Field(0.6, gt=0, le=1)
    farthest: float = Field(0.12, gt=0, le=1)

    @model_validator(mode="after")
    def _near_is_larger(self) -> DetectorConfig:
        if self.farthest > self.nearest:
            raise ValueError("farthest must not be larger than nearest: far faces are small")
        return self


class ModelConfig(_Section):
    """Which embedding network runs, and on what. name: of the manifest, or AUTO.

    delegate: CPU_DELEGATE, TENSORRT, or the absolute path of a TFLite external delegate.
    """

    name: str = "mobilefacenet_dynamic"
    delegate: str = CPU_DELEGATE
    threads: int = Field(2, ge=1, le=16)
    directory: _Path | None = None
    landmarks68: _Path | None = None

    @field_validator("delegate")
    @classmethod
    def _a_word_or_a_whole_path(cls, value: str) -> str:
        if value in {CPU_DELEGATE, TENSORRT} or Path(value).is_absolute():
            return value
        near = difflib.get_close_matches(value.lower(), (CPU_DELEGATE, TENSORRT), n=1)
        advice = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(
            f"{shown(value)} is neither cpu, tensorrt nor the absolute path of a TFLite external "
            f"delegate (.so){advice}"
        )

    @model_validator(mode="after")
    def _auto_is_of_the_cpu(self) -> ModelConfig:
        if self.name == AUTO and self.delegate != CPU_DELEGATE:
            raise ValueError(
                "model.name: auto chooses among files for the CPU; with another model.delegate "
                "name the model: mobilefacenet for tensorrt"
            )
        return self


class QualityConfig(_Section):
    """What a frame must show before it is compared."""

    min_eye_distance: float = Field(32.0, gt=0, description="pixels")
    min_sharpness: float = Field(0.07, ge=0)
    min_brightness: float = Field(25.0, ge=0, le=255)
    max_brightness: float = Field(225.0, ge=0, le=255)
    max_clipped: float = Field(0.2, ge=0, le=1)
    max_yaw: float = Field(55.0, gt=0, le=90)
    max_pitch: float = Field(40.0, gt=0, le=90)
    max_roll: float = Field(45.0, gt=0, le=180)


class VerificationConfig(_Section):
    """How sure is sure enough, and how often one may try."""

    target_far: float = Field(1e-5, ge=1e-6, le=1e-2)
    frames: int = Field(3, ge=3, le=30)
    # Well below assemble.GAP_S: frames farther apart would each begin anew.
    frame_interval_s: float = Field(0.1, ge=0, le=1)
    timeout_s: float = Field(10.0, gt=0, le=120)
    cool_down_s: float = Field(2.0, ge=0, le=60)
    lockout_failures: int = Field(5, ge=1, le=100)
    lockout_s: float = Field(60.0, ge=1, le=86_400)


class EnrolmentConfig(_Section):
    """How many good frames make a template."""

    frames: int = Field(10, ge=5, le=50)
    frame_interval_s: float = Field(0.1, ge=0, le=5)
    min_frames_for_door: int = Field(5, ge=1, le=50)
    timeout_s: float = Field(60.0, gt=0, le=600)


def _as_numbers(value: object) -> object:
    """One number for all three channels may be written without a list."""
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return (value,) if plain else value


_PerChannel = Annotated[tuple[float, ...], BeforeValidator(_as_numbers)]


class OwnLivenessModel(_Section):
    """An anti-spoof network of the user's own, in the place of the shipped one.

    What nobody can guess has no default: the file, its sum, the crop and which number means life.
    crop: the side of the square that it is shown, over the larger side of the mesh's box. drop,
    outside, stretch: see liveness.appearance.Context. colour, mean, scale, output, live_index,
    activation, higher_is_live: see liveness.network.Recipe. attack, live: probabilities of life,
    an attack below the one, live from the other on.
    """

    file: _Path
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    crop: float = Field(gt=0, le=8)
    drop: float = Field(0.0, ge=-2, le=2)
    outside: Literal["inside", "black"] = "inside"
    stretch: bool = False
    colour: Literal["bgr", "rgb"] = "bgr"
    mean: _PerChannel = (0.0,)
    scale: _PerChannel = (1.0,)
    output: int = Field(0, ge=0, le=63)
    live_index: int = Field(ge=0, le=4095)
    activation: Annotated[
        Literal["softmax", "sigmoid", "none"], BeforeValidator(_none_is_a_word)
    ] = "softmax"
    higher_is_live: bool = True
    attack: float = Field(0.4, ge=0, le=1)
    live: float = Field(0.6, gt=0, le=1)

    @field_validator("sha256", mode="before")
    @classmethod
    def _sums_are_written_small(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("mean", "scale")
    @classmethod
    def _one_or_three(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if len(value) not in {1, 3}:
            raise ValueError(f"one number or three are expected, not {len(value)}")
        return value

    @field_validator("scale")
    @classmethod
    def _shows_something(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if 0 in value:
            raise ValueError("a scale of 0 shows the network nothing")
        return value

    @model_validator(mode="after")
    def _an_attack_is_not_live(self) -> OwnLivenessModel:
        if self.attack > self.live:
            raise ValueError("attack must not be above live")
        return self


class LivenessConfig(_Section):
    """Presentation attack detection.

    target_bpcer: the share of living people's presentations that may be refused for it (ISO/IEC
    30107-3); what the thresholds are derived from. spoof_cool_down_s: how long no claim is heard
    after an attack was seen.
    """

    profile: Annotated[
        Literal["off", "passive", "standard", "strict"], BeforeValidator(_off_is_a_word)
    ] = "standard"
    challenge: Annotated[
        Literal["off", "blink", "turn", "random"], BeforeValidator(_off_is_a_word)
    ] = "off"
    target_bpcer: float = Field(0.02, ge=0.02, le=0.1)
    spoof_cool_down_s: float = Field(10.0, ge=0, le=600)
    model: OwnLivenessModel | None = None

    @property
    def motion(self) -> bool:
        """Whether a motion in depth must be seen."""
        return self.profile in {"standard", "strict"}

    @property
    def challenges(self) -> Literal["off", "blink", "turn", "random"]:
        """What is really asked for: the strict profile always asks, for anything if not told."""
        return "random" if self.profile == "strict" and self.challenge == "off" else self.challenge

    @model_validator(mode="after")
    def _a_challenge_needs_a_check(self) -> LivenessConfig:
        if self.profile == "off" and self.challenge != "off":
            raise ValueError(
                f"liveness.challenge: {self.challenge} needs a liveness.profile other than off"
            )
        return self


_MOST_CHIPS = 63
# As the kernel keeps it: 31 bytes.
_LABEL = re.compile(r"[!-~]([ -~]{0,29}[!-~])?")
# How else people write a chip's number. Taken for a label it would fail at the door, not here.
_SPELT = re.compile(r"\s*(?:(?:/dev/)?gpiochip(\d{1,9})|(0[xX][0-9a-fA-F]{1,8})|(\d{1,9}))\s*")


class DoorConfig(_Section):
    """The lock's line. Without a driver the door is unconfigured and nothing is driven.

    chip: N of /dev/gpiochipN, or the chip's label.
    """

    driver: Literal["gpiozero", "simulated"] | None = None
    chip: int | str = 0
    pin: int | None = Field(None, ge=0, le=1023)
    active_high: bool = True
    fail: Literal["secure", "safe"] = "secure"
    pulse_s: float = Field(3.0, ge=0.1, le=30)
    contact_pin: int | None = Field(None, ge=0, le=1023)
    contact_open: Literal["high", "low"] = "high"
    request_to_exit_pin: int | None = Field(None, ge=0, le=1023)
    request_to_exit_pressed: Literal["high", "low"] = "low"
    tamper_pin: int | None = Field(None, ge=0, le=1023)
    tamper_alarm: Literal["high", "low"] = "high"
    held_open_s: float = Field(30.0, gt=0, le=3600)
    relock_on_close: bool = True

    @field_validator("chip", mode="before")
    @classmethod
    def _a_number_or_a_label(cls, value: object) -> object:
        whole = int(value) if isinstance(value, float) and value.is_integer() else value
        found = int(whole) if isinstance(whole, str) and re.fullmatch(r"\d{1,9}", whole) else whole
        if isinstance(found, int) and not 0 <= found <= _MOST_CHIPS:
            raise ValueError(f"the number of a chip is 0 to {_MOST_CHIPS}, not {found}")
        if isinstance(found, str) and (spelt := _SPELT.fullmatch(found)):
            decimal, hexadecimal, spaced = spelt.groups()
            meant = int(hexadecimal, 16) if hexadecimal else int(decimal or spaced)
            if meant > _MOST_CHIPS:
                raise ValueError(f"the number of a chip is 0 to {_MOST_CHIPS}, not {meant}")
            raise ValueError(f"{shown(value)} is no chip's label; for its number write {meant}")
        labelled = isinstance(found, str) and _LABEL.fullmatch(found)
        if not isinstance(found, int) and (not labelled or str(found).startswith("/dev/")):
            raise ValueError(
                f"{shown(value)} is neither the number of a GPIO chip nor its label, as "
                "`gpiodetect` lists them"
            )
        return found

    @model_validator(mode="after")
    def _a_real_lock_has_a_pin(self) -> DoorConfig:
        if self.driver == "gpiozero" and self.pin is None:
            raise ValueError("door.pin is missing: the number of the line that drives the lock")
        return self


class AccessConfig(_Section):
    """When who may enter.

    untrusted_clock: what becomes of people with a schedule or an expiry while the time is not
    known to be right. time_zone: of the schedules, such as Europe/Zurich; None: the system's.
    """

    untrusted_clock: Literal["deny", "allow"] = "deny"
    time_zone: str | None = None

    @field_validator("time_zone")
    @classmethod
    def _the_system_knows_the_zone(cls, value: str | None) -> str | None:
        if value is not None:
            _require_time_zone(value)
        return value


class FeedbackConfig(_Section):
    """What people at the door see and hear; None: nothing is connected.

    greeting: "off", "speech" (espeak-ng), or a sound file that welcomes whoever is let in.
    speak: whether espeak-ng says what a person is to do for the camera. language: a voice of
    espeak-ng.
    """

    ready_led_pin: int | None = Field(None, ge=0, le=1023)
    granted_led_pin: int | None = Field(None, ge=0, le=1023)
    denied_led_pin: int | None = Field(None, ge=0, le=1023)
    buzzer_pin: int | None = Field(None, ge=0, le=1023)
    greeting: Annotated[str, BeforeValidator(_off_is_a_word), BeforeValidator(_a_real_path)] = "off"
    speak: bool = False
    language: str = "en"

    @field_validator("language")
    @classmethod
    def _a_voice(cls, value: str) -> str:
        # It goes to another program, where a path or an option would mean something else.
        if not _VOICE.fullmatch(value):
            raise ValueError(f"a language such as en, de or pt-br is expected, not {shown(value)}")
        return value


class ClaimsConfig(_Section):
    """How people say who they are. identify: a face alone may be a claim.

    keypad: a matrix on GPIO lines, a USB numeric keypad, or a simulated one. require_pin: the ways
    to claim after which a PIN is always asked for; whoever has one is always asked.
    failures_per_hour: failed claims of everybody together by one way, beyond which that way is
    only heard slowly.
    """

    sources: tuple[Literal["sole_user", "keypad", "card", "qr"], ...] = ()
    identify: bool = False
    keypad: Literal["matrix", "usb", "simulated"] = "usb"
    keypad_rows: tuple[Annotated[int, Field(ge=0, le=1023)], ...] = ()
    keypad_columns: tuple[Annotated[int, Field(ge=0, le=1023)], ...] = ()
    keypad_device: _Path | None = None
    card_device: _Path | None = None
    require_pin: tuple[Literal["keypad", "card", "qr"], ...] = ()
    entry_timeout_s: float = Field(10.0, ge=1, le=60)
    failures_per_hour: int = Field(60, ge=5, le=3600)

    @model_validator(mode="after")
    def _a_source_has_its_device(self) -> ClaimsConfig:
        if "keypad" in self.sources:
            if self.keypad == "usb" and self.keypad_device is None:
                raise ValueError("keypad_device is missing: the input device of the USB keypad")
            rows, columns = len(self.keypad_rows), len(self.keypad_columns)
            if self.keypad == "matrix" and not (rows == 4 and columns in {3, 4}):
                raise ValueError(
                    "keypad_rows and keypad_columns list the lines of 4 rows and of 3 or 4 "
                    f"columns, not of {rows} and {columns}"
                )
        elif self.require_pin:
            raise ValueError("require_pin needs keypad among the sources: where to type the PIN")
        if "card" in self.sources:
            if self.card_device is None:
                raise ValueError("card_device is missing: the input device of the card reader")
            if self.card_device == self.keypad_device:
                raise ValueError("keypad_device and card_device are the same device")
        return self


class StoreConfig(_Section):
    """Where people, audit and counters live.

    path: a folder, or a file ending in .db; None means the system's state folder.
    key: the file of the template key; None means beside the database, or the systemd credential.
    """

    path: _Path | None = None
    key: _Path | None = None


class ControlConfig(_Section):
    """The daemon's Unix socket.

    group: whose members may ask for the status and verify. keepers, installers: names of local
    users who may do what appliance.control.authority lists.
    """

    socket: _Path = Path("/run/appliance/control.sock")
    group: str = "appliance"
    keepers: tuple[str, ...] = ()
    installers: tuple[str, ...] = ()


class AuditConfig(_Section):
    """How long the audit log is kept, and how often a checkpoint is signed."""

    keep_days: int = Field(730, ge=1, le=36_500)
    checkpoint_hours: float = Field(24.0, gt=0, le=8760)


class LogConfig(_Section):
    """What the service tells the system's journal."""

    level: Literal["debug", "info", "warning"] = "info"


class KioskConfig(_Section):
    """The web pages; None: none."""

    listen: str | None = None


class MqttConfig(_Section):
    """The site's broker; None: none."""

    host: str | None = None
    port: int = Field(8883, ge=1, le=65_535)
    topic: str = "appliance"
    username: str | None = None
    password: SecretStr | None = None


class Config(_Section):
    """The whole of config.yaml."""

    camera: CameraConfig = CameraConfig()
    detector: DetectorConfig = DetectorConfig()
    model: ModelConfig = ModelConfig()
    quality: QualityConfig = QualityConfig()
    verification: VerificationConfig = VerificationConfig()
    enrolment: EnrolmentConfig = EnrolmentConfig()
    liveness: LivenessConfig = LivenessConfig()
    door: DoorConfig = DoorConfig()
    access: AccessConfig = AccessConfig()
    feedback: FeedbackConfig = FeedbackConfig()
    claims: ClaimsConfig = ClaimsConfig()
    store: StoreConfig = StoreConfig()
    audit: AuditConfig = AuditConfig()
    control: ControlConfig = ControlConfig()
    log: LogConfig = LogConfig()
    kiosk: KioskConfig = KioskConfig()
    mqtt: MqttConfig = MqttConfig()

    @model_validator(mode="before")
    @classmethod
    def _an_empty_section_is_its_defaults(cls, data: object) -> object:
        # `door:` with nothing under it is what a person leaves who commented the keys out.
        if isinstance(data, Mapping):
            return {key: {} if value is None else value for key, value in data.items()}
        return data

    @model_validator(mode="after")
    def _infrared_is_for_liveness(self) -> Config:
        if self.camera.ir is not None and self.liveness.profile == "off":
            raise ValueError("camera.ir needs a liveness.profile other than off")
        return self

    @model_validator(mode="after")
    def _a_line_has_one_use(self) -> Config:
        used: dict[int, str] = {}
        for key, line in _lines(self):
            if line in used:
                raise ValueError(f"line {line} is given to both {used[line]} and {key}")
            used[line] = key
        return self


# The lines of the chip door.chip.
_PINS = (
    *("door.pin", "door.contact_pin", "door.request_to_exit_pin", "door.tamper_pin"),
    *("feedback.ready_led_pin", "feedback.granted_led_pin", "feedback.denied_led_pin"),
    "feedback.buzzer_pin",
)


def _lines(config: Config) -> Iterator[tuple[str, int]]:
    for key in _PINS:
        section, name = key.split(".")
        line = getattr(getattr(config, section), name)
        if line is not None:
            yield key, line
    if config.claims.keypad == "matrix":
        yield from (("claims.keypad_rows", line) for line in config.claims.keypad_rows)
        yield from (("claims.keypad_columns", line) for line in config.claims.keypad_columns)


# What each key can be today; anything else is known but refused by name.
_BUILT: Mapping[str, tuple[object, ...]] = {
    "claims.identify": (False,),
    "kiosk.listen": (None,),
    "mqtt.host": (None,),
    "mqtt.port": (8883,),
    "mqtt.topic": ("appliance",),
    "mqtt.username": (None,),
    "mqtt.password": (None,),
}


def load(path: Path) -> Config:
    """Read a config file. ConfigError lists all faults."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_MOST_CHARACTERS + 1)
    except FileNotFoundError:
        raise ConfigError(
            f"The config file {path} does not exist.",
            hint="Give the right path with --config, or leave --config out for the defaults.",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The config file {path} cannot be read: {_short(error)}.",
            hint="It must be a UTF-8 text file that this user may read.",
        ) from error
    return _anchored(parse(text, origin=str(path)), path.absolute().parent)


# Paths of the config: relative ones begin at the config file, wherever a command is called from.
_PATHS = (("store", "path"), ("store", "key"), ("model", "directory"), ("control", "socket"))


def _anchored(config: Config, folder: Path) -> Config:
    for section, key in _PATHS:
        config = _with_path(config, section, key, folder)
    if config.camera.driver == "files":
        config = _with_path(config, "camera", "source", folder)
        config = _with_path(config, "camera", "ir", folder)
    if config.feedback.greeting not in {"off", "speech"}:
        config = _with_path(config, "feedback", "greeting", folder)
    if config.liveness.model is not None:
        config = _with_own_model(config, config.liveness.model, folder)
    return config


def _with_own_model(config: Config, model: OwnLivenessModel, folder: Path) -> Config:
    if _stands_alone(model.file):
        return config
    anchored = model.model_copy(update={"file": folder / model.file})
    liveness = config.liveness.model_copy(update={"model": anchored})
    return config.model_copy(update={"liveness": liveness})


def _stands_alone(path: Path | str) -> bool:
    return Path(path).is_absolute() or str(path).startswith("~")


def _with_path(config: Config, section: str, key: str, folder: Path) -> Config:
    part: BaseModel = getattr(config, section)
    value = getattr(part, key)
    if value is None or _stands_alone(value):
        return config
    anchored = type(value)(folder / value) if isinstance(value, Path) else str(folder / value)
    return config.model_copy(update={section: part.model_copy(update={key: anchored})})


def parse(text: str, *, origin: str = "config.yaml") -> Config:
    """Parse config text. An empty text is valid: all defaults, the door unconfigured."""
    if len(text) > _MOST_CHARACTERS:
        raise ConfigError(
            f"{origin} is longer than {_MOST_CHARACTERS} characters.",
            hint="Give the path of the appliance's own config file.",
        )
    try:
        data = yaml_dialect.read(text)
    except yaml_dialect.YamlFaultError as error:
        raise ConfigError(
            f"{origin} is not valid YAML: {error}.",
            hint="Indent with spaces, write `key: value`, and quote text with special characters.",
        ) from error
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise ConfigError(
            f"{origin} holds {_kind(data)} where sections are expected.",
            hint="Begin with a section such as `door:` and indent its keys below it.",
        )
    return _validated(data, origin)


def _validated(data: dict[str, object], origin: str) -> Config:
    found: Sequence[Any] = ()
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        found = error.errors(include_url=False)
    faults = [_fault(item) for item in found[:_MOST_FAULTS]]
    count = len(found)
    wrong = {".".join(str(part) for part in item["loc"][:2]) for item in found}
    for key, fault in _not_built(data).items():
        if key not in wrong:
            faults.append(fault)
            count += 1
    if not count:
        return config
    lines = "; ".join(faults[:_MOST_FAULTS])
    more = f"; and {count - _MOST_FAULTS} more" if count > _MOST_FAULTS else ""
    raise ConfigError(
        f"{origin} has {'one fault' if count == 1 else f'{count} faults'}: {lines}{more}.",
        hint="The config.yaml that came with the appliance shows every key with its default.",
    )


def _not_built(data: Mapping[str, object]) -> dict[str, str]:
    """Known keys that ask for a part this version does not have, each with its fault."""
    found = {}
    for path, built in _BUILT.items():
        section, key = path.split(".")
        value = data.get(section)
        if not isinstance(value, Mapping) or key not in value:
            continue
        wanted = value[key]
        wanted = tuple(wanted) if isinstance(wanted, list) else wanted
        wanted = "off" if wanted is False and "off" in built else wanted
        wanted = Path(wanted) if isinstance(wanted, str) and isinstance(built[0], Path) else wanted
        if wanted in built or not _is_a_known_value(section, key, wanted):
            continue
        allowed = ", ".join(_spelt(item) for item in built)
        secret = path == "mqtt.password"
        shown = "what is written" if secret else shortened(_spelt(wanted), LONGEST_VALUE)
        found[path] = f"{path}: {shown} is not built in this version (built: {allowed})"
    return found


def _is_a_known_value(section: str, key: str, value: object) -> bool:
    """False where the type check has already refused the value."""
    annotation = _annotation(type(getattr(Config(), section)), key)
    options = [item for item in _literals(annotation) if item is not None]
    words = value if isinstance(value, tuple) else (value,)
    return not options or all(word in options for word in words if isinstance(word, str))


def _fault(item: Any) -> str:
    """One pydantic error as a clause a person can act on."""
    place = tuple(str(part) for part in item["loc"])
    where = ".".join(name_of(part) for part in place) or "the file"
    if item["type"] == "extra_forbidden":
        return f"{where} is not a known key{_did_you_mean(place)}"
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] in {"model_type", "model_attributes_type"}:
        message = f"holds {_kind(item['input'])} where keys are expected"
    elif item["type"] == "missing":
        return f"{where} is missing"
    elif item["type"] in _EXPECTED:
        message = f"{_EXPECTED[item['type']]} is expected, not {_quoted(item, place)}"
    elif item["type"] != "value_error":
        message = f"{_lower_first(message)}, not {_quoted(item, place)}"
    return f"{where}: {message}"


def _quoted(item: Any, place: tuple[str, ...]) -> str:
    # A secret that was given the wrong type, or at the wrong place, must not be repeated.
    secret = place[:2] in {("mqtt", "password"), ("camera", "source"), ("camera", "ir")}
    return "what is written" if secret or "://" in str(item["input"]) else shown(item["input"])


def _did_you_mean(place: tuple[str, ...]) -> str:
    known = known_keys()
    if place[:2] == ("liveness", "model") and len(place) > 2:
        choices = sorted(OwnLivenessModel.model_fields)
    elif len(place) == 1:
        choices = sorted({path.split(".")[0] for path in known})
    else:
        choices = [path.split(".")[1] for path in known if path.startswith(place[0] + ".")]
    near = difflib.get_close_matches(place[-1], choices, n=1)
    if near:
        return f" (did you mean {near[0]}?)"
    elsewhere = [path for path in known if path.split(".")[1] == place[-1]]
    return f" (it belongs to {elsewhere[0].split('.')[0]}:)" if elsewhere else ""


def known_keys() -> dict[str, object]:
    """Every `section.key` with its default."""
    default = Config()
    return {
        f"{section}.{key}": getattr(getattr(default, section), key)
        for section in Config.model_fields
        for key in type(getattr(default, section)).model_fields
    }


def _kind(value: object) -> str:
    """What is there instead, without repeating it: it may be a secret in the wrong place."""
    if isinstance(value, Mapping):
        return "a section"
    if isinstance(value, (list, tuple)):
        return "a list"
    return "a text" if isinstance(value, str) else f"the value {_spelt(value)}"


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _short(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
