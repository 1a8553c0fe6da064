"""A Debian for ARM64 whose programs the host runs one by one, through qemu-aarch64.

No kernel is booted: system calls go to the host's own kernel. That is much faster than a whole
machine, and enough for what depends on the processor alone, such as arithmetic and packages.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.board.host import BoardError, register_arm64, require, require_root, run
from tests.board.image import MIRROR, RELEASE, Say

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# What the tests use beside pip's packages, where a board has it from Debian.
PACKAGES = (
    "ca-certificates",
    "e2fsprogs",
    "git",
    "kmod",
    "mount",
    "procps",
    "python3",
    "python3-evdev",
    "python3-venv",
    "shellcheck",
    "systemd",
    "tzdata",
    "udev",
)
CHECKOUT = "/home/tester/appliance"
RESULTS = "/results"
# Where tests look for the measuring data: beside the checkout.
_DATA = "/home/tester/shared/data"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Processor:
    """What /proc/cpuinfo tells of a board's processor (arch/arm64/kernel/cpuinfo.c).

    qemu-aarch64 before version 8.2 shows the host's instead, and what reads there which
    instructions it may use finds none: the TFLite runtime then ends in a segmentation fault.
    """

    part: int
    variant: int
    revision: int
    features: str

    def cpuinfo(self, cores: int) -> str:
        """The file's text for so many cores."""
        return "".join(
            f"processor\t: {core}\nBogoMIPS\t: 108.00\nFeatures\t: {self.features}\n"
            f"CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x{self.variant:x}\n"
            f"CPU part\t: 0x{self.part:x}\nCPU revision\t: {self.revision}\n\n"
            for core in range(cores)
        )


# By QEMU's name: that of the Raspberry Pi 4, and that of the Raspberry Pi 5.
PROCESSORS = {
    "cortex-a72": Processor(0xD08, 0, 3, "fp asimd evtstrm crc32 cpuid"),
    "cortex-a76": Processor(
        0xD0B,
        4,
        1,
        "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc "
        "dcpop asimddp",
    ),
}


