"""A camera that is looked at for years: opened again after every fault, and never silent about it.

A door without a picture is degraded, not broken: request-to-exit and the keeper's PIN still work.
So nothing that a camera does may end the program, and nothing may hold up whoever looks at it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator

from appliance.errors import ApplianceError, CameraError
from appliance.hardware.latest import FROZEN, MOST_LEFT_BEHIND, left_behind
from appliance.ports import Camera, Clock, SceneCheck
from appliance.types import Frame, Trouble, TroubleKind

# Seconds after which the caller hears something even if the camera says nothing.
HEARTBEAT_S = 1.0
# Seconds without a frame after which a camera is silent; until then it is waited for.
SILENT_AFTER_S = 5.0
# No pace is slower than this: a missing frame would not tell a slow pace from a dead camera.
SLOWEST_FPS = 2.0
# Seconds of frames after which a camera is taken for sound, and the next fault for its first.
SOUND_AFTER_S = 5.0
# Seconds after which a camera that is still being opened is missing.
OPENED_WITHIN_S = 15.0
# How long closing waits for the camera's own closing.
_JOIN_S = 3.0

_LOG = logging.getLogger(__name__)

_SCENES = {
    TroubleKind.DARK: (
        "The camera {name} shows nothing but darkness.",
        "Give the place in front of the door some light, and look whether the lens is covered.",
    ),
    TroubleKind.COVERED: (
        "The camera {name} shows a plain surface: it seems to be covered.",
        "Look what is in front of the lens, and clean it.",
    ),
    TroubleKind.OVEREXPOSED: (
        "The camera {name} is dazzled: its picture is burnt out.",
        "Shield it from the sun or from the lamp, or turn it a little.",
    ),
    TroubleKind.FROZEN: (
        "The camera {name} is frozen: it delivers the same picture over and over.",
        "Unplug it and plug it in again; if that recurs, try another cable or port.",
    ),
    TroubleKind.WRONG_SIZE: (
        "The camera {name} delivers pictures that are too small to show anybody.",
        "Set camera.width and camera.height to a size that it offers.",
    ),
}


class Backoff:
    """How long to wait before the next trial: twice as long each time, up to a limit. Seconds."""

    def __init__(self, first: float = 0.5, longest: float = 30.0) -> None:
        self._first = self._next = first
        self._longest = longest

    def wait(self) -> float:
        """The seconds to wait now."""
        now, self._next = self._next, min(self._next * 2, self._longest)
        return now

    def reset(self) -> None:
        """What was tried has worked."""
        self._next = self._first


class SteadyCamera:
    """Keeps a camera open and hands over what it shows, or what is amiss with it: see ports.Watch.

    name: what a person would call the camera, without secrets. open_camera: opens it, and raises
    ApplianceError where that fails; called in a thread of its own, again and again. scene: makes a
    check of the scene, and another where the pictures' size has changed.
    A sensor's latest frame wins; the frames of files wait until they are taken.
    """

    def __init__(
        self,
        name: str,
        open_camera: Callable[[], Camera],
        clock: Clock,
        scene: Callable[[], SceneCheck],
        *,
        backoff: Backoff | None = None,
    ) -> None:
        self._name = name
        self._open_camera = open_camera
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._camera: Camera | None = None
        self._fps: float | None = None
        self._newest: Frame | None = None
        self._lost: Trouble | None = None
        self._untold = False  # of `_lost`: nobody has heard of it yet
        self._last_sign = clock.monotonic()
        self._opening_since: float | None = None
        self._began = False  # at least one frame came, or one fault
        self._view = _View(name, scene)
        self._thread = threading.Thread(target=self._run, name="steady camera", daemon=True)
        self._thread.start()

    def pace(self, fps: float | None) -> None:
        """Hand over at most `fps` frames a second, at least SLOWEST_FPS; None: all."""
        with self._changed:
            self._fps = None if fps is None else max(fps, SLOWEST_FPS)
            if self._camera is not None:
                self._camera.pace(self._fps)

    def sights(self) -> Iterator[Frame | Trouble]:
        """Frames, and trouble in their place; something at least every HEARTBEAT_S."""
        while True:
            sight = self._wait()
            if self._stopping.is_set():
                return
            if isinstance(sight, Trouble):
                yield sight
            else:
                yield from self._view.judge(sight, self._clock.monotonic())

    def close(self) -> None:
        """Give the device back; may be called twice, and from any thread."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
            camera = self._camera
        if camera is not None:
            camera.close()
        if self._thread is not threading.current_thread():
            self._thread.join(_JOIN_S)

    def _wait(self) -> Frame | Trouble:
        with self._changed:
            self._changed.wait_for(self._something_is_new, HEARTBEAT_S)
            if self._lost is not None and (self._untold or self._newest is None):
                trouble, self._untold = self._lost, False
                if self._newest is not None:  # it came back before anybody heard of its absence
                    self._lost = None
                return self._hanging(trouble) or trouble
            frame, self._newest = self._newest, None
            if frame is None:
                return self._silence()
            self._changed.notify_all()
            return frame

    def _something_is_new(self) -> bool:
        return self._untold or self._newest is not None or self._stopping.is_set()

    def _silence(self) -> Trouble:
        """Nobody complains, and yet nothing comes."""
        since = self._last_sign
        if not self._began:
            starting = f"The camera {self._name} is being opened."
            return self._hanging(None) or Trouble(TroubleKind.STARTING, starting, since)
        if self._clock.monotonic() - since >= SILENT_AFTER_S:
            return Trouble(TroubleKind.LOST, f"The camera {self._name} is silent.", since)
        waiting = f"The next picture of the camera {self._name} is late."
        return Trouble(TroubleKind.STARTING, waiting, since)

    def _hanging(self, before: Trouble | None) -> Trouble | None:
        """The camera has been being opened for too long. before: what was amiss until then."""
        since = self._opening_since
        if since is None or self._clock.monotonic() - since < OPENED_WITHIN_S:
            return None
        if before is not None and before.kind is TroubleKind.LOST:
            since = before.since
        sentence = f"The camera {self._name} cannot be opened: it does not answer."
        return Trouble(TroubleKind.LOST, sentence, since)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._use()
            except ApplianceError as error:
                if error.code == FROZEN:
                    self._report(TroubleKind.FROZEN, error.message, error.hint)
                else:
                    self._report(TroubleKind.LOST, error.message, error.hint)
            except Exception as error:  # noqa: BLE001 - whatever it was: degraded, not ended
                _LOG.exception("The camera %s failed unexpectedly", self._name)
                told = str(error) or type(error).__name__
                self._report(TroubleKind.LOST, f"The camera {self._name} failed: {told}.", "")
            else:
                self._report_end()
                self._stopping.wait()
            self._stopping.wait(self._backoff.wait())

    def _use(self) -> None:
        """Open the camera and hand over its frames until they end."""
        camera = self._opened()
        try:
            with self._changed:
                self._camera = camera
                camera.pace(self._fps)
            if not self._stopping.is_set():
                self._hand_over_all(camera)
        finally:
            with self._changed:
                self._camera = None
            camera.close()

    def _opened(self) -> Camera:
        hanging = left_behind()
        if hanging >= MOST_LEFT_BEHIND:
            # Each more would hold another thread, and all of them the device.
            raise CameraError(
                f"The camera {self._name} hangs: {hanging} reads of it have not come back, so it "
                "is not opened again.",
                hint="Unplug it and plug it in again; if that is not enough, restart the service.",
            )
        self._opening_since = self._clock.monotonic()
        try:
            return self._open_camera()
        finally:
            self._opening_since = None

    def _hand_over_all(self, camera: Camera) -> None:
        began = self._clock.monotonic()
        for frame in camera.frames():
            with self._changed:
                self._newest, self._lost = frame, self._lost if self._untold else None
                self._began, self._last_sign = True, self._clock.monotonic()
                self._changed.notify_all()
                while not (camera.live or self._newest is None or self._stopping.is_set()):
                    self._changed.wait()
            if self._clock.monotonic() - began >= SOUND_AFTER_S:
                self._backoff.reset()

    def _report_end(self) -> None:
        sentence = f"All of {self._name} has been shown."
        self._report(TroubleKind.LOST, sentence, "Set camera.loop: true to play it over and over.")

    def _report(self, kind: TroubleKind, sentence: str, hint: str) -> None:
        with self._changed:
            before = self._lost
            now = self._clock.monotonic()
            since = before.since if before is not None and before.kind is kind else now
            self._lost = Trouble(kind, sentence, since, hint)
            self._newest, self._untold, self._began = None, True, True
            self._changed.notify_all()


class _View:
    """What the frames show, from one to the next."""

    def __init__(self, name: str, new_scene: Callable[[], SceneCheck]) -> None:
        self._name = name
        self._new_scene = new_scene
        self._scene = new_scene()
        self._size: tuple[int, int] | None = None
        self._trouble: Trouble | None = None

    def judge(self, frame: Frame, now: float) -> Iterator[Frame | Trouble]:
        """The frame, or what is amiss with it; where the size has changed, that before it."""
        size = (frame.width, frame.height)
        if self._size not in {None, size}:
            yield Trouble(TroubleKind.WRONG_SIZE, self._resized(size), now)
            self._scene = self._new_scene()
        self._size = size
        kind = self._scene.see(frame)
        if kind is None:
            self._trouble = None
            yield frame
            return
        if self._trouble is None or self._trouble.kind is not kind:
            sentence, hint = _SCENES[kind]
            self._trouble = Trouble(kind, sentence.format(name=self._name), now, hint)
        yield self._trouble

    def _resized(self, size: tuple[int, int]) -> str:
        before = "another size" if self._size is None else f"{self._size[0]} x {self._size[1]}"
        return f"The camera {self._name} went from {before} to {size[0]} x {size[1]}."
