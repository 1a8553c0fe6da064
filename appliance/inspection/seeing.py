"""What the camera gives, and how well a person at the mark is seen by it. No picture is kept."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from itertools import pairwise
from statistics import median
from typing import Any, Final

from appliance import assemble
from appliance.config import Config
from appliance.types import Frame, Quality, TroubleKind
from appliance.vision.scene import SceneLimits, fault_of, measure

# The rate of a camera wavers with its exposure: seconds of its own time that are watched.
WATCHED_S: Final = 5.0
# So many good frames say what a person at the mark looks like.
GOOD_FRAMES: Final = 15
# A clock of another kind than ours is no reason to state a delay.
_LONGEST_DELAY_S: Final = 10.0
_SCENES: Final = {
    TroubleKind.DARK: "all dark",
    TroubleKind.OVEREXPOSED: "burnt out",
    TroubleKind.COVERED: "plain, as if something covered the lens",
}


def camera(config: Config, wait_s: float) -> dict[str, Any]:
    """Size, rate, delay and light of the pictures that come in WATCHED_S.

    wait_s: how long is waited for them, and for twice WATCHED_S at least. Raises CameraError,
    InputError or DeviceBusyError.
    """
    clock, times, delays = assemble.clock(), list[float](), list[float]()
    with ExitStack() as stack:
        stack.enter_context(assemble.devices(config))
        source = stack.enter_context(closing(assemble.camera(config)))
        latest, last = clock.monotonic() + max(wait_s, 2 * WATCHED_S), None
        for frame in source.frames():
            last = frame
            times.append(frame.at)
            delays.append(clock.monotonic() - frame.at)
            if frame.at - times[0] >= WATCHED_S or clock.monotonic() > latest:
                break
        live = source.live
    if last is None:
        return {"width": 0, "height": 0, "frames": 0, "fps": None, "scene": ""}
    return {
        "width": last.width,
        "height": last.height,
        "frames": len(times),
        **_rate(times),
        **_light(last),
        "delay_ms": _delay_ms(delays) if live else None,
    }


def _rate(times: Sequence[float]) -> dict[str, Any]:
    gaps = [later - earlier for earlier, later in pairwise(times)]
    if not gaps or times[-1] <= times[0]:
        return {"fps": None, "longest_gap_ms": None}
    fps = len(gaps) / (times[-1] - times[0])
    return {"fps": round(fps, 1), "longest_gap_ms": round(max(gaps) * 1000)}


def _light(frame: Frame) -> dict[str, Any]:
    limits = SceneLimits()
    light = measure(frame.bgr, limits.burnt)
    fault = fault_of(light, limits)
    return {
        "darkest": round(light.darkest),
        "brightest": round(light.brightest),
        "burnt": round(light.burnt, 3),
        "scene": _SCENES.get(fault, "") if fault is not None else "",
    }


def _delay_ms(delays: Sequence[float]) -> int | None:
    typical = median(delays)
    return round(typical * 1000) if 0 <= typical < _LONGEST_DELAY_S else None


def person(config: Config, wait_s: float) -> dict[str, Any]:
    """What a person at the mark looks like: medians over GOOD_FRAMES with one face.

    Raises what the camera and the models raise.
    """
    clock, seen, spent = assemble.clock(), list[Quality](), list[float]()
    nobody = 0
    with ExitStack() as stack:
        stack.enter_context(assemble.devices(config))
        source = stack.enter_context(closing(assemble.camera(config)))
        perception = assemble.perception(config, recorded=not source.live)
        latest = clock.monotonic() + wait_s
        for frame in source.frames():
            begun = clock.monotonic()
            found = perception.look(frame, embed=False)
            spent.append(clock.monotonic() - begun)
            if found.quality is None:
                nobody += 1
            else:
                seen.append(found.quality)
            if len(seen) >= GOOD_FRAMES or clock.monotonic() > latest:
                break
    return {
        "frames": len(seen),
        "frames_without": nobody,
        **(_typical(seen) if seen else {}),
        "frame_ms": round(median(spent) * 1000, 1) if spent else None,
    }


def _typical(seen: Sequence[Quality]) -> dict[str, Any]:
    return {
        "eye_distance": round(median(it.eye_distance for it in seen), 1),
        "sharpness": round(median(it.sharpness for it in seen), 3),
        "brightness": round(median(it.brightness for it in seen), 1),
        "clipped": round(median(it.clipped for it in seen), 3),
        "faults": sorted({fault.value for it in seen for fault in it.faults}),
    }
