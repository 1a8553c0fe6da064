"""What a scene is given: machines with the appliance installed, each with a disk of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.board.image import Image, Say, layer
from tests.board.machine import IDLE_LEVELS, Machine, Options

READY_S = 900.0


@dataclass(frozen=True)
class Board:
    """image: with the appliance installed. folder: of this run; each scene's logs go below it.

    keep: disks are left behind.
    """

    image: Image
    folder: Path
    say: Say
    keep: bool = False

    def options(
        self,
        name: str,
        *,
        append: Sequence[str] = (),
        arguments: Sequence[str] = (),
        levels: Mapping[int, int] | None = None,
        rtc: str | None = None,
    ) -> Options:
        """A machine whose logs go into the run's folder `name`, with a fresh layer as its disk."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        disk = layer(self.image, folder / "disk.qcow2")
        put = dict(IDLE_LEVELS if levels is None else levels)
        return Options(self.image, disk, folder, append, arguments, put, rtc)

    @contextmanager
    def machine(self, options: Options) -> Iterator[Machine]:
        """A machine from its reset on; its plug is pulled at the end, its disk thrown away."""
        machine = Machine.start(options)
        try:
            yield machine
        finally:
            machine.kill()
            if not self.keep:
                for path in options.disk.parent.glob(f"{options.disk.stem}.*"):
                    if path.suffix in {options.disk.suffix, ".ssh", ".pub"}:
                        path.unlink()

    def wait_until_ready(self, machine: Machine) -> None:
        """Return once the service of a machine has said that it is ready. Raises BoardError."""
        machine.wait_for_ssh(READY_S)
        machine.ssh(
            "until systemctl is-active --quiet appliance; do sleep 1; done; sync",
            timeout_s=READY_S,
            check=True,
        )

    def before_the_camera(self, machine: Machine, film: str) -> None:
        """What the camera sees from now on: one of `films`, or any of /var/lib/board."""
        machine.ssh(f"echo {film} > /run/board/now", check=True)
