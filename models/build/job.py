"""What every builder is given, and the one error that builders raise on purpose."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

MODELS = Path(__file__).resolve().parent.parent


class BuildError(click.ClickException):
    """A build cannot go on; the message is one sentence that tells a person what to do."""

    exit_code = 3


@dataclass(frozen=True)
class Job:
    """The folders that a builder works with.

    cache: archives, extracted members and aligned crops; may be deleted at any time.
    pictures: a folder of PERSON/*.jpg, for builders that calibrate or measure; None if not given.
    models: where the built files and `manifest.toml` go.
    """

    cache: Path
    pictures: Path | None = None
    models: Path = MODELS

    def need_pictures(self) -> Path:
        """Return the folder of face pictures, or say how to name one."""
        if self.pictures is None or not self.pictures.is_dir():
            message = "this step needs real faces: pass --pictures DIR, a folder of PERSON/*.jpg."
            raise BuildError(message)
        return self.pictures
