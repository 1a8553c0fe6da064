"""The composition root: the only module that knows config, hardware, vision and store together.

Each function builds one part from the config. Nothing is built before it is asked for, nothing
is built twice by one caller, and no part is ever replaced by a twin that config does not name.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from appliance import decision, door, lockdown, lockout, matching
from appliance.access import Access
from appliance.access import Policy as AccessPolicy
from appliance.attempt import DoorRoom, Rules
from appliance.claims import claiming
from appliance.claims.backoff import Backoff
from appliance.claims.badge import BadgeWatch
from appliance.claims.desk import Answer, Desk
from appliance.claims.desk import Tools as ClaimTools
from appliance.claims.reading import Reading
from appliance.config import CPU_DELEGATE, TENSORRT, Config, OwnLivenessModel
from appliance.door_controller import DoorController
from appliance.enrolment import one_person, poses
from appliance.enrolment.collect import Policy as EnrolmentPolicy
from appliance.enrolment.register import Register
from appliance.errors import CameraError, ConfigError, ModelError, UsageError
from appliance.evaluation.pad import Judge
from appliance.feedback import Feedback
from appliance.hardware import gstreamer_camera, picamera2_camera, rtsp_camera, v4l2
from appliance.hardware.clock import SystemClock
from appliance.hardware.evdev_keys import open_evdev_keys
from appliance.hardware.exclusive import DevicesLock
from appliance.hardware.files import FileCamera
from appliance.hardware.gstreamer_camera import GstreamerCamera
from appliance.hardware.indicators import SimulatedIndicators, open_gpio_indicators
from appliance.hardware.inputs import SimulatedInputs, Wiring, open_gpio_inputs
from appliance.hardware.latest import Format, Handling
from appliance.hardware.lock import SimulatedLock, open_gpio_lock
from appliance.hardware.matrix_keypad import open_matrix_keypad
from appliance.hardware.picamera2_camera import PicameraCamera
from appliance.hardware.rtsp_camera import RtspCamera
from appliance.hardware.second_sight import FileSight, KeptSight
from appliance.hardware.simulated_keys import SimulatedKeys
from appliance.hardware.speaker import EspeakSpeaker, SoundSpeaker
from appliance.hardware.steady import SteadyCamera
from appliance.hardware.steady_keys import SteadyKeys
from appliance.hardware.v4l2 import V4l2Camera
from appliance.hardware.video_writer import CODECS, VideoWriter
from appliance.hardware.video_writer import check as check_video_file
from appliance.liveness import fusion
from appliance.liveness import watch as life
from appliance.liveness.appearance import SHIPPED, AppearanceCheck, Context, Thresholds
from appliance.liveness.challenge import Challenge
from appliance.liveness.challenge import longest_s as longest_challenge_s
from appliance.liveness.cue import Cue
from appliance.liveness.geometry import GeometryCue
from appliance.liveness.infrared import InfraredCheck, Placement
from appliance.liveness.injected import Injected
from appliance.liveness.network import Network as LivenessNetwork
from appliance.liveness.network import Recipe, read_own, recipe_of
from appliance.liveness.surroundings import Surroundings
from appliance.liveness.texture import TextureCue
from appliance.perception import Perception, Stages
from appliance.ports import (
    Aligner,
    Camera,
    Clock,
    Detector,
    DoorInputs,
    Embedder,
    Indicators,
    Keys,
    LivenessCheck,
    Lock,
    SecondSight,
    Speaker,
    Watch,
)
from appliance.signals import Output
from appliance.store.location import StoreLocation, locate
from appliance.store.store import Store
from appliance.store.upkeep import HousePolicy
from appliance.types import Claim, Frame
from appliance.vision.acceleration import (
    Attempt,
    Placed,
    Source,
    Way,
    by_external,
    place,
    prepare,
    ways_of,
)
from appliance.vision.acquisition import Acquisition, FaceSizes
from appliance.vision.alignment import (
    ALIGNMENTS,
    BY_DLIB_5,
    BY_DLIB_68,
    PredictedAlignment,
)
from appliance.vision.blazeface import BlazeFace
from appliance.vision.detector import HaarDetector, HogDetector
from appliance.vision.embedding import TfliteEmbedder
from appliance.vision.interpreter import Network, TfliteModel
from appliance.vision.landmarks import FaceMesh
from appliance.vision.manifest import (
    Calibration,
    Entry,
    Manifest,
    fingerprint,
    load,
    shipped_folder,
)
from appliance.vision.motion import MotionGate
from appliance.vision.predictor import FIVE, SIXTY_EIGHT, ShapePredictor, read_installed
from appliance.vision.processor import Processor
from appliance.vision.qr import QrReader
from appliance.vision.quality import QualityLimits
from appliance.vision.scene import SceneLimits, SceneWatch, shows_something
from appliance.vision.tensorrt_engine import Progress

log = logging.getLogger(__name__)

# What a video can be written as.
VIDEO_CODECS = tuple(CODECS)
# A face out of sight for longer than this may have changed places with another.
GAP_S = 1.5
# However often a door is granted in a row, its line rests after this many pulses' time.
LONGEST_PULSES = 3
# Of the shipped appearance network: `models/README.md` has the figures.
APPEARANCE_THRESHOLDS = Thresholds(attack=0.4, live=0.6)
# An attempt ends as an attack where that is the likelier. Between this and what
# `liveness.target_bpcer` asks for a frame is undetermined, which keeps out and accuses nobody.
LIKELIER_AN_ATTACK = 0.5


def clock() -> Clock:
    """The real one."""
    return SystemClock()


def manifest(config: Config) -> Manifest:
    """The models' manifest: the shipped one, or that of `model.directory`."""
    return load(config.model.directory or shipped_folder())


