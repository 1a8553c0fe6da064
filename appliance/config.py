"""config.yaml as frozen values: parsed once, every fault told at once, with "did you mean".

Each key has its default here and nowhere else. Keys whose part is not built yet are known and
refused by name when they ask for it, so that nobody believes in a protection that is not there.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from appliance.errors import ConfigError

SYSTEM_CONFIG = Path("/etc/appliance/config.yaml")


def _off_is_a_word(value: object) -> object:
    # YAML 1.1 reads an unquoted `off` as the boolean false.
    return "off" if value is False else value


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, validate_default=True)


class CameraConfig(_Section):
    """Where frames come from."""

    driver: Literal["v4l2", "picamera2", "gstreamer", "rtsp", "files"] = "v4l2"
    source: str = "/dev/video0"
    width: int = Field(1280, ge=160, le=7680)
    height: int = Field(720, ge=120, le=4320)
    fps: float = Field(15.0, gt=0, le=240)
    pixel_format: Literal["mjpg", "yuyv", "any"] = "mjpg"
    rotate: Literal[0, 90, 180, 270] = 0
    warm_up_frames: int = Field(5, ge=0, le=300)
    pacing: Literal["fast", "real_time"] = "fast"
    loop: bool = False
    ir: str | None = None

    @field_validator("source", mode="before")
    @classmethod
    def _number_is_a_device(cls, value: object) -> object:
        if isinstance(value, int) and not isinstance(value, bool):
            return f"/dev/video{value}"
        return value


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
    """Which embedding network runs, and on what."""

    name: str = "mobilefacenet_int8"
    delegate: str = "cpu"
    threads: int = Field(2, ge=1, le=16)
    directory: Path | None = None


class QualityConfig(_Section):
    """What a frame must show before it is compared."""

    min_eye_distance: float = Field(30.0, gt=0, description="pixels")
    min_sharpness: float = Field(0.15, ge=0)
    min_brightness: float = Field(25.0, ge=0, le=255)
    max_brightness: float = Field(225.0, ge=0, le=255)
    max_clipped: float = Field(0.2, ge=0, le=1)
    max_yaw: float = Field(45.0, gt=0, le=90)
    max_pitch: float = Field(35.0, gt=0, le=90)
    max_roll: float = Field(45.0, gt=0, le=180)


class VerificationConfig(_Section):
    """How sure is sure enough, and how often one may try."""

    target_far: float = Field(1e-5, ge=1e-6, le=1e-2)
    frames: int = Field(3, ge=3, le=30)
    frame_interval_s: float = Field(0.1, ge=0, le=2)
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


class LivenessConfig(_Section):
    """Presentation attack detection."""

    profile: Annotated[
        Literal["off", "passive", "standard", "strict"], BeforeValidator(_off_is_a_word)
    ] = "passive"
    challenge: Annotated[
        Literal["off", "blink", "turn", "random"], BeforeValidator(_off_is_a_word)
    ] = "off"


class DoorConfig(_Section):
    """The lock's line. Without a driver the door is unconfigured and nothing is driven."""

    driver: Literal["gpiozero", "simulated"] | None = None
    chip: int = Field(0, ge=0, le=63)
    pin: int | None = Field(None, ge=0, le=1023)
    active_high: bool = True
    fail: Literal["secure", "safe"] = "secure"
    pulse_s: float = Field(3.0, ge=0.1, le=30)
    contact_pin: int | None = Field(None, ge=0, le=1023)
    request_to_exit_pin: int | None = Field(None, ge=0, le=1023)
    held_open_s: float = Field(30.0, gt=0, le=3600)

    @model_validator(mode="after")
    def _a_real_lock_has_a_pin(self) -> DoorConfig:
        if self.driver == "gpiozero" and self.pin is None:
            raise ValueError("door.pin is missing: the number of the line that drives the lock")
        return self


class ClaimsConfig(_Section):
    """How people say who they are. identify: a face alone may be a claim."""

    sources: tuple[Literal["sole_user", "keypad", "card", "qr"], ...] = ()
    identify: bool = False


class StoreConfig(_Section):
    """Where people, audit and counters live.

    path: a folder, or a file ending in .db; None means the system's state folder.
    key: the file of the template key; None means beside the database, or the systemd credential.
    """

    path: Path | None = None
    key: Path | None = None


class ControlConfig(_Section):
    """The daemon's Unix socket."""

    socket: Path = Path("/run/appliance/control.sock")


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
    claims: ClaimsConfig = ClaimsConfig()
    store: StoreConfig = StoreConfig()
    control: ControlConfig = ControlConfig()
    kiosk: KioskConfig = KioskConfig()
    mqtt: MqttConfig = MqttConfig()

    @model_validator(mode="before")
    @classmethod
    def _an_empty_section_is_its_defaults(cls, data: object) -> object:
        # `door:` with nothing under it is what a person leaves who commented the keys out.
        if isinstance(data, Mapping):
            return {key: {} if value is None else value for key, value in data.items()}
        return data


