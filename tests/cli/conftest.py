"""One enrolled store for all, copied for each test that wants one, and pictures gone wrong."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance import assemble
from appliance.cli.main import run
from appliance.vision.detector import HogDetector
from tests.cli.runs import BIDEN, OBAMA, OBAMA2, OBAMA3, Appliance, film, read, write, write_config
from tests.hardware.picture_files import png_claiming, write_video


@pytest.fixture(scope="session", autouse=True)
def one_detector() -> Iterator[None]:
    """dlib unpacks its detector anew for every command: the real one, but once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assemble, "HogDetector", cache(HogDetector))
        yield


@pytest.fixture(scope="session", autouse=True)
def cache_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The user's cache folder is not for tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def appliance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Appliance:
    """A fresh installation, where nobody is enrolled."""
    return Appliance(tmp_path, capsys)


@pytest.fixture(scope="session")
def store_of_alice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Alice, enrolled from two pictures."""
    folder = tmp_path_factory.mktemp("alice")
    state = folder / "state"
    write_config(folder / "config.yaml", state)
    words = ["enroll", "--name", "alice", "--from", str(OBAMA), "--from", str(OBAMA2)]
    assert run(["--config", str(folder / "config.yaml"), *words]) == 0
    return state


@pytest.fixture
def enrolled(appliance: Appliance, store_of_alice: Path) -> Appliance:
    """The same installation, where Alice is enrolled."""
    shutil.copytree(store_of_alice, appliance.state)
    return appliance


@pytest.fixture(scope="session")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of Alice as people spoil them, and files that are none."""
    folder = tmp_path_factory.mktemp("spoilt")
    alice, bob = read(OBAMA), read(BIDEN)
    height = round(bob.shape[0] * alice.shape[1] / bob.shape[1])
    bob = np.asarray(cv2.resize(bob, (alice.shape[1], height)), np.uint8)
    pictures = {
        "two.jpg": np.hstack([alice, bob[: len(alice)]]),
        "small.jpg": cv2.resize(alice, None, fx=0.12, fy=0.12),
        "blurred.jpg": cv2.GaussianBlur(alice, (0, 0), 12),
        "dark.jpg": (alice * 0.08).astype(np.uint8),
        "bright.jpg": np.clip(alice * 1.5 + 120.0, 0, 255).astype(np.uint8),
        "turned.jpg": np.rot90(alice).copy(),
        "nobody.png": np.full((300, 300, 3), 128, np.uint8),
        "wide.png": np.zeros((10, 20_000, 3), np.uint8),
    }
    for name, picture in pictures.items():
        write(folder / name, np.asarray(picture, np.uint8))
    (folder / "empty.jpg").touch()
    (folder / "half.jpg").write_bytes(OBAMA.read_bytes()[:20_000])
    (folder / "text.jpg").write_text("this is no picture", encoding="utf-8")
    (folder / "bomb.png").write_bytes(png_claiming(20_000, 20_000))
    (folder / "bomb.gif").write_bytes(_gif_claiming(20_000, 20_000))
    write_video(folder / "no-frames.avi", [])
    (folder / "cut.avi").write_bytes(write_video(folder / "x.avi", [9] * 9).read_bytes()[:300])
    (folder / "x.avi").unlink()
    (folder / "album").mkdir()
    return folder


def _gif_claiming(width: int, height: int) -> bytes:
    sides = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    image = b"\x2c" + bytes(4) + sides + b"\0" + b"\x07\x02\x80\x81\0"
    return b"GIF89a" + sides + b"\xf6\0\0" + bytes(384) + image + b";"


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A video of each: alice is enrolled, bob is somebody else, nobody is an empty wall."""
    folder = tmp_path_factory.mktemp("films")
    wall = np.full((480, 640, 3), 128, np.uint8)
    people = {"alice": read(OBAMA3), "bob": read(BIDEN), "nobody": wall}
    return {name: film(folder / f"{name}.avi", picture) for name, picture in people.items()}