def calibration(config: Config) -> Calibration:
    """The configured model's error rates. ModelError when it was never calibrated."""
    entry = manifest(config).entry(config.model.name, "embedder")
    if entry.calibration is None:
        raise ModelError(
            f"The model {entry.name!r} has no calibration, so no threshold can be derived.",
            hint="Choose a calibrated model: `appliance models list` shows which are.",
            code="not_calibrated",
        )
    return entry.calibration


def perception(
    config: Config,
    *,
    liveness: bool = True,
    recorded: bool = False,
    loaded: Callable[[str], None] | None = None,
) -> Perception:
    """The pipeline. liveness: whether frames are checked as the config's profile says.

    recorded: frames come from files, though the config may name a camera, and an infrared one.
    loaded: hears of each network that is there.
    """
    told = loaded or _untold
    models = manifest(config)
    mesh = face_mesh(config, models)
    finding = finder(config, models, mesh)
    told("the detectors are loaded")
    cropping, telling = aligner(config), _embedder(config, models)
    told("the embedder is loaded")
    check = _liveness(config, models, recorded=recorded) if liveness else None
    told("the liveness check is loaded")
    limits = QualityLimits(**config.quality.model_dump())
    stages = Stages(finding, mesh, cropping, telling, limits, check)
    return Perception(stages, clock())


def _untold(_part: str) -> None:
    """Nobody waits to hear of it."""


def look_in_infrared(perception: Perception, sight: SecondSight | None) -> None:
    """Have this pipeline look through the infrared camera from now on; None: through none.

    One that was built for such a camera finds nobody alive while it has none; to all others this
    makes no difference.
    """
    check = perception.stages.liveness
    if isinstance(check, life.LivenessWatch) and isinstance(check.infrared, InfraredCheck):
        check.infrared.through(sight)


def liveness(config: Config) -> LivenessCheck | None:
    """What looks for life in recordings, as the config's profile says; None: nothing does."""
    return _liveness(config, manifest(config), recorded=True)


def acquisition(config: Config) -> Acquisition:
    """What finds faces: the part of the pipeline that needs no embedder."""
    models = manifest(config)
    return finder(config, models, face_mesh(config, models))


def face_mesh(config: Config, models: Manifest) -> FaceMesh:
    """The mesh of 468 points. Raises ModelError."""
    return FaceMesh(_tflite(models, "face_mesh", "landmarks", config.model.threads))


def finder(config: Config, models: Manifest, mesh: FaceMesh) -> Acquisition:
    """What finds faces, confirmed by a mesh that is there already. Raises ModelError."""
    sizes = FaceSizes(config.detector.nearest, config.detector.farthest)
    second = second_detector(models, config.model.threads)
    return Acquisition(_detector(config), mesh, sizes, second)