# What each key can be today; anything else is known but refused by name.
_BUILT: Mapping[str, tuple[object, ...]] = {
    "camera.driver": ("v4l2", "files"),
    "camera.ir": (None,),
    "model.delegate": ("cpu",),
    "liveness.profile": ("off", "passive"),
    "liveness.challenge": ("off",),
    "door.fail": ("secure",),
    "door.contact_pin": (None,),
    "door.request_to_exit_pin": (None,),
    "claims.sources": ((),),
    "claims.identify": (False,),
    "kiosk.listen": (None,),
    "mqtt.host": (None,),
}


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a key written twice, which YAML would silently let win."""


def _mapping_without_repeats(loader: _UniqueKeys, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[object] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key!r} is not a word", key_node.start_mark
            )
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key!r} stands here twice", key_node.start_mark
            )
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_UniqueKeys.add_constructor(
    yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_repeats
)


def load(path: Path) -> Config:
    """Read a config file. ConfigError lists all faults."""
    try:
        text = path.read_text(encoding="utf-8")
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
    return parse(text, origin=str(path))


def parse(text: str, *, origin: str = "config.yaml") -> Config:
    """Parse config text. An empty text is valid: all defaults, the door unconfigured."""
    try:
        data = yaml.load(text, Loader=_UniqueKeys)  # noqa: S506 - a SafeLoader subclass
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"{origin} is not valid YAML: {_yaml_place(error)}.",
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
    faults: list[str] = []
    config: Config | None = None
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        faults += [_fault(item) for item in error.errors(include_url=False)]
    faults += _not_built(data)
    if config is None or faults:
        lines = "; ".join(dict.fromkeys(faults))
        count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise ConfigError(
            f"{origin} has {count}: {lines}.",
            hint="`appliance config show` prints every key with its default.",
        )
    return config


def _not_built(data: Mapping[str, object]) -> list[str]:
    """Known keys that ask for a part this version does not have."""
    found = []
    for path, built in _BUILT.items():
        section, key = path.split(".")
        value = data.get(section)
        if not isinstance(value, Mapping) or key not in value:
            continue
        wanted = value[key]
        wanted = tuple(wanted) if isinstance(wanted, list) else wanted
        wanted = "off" if wanted is False and "off" in built else wanted
        if wanted in built or not _is_a_known_value(section, key, wanted):
            continue
        allowed = ", ".join("nothing" if item in (None, ()) else str(item) for item in built)
        found.append(f"{path}: {wanted!r} is not built in this version (built: {allowed})")
    return found


def _is_a_known_value(section: str, key: str, value: object) -> bool:
    """False where the type check has already refused the value."""
    annotation = type(getattr(Config(), section)).model_fields[key].annotation
    options = [item for item in _literals(annotation) if item is not None]
    words = value if isinstance(value, tuple) else (value,)
    return not options or all(word in options for word in words if isinstance(word, str))


def _literals(annotation: Any) -> list[object]:
    if getattr(annotation, "__origin__", None) is Literal:
        return list(get_args(annotation))
    return [item for part in get_args(annotation) for item in _literals(part)]


def _fault(item: Any) -> str:
    """One pydantic error as a clause a person can act on."""
    place = tuple(str(part) for part in item["loc"])
    where = ".".join(place) or "the file"
    if item["type"] == "extra_forbidden":
        return f"{where} is not a known key{_did_you_mean(place)}"
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] in {"model_type", "model_attributes_type"}:
        message = f"holds {_kind(item['input'])} where keys are expected"
    elif item["type"] == "value_error":
        return f"{where}: {message}"
    else:
        message = f"{_lower_first(message)}, not {_quoted(item, place)}"
    return f"{where}: {message}"


def _quoted(item: Any, place: tuple[str, ...]) -> str:
    # A secret that was given the wrong type must not be repeated in a message.
    return "what is written" if place[-1:] == ("password",) else repr(item["input"])


def _did_you_mean(place: tuple[str, ...]) -> str:
    known = known_keys()
    if len(place) == 1:
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
    if isinstance(value, Mapping):
        return "a section"
    if isinstance(value, (list, tuple)):
        return "a list"
    return f"the value {value!r}"


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _short(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()


def _yaml_place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error) or type(error).__name__
    if mark is None:
        return str(problem).splitlines()[0]
    return f"{problem} in line {mark.line + 1}, column {mark.column + 1}"