@dataclass(frozen=True)
class Emulated:
    """An ARM64 system in a folder.

    results: a folder of the host that the system sees as RESULTS. data: the measuring data, which
    it may read; None where there is none. cpu: one of PROCESSORS.
    """

    root: Path
    results: Path
    data: Path | None = None
    cpu: str = "cortex-a76"

    @property
    def checkout(self) -> Path:
        """Where the host finds the project that is in there."""
        return self.root / CHECKOUT.lstrip("/")

    def command(self, words: Sequence[str], environment: Mapping[str, str]) -> list[str]:
        """The host's command that runs a program in there, in the checkout, as root.

        What it mounts and what it leaves running ends with it: it has namespaces of its own.
        """
        root = shlex.quote(str(self.root))
        told = self.results / f"cpuinfo-{self.cpu}"
        told.write_text(PROCESSORS[self.cpu].cpuinfo(os.cpu_count() or 1), encoding="ascii")
        steps = [
            "set -e",
            f"mount -t proc proc {root}/proc",
            f"mount --bind {shlex.quote(str(told))} {root}/proc/cpuinfo",
            f"mount --rbind /sys {root}/sys",
            f"mount --rbind /dev {root}/dev",
            f"mount -t tmpfs tmpfs {root}/tmp",  # noqa: S108 - a whole file system of its own
            f"mkdir -p {root}{RESULTS} {root}{_DATA}",
            f"mount --bind {shlex.quote(str(self.results))} {root}{RESULTS}",
        ]
        if self.data is not None:
            steps.append(f"mount --bind -o ro {shlex.quote(str(self.data))} {root}{_DATA}")
        named = {
            "HOME": "/root",
            "PATH": f"{CHECKOUT}/.venv/bin:{_PATH}",
            "LANG": "C.UTF-8",
            "QEMU_CPU": self.cpu,
            # One thread each: two workers share the host's cores with whatever else runs there.
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            **environment,
        }
        # The shell stays the first process of its namespace: a first one that crashes hangs, for
        # no signal ends it.
        inner = ["cd " + CHECKOUT + ' 2>/dev/null || cd /; exec "$@"', "sh", *words]
        steps.append(
            "set +e\n"
            + shlex.join(
                ["chroot", str(self.root), "env", "-i"]
                + [f"{name}={value}" for name, value in named.items()]
                + ["sh", "-c", *inner]
            )
            + "\nexit $?"
        )
        return [
            # unshare heeds no request to end while it waits, and a run that is killed would leave
            # its programs behind: so the kernel ends them with the one that started them.
            *("setpriv", "--pdeathsig", "KILL"),
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"),
            *("sh", "-c", "\n".join(steps)),
        ]

    def run(self, words: Sequence[str], environment: Mapping[str, str], log: Path) -> int:
        """Run a program in there; its exit code. What it prints is appended to `log`."""
        with log.open("ab") as file:
            done = subprocess.run(
                self.command(words, environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                check=False,
            )
        return done.returncode


def build(root: Path, log: Path, say: Say) -> None:
    """Make the system, once; a folder that holds a finished one stays as it is. BoardError."""
    if (root / "finished").exists():
        return
    require(["debootstrap", "qemu-aarch64-static", "chroot", "mount"])
    require_root()
    register_arm64()
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    say(f"Debian {RELEASE} for ARM64: about ten minutes, once (log: {log})")
    mirror = os.environ.get("APPLIANCE_BOARD_MIRROR") or MIRROR
    run(
        [
            *("debootstrap", "--arch=arm64", "--variant=minbase"),
            *(f"--include={','.join(PACKAGES)}", RELEASE, str(root), mirror),
        ],
        log=log,
    )
    (root / "finished").touch()


def install(system: Emulated, project: Path, commit: str, say: Say) -> None:
    """Put a commit of the project into the system, with its development tools. BoardError.

    pip's packages come from where the host's pip gets them.
    """
    checkout = system.checkout
    log = system.results / "install.log"
    if not checkout.exists():
        checkout.parent.mkdir(parents=True, exist_ok=True)
        run(["git", "clone", "-q", "--no-hardlinks", str(project), str(checkout)])
    run(["git", "-C", str(checkout), "fetch", "-q", str(project), commit])
    run(["git", "-C", str(checkout), "checkout", "-q", "--force", "--detach", commit])
    # What tests of another commit left behind belongs to no commit; ignored files stay.
    run(["git", "-C", str(checkout), "clean", "-q", "-d", "--force"])
    with suppress(FileNotFoundError):
        shutil.copyfile("/etc/resolv.conf", system.root / "etc" / "resolv.conf")
    environment = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    if _CERTIFICATES.exists():
        shutil.copyfile(_CERTIFICATES, system.root / "etc/ssl/certs/host.crt")
        environment["PIP_CERT"] = "/etc/ssl/certs/host.crt"
    stamp = system.root / "home/tester/installed.json"
    wanted = _requirements(checkout)
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    say("pip installs the project and its development tools")
    began = time.monotonic()
    # A board compiles nothing: whatever has no wheel for it is an error here.
    pip = [".venv/bin/python", "-m", "pip", "install", "-q", "--only-binary", ":all:"]
    for words in (
        # Debian's evdev: no package index has one for ARM64.
        ["python3", "-m", "venv", "--system-site-packages", ".venv"],
        [*pip, "-U", "pip"],
        [*pip, "-e", ".[dev]"],
    ):
        if code := system.run(words, environment, log):
            raise BoardError(f"{' '.join(words[:4])} failed with {code}; {log} tells why.")
    stamp.write_text(wanted, encoding="utf-8")
    say(f"installed in {time.monotonic() - began:.0f} s")


def _requirements(checkout: Path) -> str:
    """All that pip is asked for: what else changes in pyproject.toml asks for no installation."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))
    keys = "dependencies", "optional-dependencies", "scripts"
    return json.dumps([project["build-system"], *(project["project"].get(key) for key in keys)])