def embedder(config: Config) -> Embedder:
    """The configured embedder."""
    return _embedder(config, manifest(config))


def _embedder(config: Config, models: Manifest) -> Embedder:
    entry = models.entry(config.model.name, "embedder")
    placed = _placed(config, models, entry)
    if placed.processor.warning:
        log.warning("%s", placed.processor.warning)
    mark = template_fingerprint(entry, models)
    return TfliteEmbedder(entry, placed.network, mark, placed.processor)


def processor(of: Embedder) -> Processor | None:
    """Where an embedder of `embedder` or `perception` runs; None for any other."""
    return of.processor if isinstance(of, TfliteEmbedder) else None


def placed(config: Config) -> tuple[Network, Processor]:
    """The configured embedder's network alone, and where it runs. Raises ModelError."""
    models = manifest(config)
    found = _placed(config, models, models.entry(config.model.name, "embedder"))
    return found.network, found.processor


def on_cpu(config: Config) -> Network:
    """The configured embedder's network by TFLite, whatever model.delegate names. ModelError."""
    return _tflite(manifest(config), config.model.name, "embedder", config.model.threads)


def _placed(config: Config, models: Manifest, entry: Entry) -> Placed:
    """The network on what model.delegate names. ModelError where that cannot be."""
    delegate, threads = config.model.delegate, config.model.threads
    if delegate == CPU_DELEGATE:
        network = _tflite(models, entry.name, "embedder", threads)
        return Placed(network, Processor())
    if delegate == TENSORRT:
        source = _accelerated(config, models, entry)
        return place(source, _ways(config, source))
    return by_external(Path(delegate), entry, models.read(entry), threads, uid=os.geteuid())


def prepared(config: Config, progress: Progress, *, every: bool) -> Iterator[Attempt]:
    """Build what `model.delegate: tensorrt` needs, one attempt after the other; see `prepare`."""
    models = manifest(config)
    source = _accelerated(config, models, models.entry(config.model.name, "embedder"))
    return prepare(source, _ways(config, source), progress, every=every)


def _ways(config: Config, source: Source) -> list[Way]:
    return ways_of(source, location(config).engines, uid=os.geteuid())


def _accelerated(config: Config, models: Manifest, entry: Entry) -> Source:
    if entry.twin is None:
        with_one = [it.name for it in models.entries.values() if it.twin is not None]
        raise ModelError(
            f"The model {entry.name!r} has no ONNX twin, which is what model.delegate: tensorrt "
            "runs.",
            hint=f"Set model.name to one that has: {', '.join(with_one) or 'there is none'}. "
            "Whoever is enrolled with another model must enrol again.",
            code="no_twin",
        )
    return Source(entry, models.read(entry), models.read(entry.twin), config.model.threads)


def template_fingerprint(entry: Entry, models: Manifest) -> str:
    """What templates made by an embedder carry, and what they are compared by."""
    return fingerprint(entry, _landmark_models(entry, models))


def evaluation_perception(config: Config) -> Perception:
    """A pipeline for measuring: no liveness, one thread, for one runs on each core."""
    single = config.model_copy(update={"model": config.model.model_copy(update={"threads": 1})})
    return perception(single, liveness=False)


def pad_judge(config: Config, *, any_size: bool = False) -> Judge:
    """What measures the liveness check of the config's profile, with the rules of a door.

    any_size: faces count however small they are, which no door allows. One thread, for one runs on
    each core.
    """
    single = config.model_copy(update={"model": config.model.model_copy(update={"threads": 1})})
    models = manifest(single)
    stages = perception(single, liveness=False).stages
    if any_size:
        stages = replace(stages, limits=replace(stages.limits, min_eye_distance=0.0))

    def fresh(random: Random) -> Perception:
        check = _liveness(single, models, recorded=True, random=random)
        return Perception(replace(stages, liveness=check), clock())

    door = rules(single, unlock=True, live=True)
    policy = replace(door.policy, pulse_s=None, cool_down_s=0.0, spoof_cool_down_s=0.0)
    # As `verify` tells of a single picture: there is no second frame, and no motion in it.
    alone = replace(policy, minimum=1, motion_required=False)
    return Judge(fresh, replace(door, policy=policy), replace(door, policy=alone), clock())


