"""Where a command's frames come from: the files it was given, or the configured camera."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from appliance import assemble
from appliance.cli.session import Session

if TYPE_CHECKING:
    from appliance.perception import Perception
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


@contextmanager
def seeing(session: Session, sources: Sequence[Path]) -> Iterator[Perception]:
    """The pipeline for `opened_camera`, with the infrared camera beside the configured one.

    Files are judged without: they have no picture of it beside them.
    """
    config = session.config
    with ExitStack() as stack:
        sight = None if sources else assemble.second_sight(config)
        if sight is not None:
            stack.enter_context(closing(sight))
        perception = assemble.perception(config, recorded=bool(sources))
        assemble.look_in_infrared(perception, sight)
        yield perception


def is_without_infrared(session: Session, sources: Sequence[Path]) -> bool:
    """Whether an infrared camera is configured that `seeing` did not look through."""
    return bool(sources) and session.config.camera.ir is not None
