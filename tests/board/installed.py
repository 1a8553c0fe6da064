"""The board's image with the appliance installed by its own install.sh, on the running board.

The board has no network while that happens: what pip needs lies on a second disk. Everything that
the installer says, and the console meanwhile, is kept beside the image.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from packaging.requirements import Requirement

from tests.board import filelist, films
from tests.board.host import BoardError, run
from tests.board.image import GUEST, Image, Say, alone, layer
from tests.board.machine import CONTACT, EXIT_BUTTON, RELAY, TAMPER, Machine, Options

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
# Where the checkout and the wheels lie on the board.
CHECKOUT = "/root/face-access-appliance"
_BROUGHT = "/mnt/brought"
WHEELS = f"{_BROUGHT}/wheels"
MOUNT = f"mkdir -p {_BROUGHT} && mount -o ro /dev/vdb {_BROUGHT}"
_CAMERA = "/usr/local/lib/board"
INSTALL_S = 3600.0
PULSE_S = 3.0

# The board's Python, and what its Debian can load.
_PYTHON = "3.11"
_PLATFORMS = [f"manylinux_2_{minor}_aarch64" for minor in (17, 24, 26, 27, 28, 31, 34, 35, 36)]
# What building the project's own wheel needs.
_BUILDING = ("hatchling>=1.24", "pip", "setuptools", "wheel")
_PARTS = (
    *("appliance", "constraints", "models", "systemd"),
    *("LICENSE", "README.md", "config.yaml", "install.sh", "pyproject.toml"),
)

CONFIG = f"""\
# The board's: a looped camera, the lines of its chip, and a processor that is slow.
camera:
  source: /dev/video0
  pixel_format: yuyv
  idle_fps: 2
detector:
  # Nobody stands far away, and looking for small faces takes seconds here.
  farthest: 0.25
model:
  threads: 1
verification:
  timeout_s: 20
enrolment:
  timeout_s: 120
  # The recording holds nine that differ.
  frames: 5
  # Of bob there are three pictures, and nobody of whom there are more is at the door.
  min_frames_for_door: 3
door:
  driver: gpiozero
  chip: 0
  pin: {RELAY}
  pulse_s: {PULSE_S:g}
  contact_pin: {CONTACT}
  request_to_exit_pin: {EXIT_BUTTON}
  tamper_pin: {TAMPER}
  held_open_s: 20
"""


def installed(cache: Path, base: Image, say: Say, *, fresh: bool = False) -> Image:
    """The image of this checkout; installed when the cache lacks it. Raises BoardError.

    The folder of the image holds `install/`: the logs, what install.sh said, and the list of the
    board's files before.
    """
    wheels = fetch_wheels(cache, say)
    folder = cache / f"installed-{_key(base, wheels)}"
    with alone(cache):
        if fresh or not (folder / "disk.qcow2").exists():
            partial = cache / f"{folder.name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            began = time.monotonic()
            _install(base, wheels, partial, say)
            shutil.rmtree(folder, ignore_errors=True)
            partial.rename(folder)
            say(f"installed in {time.monotonic() - began:.0f} s: {folder}")
    return at(folder / "disk.qcow2", base)


def at(disk: Path, base: Image) -> Image:
    """An image that was installed before."""
    return Image(disk, "qcow2", base.kernel, base.initrd)


def sources() -> list[Path]:
    """The files of the project that a board needs, relative to its root."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *_PARTS]
    told = run(words, cwd=ROOT)
    return sorted(Path(name) for name in set(told.split("\0")) if name and (ROOT / name).is_file())


def requirements() -> list[str]:
    """What the project asks of pip on the board, and what building it asks for."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        told = tomllib.load(file)["project"]["dependencies"]
    board = {
        "platform_machine": "aarch64",
        "platform_system": "Linux",
        "sys_platform": "linux",
        "python_version": _PYTHON,
        "python_full_version": f"{_PYTHON}.2",
        "extra": "",
    }
    wanted = []
    for requirement in map(Requirement, told):
        if requirement.marker is None or requirement.marker.evaluate(board):
            requirement.marker = None
            wanted.append(str(requirement))
    return [*wanted, *_BUILDING]


def fetch_wheels(cache: Path, say: Say) -> Path:
    """A folder with the wheels for the board's Python; fetched once for one set of requirements."""
    wanted = requirements()
    key = hashlib.sha256("\n".join(wanted).encode()).hexdigest()[:12]
    folder = cache / f"wheels-{key}"
    with alone(cache):
        if not folder.exists():
            say("fetching wheels for ARM64")
            partial = cache / f"{folder.name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            words = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(partial)]
            words += ["--only-binary=:all:", "--implementation=cp", f"--python-version={_PYTHON}"]
            words += [f"--abi={abi}" for abi in ("cp311", "abi3", "none")]
            words += [f"--platform={platform}" for platform in _PLATFORMS]
            run([*words, *wanted])
            partial.rename(folder)
    return folder