def aligner(config: Config) -> Aligner:
    """What crops a face for the configured embedder. ModelError when points it needs are absent."""
    models = manifest(config)
    entry = models.entry(config.model.name, "embedder")
    name, points = entry.alignment.name, entry.alignment.points_sha256
    if name in ALIGNMENTS:
        return ALIGNMENTS[name]
    if name == BY_DLIB_5:
        content = models.read(models.entry("landmarks5", "landmarks5"))
        predictor = ShapePredictor(content, FIVE)
    elif name == BY_DLIB_68 and points is not None:
        content = read_installed(config.model.landmarks68, points, entry.name)
        predictor = ShapePredictor(content, SIXTY_EIGHT)
    else:
        raise ModelError(
            f"The manifest of {models.folder} aligns the embedder {entry.name!r} by {name!r}, "
            "which this version cannot do.",
            hint="Install the models that came with this version.",
        )
    return PredictedAlignment(name, predictor.outer_eyes_and_nose)


def _landmark_models(entry: Entry, models: Manifest) -> list[Entry]:
    """The manifest's models that decide how a face is cropped for an embedder.

    A file of points that a user installs is none of them: the alignment itself names its sum.
    """
    mesh = models.entry("face_mesh", "landmarks")
    if entry.alignment.name == BY_DLIB_5:
        return [mesh, models.entry("landmarks5", "landmarks5")]
    return [mesh]


def _detector(config: Config) -> Detector:
    return HaarDetector() if config.detector.driver == "haar" else HogDetector()


def second_detector(models: Manifest, threads: int) -> Detector:
    """BlazeFace, for faces that HOG is blind to. Raises ModelError."""
    entry = models.entry("face_detection", "detector")
    return BlazeFace(entry, _tflite(models, entry.name, "detector", threads))


def _liveness(
    config: Config, models: Manifest, *, recorded: bool, random: Random | None = None
) -> LivenessCheck | None:
    """recorded: see `perception`. random: draws challenges; None: what nobody can foretell."""
    wanted = config.liveness
    if wanted.profile == "off":
        return None
    score = fusion.Fusion(fusion.load())
    least = score.threshold(wanted.target_bpcer)
    thresholds = life.Thresholds(min(LIKELIER_AN_ATTACK, least), least)
    appearance = _appearance(config, models)
    live = not recorded and config.camera.driver != "files"
    cues: list[Cue] = [GeometryCue(), Surroundings(), TextureCue(), Injected(live=live)]
    return life.LivenessWatch(
        appearance,
        cues,
        score,
        thresholds,
        motion=wanted.motion,
        challenge=_challenge(config, random),
        infrared=None if recorded else _infrared(config, models),
    )


def _infrared(config: Config, models: Manifest) -> InfraredCheck | None:
    wanted = config.camera
    if wanted.ir is None:
        return None
    faces = finder(config, models, face_mesh(config, models)).glance
    return InfraredCheck(faces, Placement(*wanted.ir_shift, wanted.ir_scale))


def _challenge(config: Config, random: Random | None) -> Challenge | None:
    mode = config.liveness.challenges
    return None if mode == "off" else Challenge(mode, random or secrets.SystemRandom())


def liveness_identity(config: Config) -> dict[str, str]:
    """What the liveness verdict is made of, by name, as SHA-256. Raises ModelError."""
    own = config.liveness.model
    if own is not None:
        return {own.file.name: own.sha256, fusion.FILE.name: fusion.fingerprint()}
    entry = _antispoof(manifest(config))
    return {entry.name: entry.sha256, fusion.FILE.name: fusion.fingerprint()}


def _antispoof(models: Manifest) -> Entry:
    return models.entry("antispoof", "liveness")


def _appearance(config: Config, models: Manifest) -> AppearanceCheck:
    if config.liveness.model is not None:
        return _own_appearance(config.liveness.model, config.model.threads)
    entry = _antispoof(models)
    model = _tflite(models, entry.name, "liveness", config.model.threads)
    network = LivenessNetwork(entry.name, model, recipe_of(entry))
    return AppearanceCheck(network, SHIPPED, APPEARANCE_THRESHOLDS)


