"""The command line, called in this process or as a program of its own, and what it left behind."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from appliance.cli.main import run
from appliance.types import Pixels
from tests.conftest import ROOT
from tests.patience import patient

PICTURES = ROOT / "appliance" / "demo" / "pictures"
OBAMA, OBAMA2, OBAMA3, BIDEN = (
    PICTURES / f"{name}.jpg" for name in ("obama", "obama2", "obama3", "biden")
)

# A door that tests can wait for, and that takes a template of two pictures.
QUICK: Mapping[str, Mapping[str, object]] = {
    "store": {"path": "state"},
    "door": {"driver": "simulated", "pulse_s": 0.1},
    "verification": {"cool_down_s": 0},
    "enrolment": {"min_frames_for_door": 2},
    "model": {"threads": 1},
    # Pictures do not move as heads do.
    "liveness": {"profile": "passive", "spoof_cool_down_s": 0},
}


@dataclass(frozen=True)
class Outcome:
    """What one command left: its exit code and what it said."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> dict[str, Any]:
        """The one JSON object on standard output."""
        assert self.out.count("\n") == 1, f"not one line: {self.out!r} {self.err!r}"
        data = json.loads(self.out)
        assert isinstance(data, dict)
        return data

    @property
    def error(self) -> dict[str, str]:
        """The JSON error, which is all there is."""
        assert set(self.data) == {"error"}
        told: dict[str, str] = self.data["error"]
        assert set(told) == {"code", "message", "hint"}
        return told

    @property
    def sentence(self) -> str:
        """The one sentence told to people, without its hint; nothing on standard output."""
        assert self.out == ""
        assert "Traceback" not in self.err
        first, *rest = self.err.splitlines()
        assert len(rest) <= 1, self.err
        assert all(line.startswith("  ") for line in rest)
        assert first.startswith("Error: "), self.err
        sentence = first.removeprefix("Error: ")
        assert sentence.endswith(".")
        assert not sentence.endswith("..")
        return sentence


class Appliance:
    """One installation in a folder: config.yaml, and state/ for the store."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.config = folder / "config.yaml"
        self.state = folder / "state"
        self._capsys = capsys
        self.configure()

    def configure(self, **sections: Mapping[str, object]) -> None:
        """Write config.yaml: QUICK with these keys on top."""
        write_config(self.config, self.state, **sections)

    def __call__(self, *words: str | Path, config: Path | None = None) -> Outcome:
        self._capsys.readouterr()
        code = run(["--config", str(config or self.config), *map(str, words)])
        said = self._capsys.readouterr()
        return Outcome(code, said.out, said.err)

    def json(self, *words: str | Path, config: Path | None = None) -> Outcome:
        """The same with --json."""
        return self("--json", *words, config=config)

    def program(self, *words: str | Path, **options: Any) -> Outcome:
        """The same as a program of its own."""
        done = subprocess.run(
            self.command(*words),
            capture_output=True,
            text=True,
            timeout=patient(60),
            check=False,
            **options,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def command(self, *words: str | Path) -> list[str]:
        return [*PROGRAM, "--config", str(self.config), *map(str, words)]

    def start(self, *words: str | Path, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*words),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            **options,
        )

    @property
    def journal(self) -> list[tuple[str, str]]:
        """(state, cause) of every command that reached the simulated lock."""
        return [(entry["state"], entry["cause"]) for entry in self.entries]

    @property
    def entries(self) -> list[dict[str, Any]]:
        text = (self.state / "simulated-lock.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def snapshot(self) -> dict[str, str]:
        """Every file of the store with the hash of its content, but for who holds the devices."""
        return {
            str(path.relative_to(self.state)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.state.rglob("*"))
            if path.is_file() and path.name != "devices.lock"
        }


PROGRAM = [sys.executable, "-m", "appliance"]


def environment(**more: str) -> dict[str, str]:
    """Finds the checkout from everywhere."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def write_config(path: Path, state: Path, **sections: Mapping[str, object]) -> None:
    """QUICK with these keys on top; JSON is YAML."""
    merged = {name: {**QUICK.get(name, {}), **keys} for name, keys in sections.items()}
    data = {**QUICK, **merged}
    if "path" not in sections.get("store", {}):
        data["store"] = {**data["store"], "path": str(state)}
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")


def read(path: Path) -> Pixels:
    picture = cv2.imread(str(path))
    assert picture is not None
    return np.asarray(picture, np.uint8)


def write(path: Path, picture: Pixels) -> Path:
    assert cv2.imwrite(str(path), picture)
    return path


def film(path: Path, picture: Pixels, frames: int = 8) -> Path:
    """A video of a portrait's upper part, nearly still: more would be seen to be a picture's."""
    width = height = 480
    head = picture[: min(picture.shape[:2])]
    small = cv2.resize(head, (width, height), interpolation=cv2.INTER_AREA)
    code = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, 5.0, (width, height))
    assert writer.isOpened()
    grain = np.random.default_rng(0)
    for number in range(frames):
        moved = np.roll(small, number % 2, axis=1).astype(np.int16)
        noisy = moved + grain.integers(-3, 4, moved.shape, dtype=np.int16)
        writer.write(np.clip(noisy, 0, 255).astype(np.uint8))
    writer.release()
    return path