def _key(base: Image, wheels: Path) -> str:
    digest = hashlib.sha256()
    digest.update(f"{base.disk.parent.name}\0{wheels.name}\0{CONFIG}\0".encode())
    for path in (*sorted((GUEST / "camera").iterdir()), Path(films.__file__)):
        digest.update(path.read_bytes() + b"\0")
    for path in sources():
        digest.update(str(path).encode() + b"\0" + (ROOT / path).read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _install(base: Image, wheels: Path, folder: Path, say: Say) -> None:
    disk = layer(base, folder / "disk.qcow2")
    brought = disk_of(_brought(wheels, folder / "brought"), folder / "brought.img")
    machine = Machine.start(
        Options(
            image=base,
            disk=disk,
            folder=folder / "install",
            arguments=second_disk(brought),
        )
    )
    try:
        say(f"booting to install (log: {machine.serial_log})")
        machine.wait_for_ssh()
        machine.ssh(MOUNT, check=True)
        machine.ssh(f"cp -a {_BROUGHT}/checkout {CHECKOUT}", check=True)
        _put_camera(machine)
        # As doctor advises.
        machine.ssh("systemctl mask --now serial-getty@ttyAMA0", check=True)
        # All that is here is the board's; what comes from now on is the appliance's.
        filelist.take_before(machine, folder / "install" / "before.txt")
        say("install.sh --offline, emulated; this takes minutes")
        done = machine.ssh(
            f"cd {CHECKOUT} && ./install.sh --offline {WHEELS} 2>&1", timeout_s=INSTALL_S
        )
        (folder / "install" / "install.txt").write_text(done.out)
        if done.code:
            log = machine.ssh("tail -n 40 /var/log/appliance-install.log").out
            raise BoardError(f"install.sh ended with {done.code}: {done.out[-600:]}\n{log[-1500:]}")
        say(f"install.sh took {done.took_s:.0f} s")
        machine.ssh("cat > /etc/appliance/config.yaml", feed=CONFIG, check=True)
        machine.ssh("systemctl restart appliance", timeout_s=600, check=True)
        machine.ssh("appliance --json doctor; systemctl status appliance", timeout_s=600)
        # Layers above this disk get keys of their own.
        machine.ssh(f"umount {_BROUGHT}; rm /root/.ssh/authorized_keys; sync", check=True)
        machine.power_off()
    finally:
        machine.kill()
    brought.unlink()


def _brought(wheels: Path, folder: Path) -> Path:
    """A folder with all that the board is given: the project, wheels, films and their player."""
    for path in sources():
        (folder / "checkout" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / "checkout" / path)
    shutil.copytree(wheels, folder / "wheels")
    shutil.copytree(GUEST / "camera", folder / "camera")
    films.write_films(folder / "films")
    return folder


def second_disk(disk: Path) -> Sequence[str]:
    """QEMU's words for a disk that is brought; MOUNT mounts it in the guest."""
    drive = f"file={disk},format=raw,if=none,id=brought,readonly=on"
    return "-drive", drive, "-device", "virtio-blk-pci,drive=brought"


def disk_of(folder: Path, disk: Path) -> Path:
    """A disk with a folder's content; the folder is gone then."""
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    with disk.open("wb") as file:
        # ext4 keeps some for itself.
        file.truncate(size + size // 4 + (32 << 20))
    run(["mkfs.ext4", "-q", "-F", "-E", "root_owner=0:0", "-d", str(folder), str(disk)])
    shutil.rmtree(folder)
    return disk


def _put_camera(machine: Machine) -> None:
    """What plays before the camera, from the next boot on and now."""
    machine.ssh(
        f"mkdir -p {_CAMERA} && cp {_BROUGHT}/camera/* {_CAMERA} && "
        f"cp -r {_BROUGHT}/films /var/lib/board && "
        f"mv {_CAMERA}/board-camera.service /etc/systemd/system/ && "
        "systemctl daemon-reload && systemctl enable --now board-camera",
        check=True,
    )