def _own_appearance(wanted: OwnLivenessModel, threads: int) -> AppearanceCheck:
    content = read_own(wanted.file, wanted.sha256)
    model = TfliteModel(content, name=str(wanted.file), threads=threads)
    recipe = Recipe(
        colour=wanted.colour,
        mean=wanted.mean,
        scale=wanted.scale,
        output=wanted.output,
        index=wanted.live_index,
        activation=wanted.activation,
        higher_is_live=wanted.higher_is_live,
    )
    context = Context(wanted.crop, wanted.drop, wanted.outside, wanted.stretch)
    network = LivenessNetwork(str(wanted.file), model, recipe)
    return AppearanceCheck(network, (context,), Thresholds(wanted.attack, wanted.live))


def _tflite(models: Manifest, name: str, role: str, threads: int) -> TfliteModel:
    entry = models.entry(name, role)
    return TfliteModel(models.read(entry), name=name, threads=threads)


def location(config: Config) -> StoreLocation:
    """Where the store lives for this user."""
    return locate(config.store, os.environ, uid=os.getuid())


def store(config: Config, *, create: bool = True) -> Store:
    """The people, the audit log and the failure counts."""
    return Store.open(location(config), clock(), create=create)


def file_camera(paths: Sequence[Path]) -> FileCamera:
    """Pictures, folders and videos given on the command line."""
    return FileCamera(paths, clock())


def one_file(path: Path) -> FileCamera:
    """One picture; a module-level function, so that worker processes can be handed it."""
    return file_camera([path])


def replayed(paths: Sequence[Path]) -> FileCamera:
    """The same, each frame when it is due."""
    return FileCamera(paths, clock(), pacing="real_time")


def check_video(path: Path) -> None:
    """InputError where `video_writer` could write nothing; to be asked before long work."""
    check_video_file(path)


def video_writer(path: Path, codec: str, fps: float, size: tuple[int, int]) -> VideoWriter:
    """A video file in the making, see `hardware.video_writer`. Raises InputError."""
    return VideoWriter(path, codec, fps, size)


def camera(config: Config) -> Camera:
    """The configured camera, opened."""
    wanted = config.camera
    if wanted.driver == "files":
        return FileCamera([Path(wanted.source)], clock(), pacing=wanted.pacing, loop=wanted.loop)
    asked = Format(wanted.width, wanted.height, wanted.fps, wanted.pixel_format)
    handling = Handling(wanted.rotate, wanted.warm_up_frames, shows=shows_something)
    if wanted.driver == "rtsp":
        transport = wanted.rtsp_transport
        return RtspCamera(wanted.source, clock(), transport=transport, handling=handling)
    if wanted.driver == "gstreamer":
        source = wanted.source if wanted.sensor is None else wanted.sensor
        pipeline = gstreamer_camera.pipeline_of(source, asked)
        return GstreamerCamera(camera_name(config), pipeline, clock(), handling=handling)
    if wanted.driver == "picamera2":
        return PicameraCamera(wanted.sensor or 0, clock(), wanted=asked, handling=handling)
    return V4l2Camera(Path(wanted.source), clock(), wanted=asked, handling=handling)


def untested_camera(config: Config) -> str | None:
    """Why the configured driver is not yet to be relied upon; None where it has proved itself."""
    return {
        "files": None,
        "gstreamer": gstreamer_camera.UNTESTED,
        "picamera2": picamera2_camera.UNTESTED,
        "rtsp": rtsp_camera.UNTESTED,
        "v4l2": v4l2.UNTESTED,
    }[config.camera.driver]


def camera_name(config: Config) -> str:
    """What people call the camera; it holds no password."""
    wanted = config.camera
    if wanted.driver in {"gstreamer", "picamera2"} and wanted.sensor is not None:
        return f"sensor {wanted.sensor}"
    return wanted.shown_source


def watch(config: Config) -> Watch:
    """The configured camera, looked at for years."""
    return SteadyCamera(camera_name(config), partial(camera, config), clock(), SceneWatch)


def infrared_camera(config: Config) -> Camera:
    """The configured infrared camera, opened. ConfigError for one and the same as the other."""
    if os.path.realpath(config.camera.infrared.source) == os.path.realpath(config.camera.source):
        raise ConfigError(
            "camera.ir and camera.source lead to the same camera.",
            hint="`v4l2-ctl --list-devices` shows which device is which.",
        )
    try:
        return camera(_of_infrared(config))
    except CameraError as error:
        hint = error.hint.replace("camera.source", "camera.ir")
        raise CameraError(error.message, hint=hint, code=error.code) from error


