"""What plays before the board's camera: the bundled recording and pictures, as raw video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from appliance.demo.story import PICTURES
from appliance.types import Pixels

# Of the camera; guest/camera says the same. The bundled recording is enlarged to it.
WIDTH, HEIGHT = 1280, 720
FPS = 10
_RECORDING = PICTURES / "single_face.mp4"
_STRANGER = PICTURES / "biden.jpg"
# What of it is played, in seconds. Ten frames that differ are wanted for an enrolment, and half a
# second of somebody holds three: who enrols and who comes is played from the same recording.
SHOWN = (0.0, 2.4)


def write_films(folder: Path) -> None:
    """Write alice.yuyv, stranger.yuyv and hall.yuyv into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    films = {
        "alice": there_and_back(recorded(*SHOWN)),
        "stranger": swaying(_picture(_STRANGER)),
        "hall": hall(),
    }
    for name, frames in films.items():
        (folder / f"{name}.yuyv").write_bytes(b"".join(yuyv(frame) for frame in frames))


def recorded(begin: float, end: float) -> list[Pixels]:
    """What the bundled recording shows in between, (HEIGHT, WIDTH, 3) BGR each."""
    film = cv2.VideoCapture(str(_RECORDING))
    fps = film.get(cv2.CAP_PROP_FPS)
    frames: list[Pixels] = []
    number = 0
    while True:
        there, frame = film.read()
        if not there or number / fps > end:
            break
        if number / fps >= begin and number % round(fps / FPS) == 0:
            larger = cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
            frames.append(larger.astype(np.uint8))
        number += 1
    film.release()
    return frames


def swaying(picture: Pixels, count: int = 8) -> list[Pixels]:
    """A picture as of somebody who stands there: a little to and fro, and never quite the same."""
    noise = np.random.default_rng(1)
    frames = []
    for number in range(count):
        turn = 2 * np.pi * number / count
        shift = np.array([[1, 0, 12 * np.sin(turn)], [0, 1, 6 * np.cos(turn)]], np.float32)
        moved = cv2.warpAffine(picture, shift, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
        frames.append(_noisy(moved.astype(np.uint8), noise))
    return frames


def hall(count: int = 4) -> list[Pixels]:
    """An empty hall: a wall, a floor and a door, with a sensor's noise."""
    noise = np.random.default_rng(2)
    rows = np.linspace(190, 120, HEIGHT)[:, None, None]
    picture = np.broadcast_to(rows, (HEIGHT, WIDTH, 3)).astype(np.uint8).copy()
    cv2.rectangle(picture, (500, 120), (780, 600), (70, 90, 110), -1)
    cv2.rectangle(picture, (0, 600), (WIDTH, HEIGHT), (60, 60, 66), -1)
    return [_noisy(picture, noise) for _ in range(count)]


def there_and_back(frames: Sequence[Pixels]) -> list[Pixels]:
    """The frames forwards and backwards: played over and over, nobody jumps."""
    return [*frames, *reversed(frames[1:-1])]


def yuyv(frame: Pixels) -> bytes:
    """A BGR picture as V4L2's YUYV: Y0 U Y1 V, limited range (ITU-R BT.601)."""
    luma, red, blue = cv2.split(cv2.cvtColor(frame, cv2.COLOR_BGR2YCrCb))
    packed = np.empty((*luma.shape, 2), np.uint8)
    packed[..., 0] = np.rint(luma * (219 / 255) + 16)
    # One pair of colours for two pixels.
    colours = np.stack([blue, red], axis=-1).astype(np.float64)
    pairs = (colours[:, 0::2] + colours[:, 1::2]) / 2
    packed[..., 1] = np.rint((pairs - 128) * (224 / 255) + 128).reshape(luma.shape)
    return packed.tobytes()


def _noisy(picture: Pixels, noise: np.random.Generator) -> Pixels:
    grains = noise.normal(0, 2, picture.shape)
    return np.asarray(np.clip(picture + grains, 0, 255), np.uint8)


def _picture(path: Path) -> Pixels:
    """A portrait in the middle of a frame, its face about a third of the frame's height."""
    whole = cv2.imread(str(path))
    if whole is None:
        raise FileNotFoundError(path)
    height = round(HEIGHT * 2.6)
    width = round(whole.shape[1] * height / whole.shape[0])
    small = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    small = small[height // 50 :][:HEIGHT]
    left = (WIDTH - width) // 2
    frame = cv2.copyMakeBorder(small, 0, 0, left, WIDTH - width - left, cv2.BORDER_REPLICATE)
    return frame.astype(np.uint8)
