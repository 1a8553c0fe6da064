"""Where a command's frames come from: the files it was given, or the configured camera."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from appliance import assemble
from appliance.cli.session import Session

if TYPE_CHECKING:
    from appliance.ports import Camera


@contextmanager
def opened_camera(
    session: Session, sources: Sequence[Path], *, held: bool = False
) -> Iterator[Camera]:
    """The files given, or the configured camera under the devices' lock (unless `held`)."""
    with ExitStack() as stack:
        if sources:
            camera: Camera = assemble.file_camera(sources)
        else:
            if not held:
                stack.enter_context(assemble.devices(session.config))
            camera = assemble.camera(session.config)
        yield stack.enter_context(closing(camera))