def second_sight(config: Config) -> SecondSight | None:
    """The infrared camera, looked at for years; None where none is configured."""
    if config.camera.ir is None:
        return None
    opened = partial(infrared_camera, config)
    if config.camera.driver == "files":
        return FileSight(opened)
    name = camera_name(_of_infrared(config))
    # In the dark there is nothing to be seen before somebody comes; that is no trouble.
    limits = SceneLimits(dark=0.0, plain=0.0, burnt_share=2.0, frozen_s=float("inf"))
    scene = partial(SceneWatch, replace(limits, clearance=0.0, burnt_clearance=0.0))
    return KeptSight(SteadyCamera(name, opened, clock(), scene), clock())


def _of_infrared(config: Config) -> Config:
    camera = config.camera.infrared
    # By its own times, and not by the wall's: see FileSight.
    return config.model_copy(update={"camera": camera.model_copy(update={"pacing": "fast"})})


def devices(config: Config) -> AbstractContextManager[DevicesLock]:
    """Held by whoever uses camera or lock directly."""
    return DevicesLock(location(config).devices_lock)


def lock(config: Config) -> Lock:
    """The configured lock; it has commanded *locked* when this returns."""
    wanted = config.door
    if wanted.driver is None:
        raise ConfigError(
            "The door is not configured, so there is nothing to drive.",
            hint="Set door.driver (gpiozero, or simulated to try things out) and door.pin.",
            code="door_unconfigured",
        )
    fail_safe = wanted.fail == "safe"
    if wanted.driver == "simulated":
        journal = location(config).simulated_lock_journal
        return SimulatedLock(clock(), journal=journal, fail_safe=fail_safe)
    if wanted.pin is None:  # config.py has refused this already
        raise ConfigError("door.pin is missing.")
    return open_gpio_lock(
        wanted.chip, wanted.pin, clock(), active_high=wanted.active_high, fail_safe=fail_safe
    )


def refuse_files_at_a_real_door(config: Config, sources: Sequence[Path]) -> None:
    """A file never opens a real door. UsageError where one would."""
    from_files = bool(sources) or config.camera.driver == "files"
    if from_files and config.door.driver == "gpiozero":
        raise UsageError(
            "Pictures and recordings never open a real door.",
            hint="Leave --unlock out, or set door.driver: simulated to replay an attempt.",
            code="file_at_a_real_door",
        )


def controller(
    config: Config, of: Lock, kept: Store, inputs: DoorInputs | None = None
) -> DoorController:
    """The door's table on a lock, and on the door's inputs where they are handed in."""
    pulse_s, policy = config.door.pulse_s, door_policy(config)
    return DoorController(of, kept.audit, clock(), policy=policy, pulse_s=pulse_s, inputs=inputs)


def door_policy(config: Config) -> door.Policy:
    """How the door's table goes for this door."""
    wanted = config.door
    return door.Policy(
        longest_s=LONGEST_PULSES * wanted.pulse_s,
        exit_s=wanted.pulse_s,
        held_open_s=wanted.held_open_s,
        relock_on_close=wanted.relock_on_close,
        fail_safe=wanted.fail == "safe",
    )


def door_inputs(config: Config) -> DoorInputs | None:
    """Contact, button and tamper contact; None when none of them is connected."""
    wanted = config.door
    wiring = Wiring(
        contact=wanted.contact_pin,
        exit=wanted.request_to_exit_pin,
        tamper=wanted.tamper_pin,
        contact_open_high=wanted.contact_open == "high",
        exit_pressed_high=wanted.request_to_exit_pressed == "high",
        tamper_high=wanted.tamper_alarm == "high",
    )
    if wanted.driver is None or (wiring.contact, wiring.exit, wiring.tamper) == (None, None, None):
        return None
    if wanted.driver == "simulated":
        return SimulatedInputs(wiring, location(config).simulated_inputs)
    return open_gpio_inputs(wanted.chip, wiring)


def lockout_policy(config: Config) -> lockout.Policy:
    """How failed claims are held up."""
    wanted = config.verification
    return lockout.Policy(
        wanted.lockout_failures, wanted.lockout_s, config.claims.failures_per_hour
    )


