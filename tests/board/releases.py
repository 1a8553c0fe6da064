"""Other versions of the project for the board: one that is newer, and one that is damaged.

On the board each is a copy of its own checkout. Its wheel is built here, for that takes an emulated
processor minutes and says nothing of an upgrade: an installation from a folder without what builds
wheels takes the project's own from there as well (docs/install.md).
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from appliance.config import Config
from tests.board.host import run
from tests.board.installed import CHECKOUT, ROOT, sources

_VERSION = "appliance/__init__.py"
# The network that the configuration names; its digest stands in the manifest.
MODEL = f"models/{Config().model.name}.tflite"
# What a folder of wheels must not hold for the project's own to be taken from it.
_BUILDS = "hatchling-*.whl"


@dataclass(frozen=True)
class Release:
    """A version with a number of its own. damaged: the last byte of a network is missing."""

    version: str
    damaged: bool = False

    @property
    def checkout(self) -> str:
        """Where it lies on the board."""
        return f"{CHECKOUT}-{self.version}"

    def making(self) -> str:
        """The shell's words that make it of the board's checkout."""
        words = f"cp -a {CHECKOUT} {self.checkout} && cd {self.checkout} && {self.change()}"
        return f"{words} && grep -qF {self.version} {_VERSION}"

    def build(self, folder: Path) -> None:
        """Put its wheel into a folder. Raises BoardError."""
        with tempfile.TemporaryDirectory(prefix="board-release-") as made:
            for path in sources():
                (Path(made) / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / path, Path(made) / path)
            run(["sh", "-euc", self.change()], cwd=Path(made))
            words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
            run([*words, "--no-build-isolation", "--wheel-dir", str(folder), made])

    def change(self) -> str:
        """The shell's words that make it of the checkout it stands in."""
        change = f"sed -i 's/^__version__ = .*/__version__ = \"{self.version}\"/' {_VERSION}"
        return f"{change} && truncate -s -1 {MODEL}" if self.damaged else change


def without_builder(wheels: Path, folder: Path) -> Path:
    """A copy of a folder of wheels, without what builds the project's own."""
    shutil.copytree(wheels, folder, ignore=shutil.ignore_patterns(_BUILDS))
    return folder