def door_room(config: Config, of: Lock, kept: Store) -> DoorRoom:
    """What an attempt needs that may open the door."""
    return attempt_room(config, controller(config, of, kept), kept, simulated=of.simulated)


def attempt_room(config: Config, of: DoorController, kept: Store, *, simulated: bool) -> DoorRoom:
    """The same, for a door that is driven already."""
    return DoorRoom(
        controller=of,
        audit=kept.audit,
        failures=kept.failures,
        lockout=lockout_policy(config),
        min_frames=config.enrolment.min_frames_for_door,
        simulated=simulated,
        obstacle=access(config, kept).obstacle,
    )


def rules(config: Config, *, unlock: bool, live: bool) -> Rules:
    """How an attempt is decided. live: frames come from a sensor, not from files."""
    wanted, curves = config.verification, calibration(config)
    telling_from_files = not (unlock or live)
    policy = decision.Policy(
        agreement=matching.agreement(curves),
        frames=wanted.frames,
        minimum=1 if telling_from_files else wanted.frames,
        frame_interval_s=wanted.frame_interval_s,
        gap_s=GAP_S,
        timeout_s=float("inf") if telling_from_files else _longest_attempt_s(config),
        cool_down_s=wanted.cool_down_s,
        liveness_required=config.liveness.profile != "off",
        motion_required=config.liveness.motion and not telling_from_files,
        spoof_cool_down_s=config.liveness.spoof_cool_down_s,
        pulse_s=config.door.pulse_s if unlock else None,
    )
    return Rules(policy, wanted.target_far, curves)


def _longest_attempt_s(config: Config) -> float:
    asks = config.liveness.challenges != "off"
    return config.verification.timeout_s + (longest_challenge_s() if asks else 0.0)


def enrolment_policy(config: Config, *, guided: bool) -> EnrolmentPolicy:
    """How enrolment chooses frames.

    guided: the person before the camera is asked for poses until there are enough frames; pictures
    and recordings that are handed in are used whole.
    """
    wanted, curves = config.enrolment, calibration(config)
    return EnrolmentPolicy(
        frames=wanted.frames if guided else None,
        interval_s=wanted.frame_interval_s,
        agreement=matching.agreement(curves),
        belonging=one_person.belonging(curves),
        halves=one_person.halves(curves),
        timeout_s=wanted.timeout_s if guided else None,
        plan=poses.plan(wanted.frames) if guided else None,
        handicap=partial(matching.handicap, curves),
    )


def register(config: Config, kept: Store) -> Register:
    """What keeps templates, and says whom they look like."""
    curves, target_far = calibration(config), config.verification.target_far
    return Register(kept.people, kept.audit, kept.together, curves, target_far)


def access_policy(config: Config) -> AccessPolicy:
    """By which clock schedules are read, and what holds while nobody vouches for it."""
    wanted = config.access
    zone = None if wanted.time_zone is None else ZoneInfo(wanted.time_zone)
    return AccessPolicy(zone, wanted.untrusted_clock)


def access(config: Config, kept: Store) -> Access:
    """Who may enter now."""
    return Access(kept.permissions, clock(), access_policy(config))


def indicator_lines(config: Config) -> dict[Output, int]:
    """Which lamps and buzzer are connected, and to which lines of `door.chip`."""
    wanted = config.feedback
    lines = {
        Output.READY: wanted.ready_led_pin,
        Output.GRANTED: wanted.granted_led_pin,
        Output.DENIED: wanted.denied_led_pin,
        Output.BUZZER: wanted.buzzer_pin,
    }
    return {output: line for output, line in lines.items() if line is not None}


def indicators(config: Config) -> Indicators:
    """Lamps and a buzzer, real where the lock is; never raises, `faults` tells."""
    if config.door.driver == "simulated":
        journal = location(config).simulated_indicators_journal
        return SimulatedIndicators(clock(), journal=journal)
    lines = indicator_lines(config) if config.door.driver == "gpiozero" else {}
    return open_gpio_indicators(config.door.chip, lines, clock())


def speaker(config: Config) -> Speaker | None:
    """What greets people, or None where nobody is greeted; never raises, `faults` tells."""
    wanted = config.feedback
    if wanted.greeting == "off":
        return None
    if wanted.greeting == "speech":
        return EspeakSpeaker(wanted.language, os.environ)
    return SoundSpeaker(Path(wanted.greeting), os.environ)


def voice(config: Config) -> EspeakSpeaker:
    """What says aloud where nobody is at a door; never raises, `faults` tells."""
    return EspeakSpeaker(config.feedback.language, os.environ)


def sound(path: Path) -> SoundSpeaker:
    """What plays one WAV file; never raises, `faults` tells."""
    return SoundSpeaker(path, os.environ)


def instructor(config: Config, greeter: Speaker | None) -> Speaker | None:
    """What says what a person is to do, where config asks for it; the greeter, where that speaks.

    One voice for both: an instruction then cuts off a greeting instead of sounding over it.
    """
    if not config.feedback.speak:
        return None
    speaks = isinstance(greeter, EspeakSpeaker)
    return greeter if speaks else EspeakSpeaker(config.feedback.language, os.environ)


def feedback(
    config: Config, lamps: Indicators, voice: Speaker | None, instructor: Speaker | None = None
) -> Feedback:
    """What plays on them what happens at the door; lamps and voices stay their owner's."""
    return Feedback(lamps, voice, instructor, language=config.feedback.language)


def house_policy(config: Config) -> HousePolicy:
    """How long records are kept, and how often a checkpoint is signed."""
    return HousePolicy(config.audit.keep_days, config.audit.checkpoint_hours)


def remember_line(config: Config) -> None:
    """Write down which line is about to be driven, for what runs after a crash. HardwareError."""
    line = lockdown.configured(config, os.environ)
    lockdown.remember(line, lockdown.record_file(os.environ, location(config).folder))


def claim_desk(
    config: Config,
    kept: Store,
    *,
    hand: Callable[[Claim], bool],
    show: Callable[[Answer, str], None],
    call: Callable[[str, str], None],
) -> Desk:
    """What makes claims of keys, cards and badges; see `claims.desk.Tools` for the three."""
    backoff = Backoff(kept.failures, clock(), lockout_policy(config))
    tools = ClaimTools(kept.credentials, backoff, kept.audit, clock(), hand, show, call)
    wanted = config.claims
    policy = claiming.Policy(
        frozenset(wanted.require_pin), "keypad" in wanted.sources, wanted.entry_timeout_s
    )
    return Desk(tools, policy)


def claim_readings(config: Config, desk: Desk) -> list[Reading]:
    """The configured keypad and card reader, each to be run by a thread of its own.

    One that cannot be had tells so by its `trouble` and is tried again. Raises ConfigError.
    """
    found = []
    if "keypad" in config.claims.sources:
        keys = SteadyKeys(partial(keypad, config), clock())
        found.append(Reading("keypad", keys, desk.keypad, desk.tick))
    if "card" in config.claims.sources:
        keys = SteadyKeys(partial(card_reader, config), clock())
        found.append(Reading("card", keys, desk.card, desk.tick))
    return found


def badge_reader(config: Config, desk: Desk) -> Callable[[Frame], None] | None:
    """What looks for badges in the frames of an idle door; None where they are no claim."""
    if "qr" not in config.claims.sources:
        return None
    watch = BadgeWatch(MotionGate().moved, QrReader().read, clock())

    def read(frame: Frame) -> None:
        text = watch.look(frame)
        if text is not None:
            desk.badge(text)

    return read


def keypad(config: Config) -> Keys:
    """The configured keypad. HardwareError, LockError, ConfigError."""
    wanted = config.claims
    if wanted.keypad == "simulated":
        return SimulatedKeys(location(config).simulated_keys)
    if wanted.keypad == "matrix":
        lines = wanted.keypad_rows, wanted.keypad_columns
        return open_matrix_keypad(config.door.chip, *lines, clock())
    if wanted.keypad_device is None:
        raise ConfigError("claims.keypad_device is missing.")
    return open_evdev_keys(wanted.keypad_device, clock(), what="keypad")


def card_reader(config: Config) -> Keys:
    """The configured card reader. HardwareError, ConfigError."""
    device = config.claims.card_device
    if device is None:
        raise ConfigError(
            "No card reader is configured.",
            hint="Set claims.card_device, or give the card's number with --stdin.",
            code="no_card_reader",
        )
    return open_evdev_keys(device, clock(), what="card reader")
