"""Is this board fit for a door? Power, heat, card, watchdog, and who else may get in.

The same kind of check as in `doctor`, each a function of the folder under which the system's files
are. Nothing is written and no device is opened; what a board does not tell is said to be not told.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite
from pathlib import Path, PurePosixPath

from appliance import assemble
from appliance.board.files import ROOT, is_a_jetson, is_a_pi, limits_memory
from appliance.board.heat import zones
from appliance.board.mounts import Mount, errors, forgets, meant_read_only, mount_of, mounts
from appliance.board.power import Strain, power
from appliance.board.remote import Remote, remote
from appliance.board.storage import Wear, is_usb, swap_on_cards, wear
from appliance.board.terminals import terminals
from appliance.board.updates import updates
from appliance.board.usb import usb
from appliance.board.watchdog import watchdog
from appliance.config import Config
from appliance.doctor import Check, Status
from appliance.host import available_memory_mb

PAGE = "docs/operations.md"
# APT asks once a day; a week leaves room for a line that is down.
STALE = timedelta(days=8)
LEAST_FREE_INODES = 1000
LEAST_MEMORY_MB = 150
_ASK_S = 2.0


@dataclass(frozen=True)
class Surroundings:
    """What the checks look at.

    root: where proc, sys, etc and run are. folder: of the state, as this system names it.
    now: aware wall clock. ask: what `vcgencmd get_throttled` prints. free_inodes: of the file
    system of a folder, None where it has no such limit. bits: of this program's addresses.
    machine: the kernel's architecture.
    """

    root: Path
    folder: PurePosixPath
    now: datetime
    ask: Callable[[], str | None]
    free_inodes: Callable[[], int | None]
    bits: int
    machine: str


def examine(config: Config) -> Iterator[Check]:
    """Run every check on this machine, one after the other."""
    yield from checks(config, here(config))


def checks(config: Config, around: Surroundings) -> Iterator[Check]:
    """Every check of the board, in the order in which they are told."""
    for check in _CHECKS:
        yield check(config, around)


def here(config: Config) -> Surroundings:
    """This machine."""
    folder = Path(os.path.realpath(assemble.location(config).folder))
    while not os.path.isdir(folder):  # noqa: PTH112 - is_dir() raises where it may not look
        folder = folder.parent
    return Surroundings(
        root=ROOT,
        folder=PurePosixPath(folder),
        now=assemble.clock().now(),
        ask=ask_the_firmware,
        free_inodes=lambda: _free_inodes(folder),
        bits=64 if sys.maxsize > 2**32 else 32,
        machine=platform.machine(),
    )


def ask_the_firmware() -> str | None:
    """What `vcgencmd get_throttled` prints; None where it is missing or may not ask."""
    try:
        done = subprocess.run(
            ["/usr/bin/vcgencmd", "get_throttled"],
            capture_output=True,
            text=True,
            timeout=_ASK_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def _free_inodes(folder: Path) -> int | None:
    told = os.statvfs(folder)
    return told.f_favail if told.f_files else None


def _power(_config: Config, around: Surroundings) -> Check:
    told = power(around.root, around.ask if is_a_pi(around.root) else None)
    if told is None:
        return _untold("power", around, "whether the supply is strong enough")
    by = f"({told.source})"
    if told.well:
        return Check("power", Status.OK, f"the supply is strong enough {by}")
    if told.now:
        status = Status.FAIL if Strain.UNDERVOLTAGE in told.now else Status.WARN
        return Check("power", status, f"{_words(told.now)} {by}", _STRONGER)
    detail = f"since the board started it happened that {_words(told.before)} {by}"
    return Check("power", Status.WARN, detail, _STRONGER)


_STRONGER = f"A supply and a cable made for this board, and air around it ({PAGE})."


def _heat(_config: Config, around: Surroundings) -> Check:
    found = zones(around.root)
    if not found:
        return _untold("heat", around, "how warm it is")
    first = found[0]
    text = f"{first.celsius:.0f} °C at {first.name}"
    ending = next((it for it in found if it.near_its_end), None)
    hint = f"Shade, air or a heat sink; the door slows down with the board ({PAGE})."
    if ending is not None and ending.off is not None:
        text = f"{ending.celsius:.0f} °C at {ending.name}; at {ending.off:.0f} °C it switches off"
        return Check("heat", Status.FAIL, text, hint)
    if first.warm:
        return Check("heat", Status.WARN, f"{text}, where the board slows down", hint)
    left = f"{first.room:.0f} below its limit" if isfinite(first.room) else "no limit is told"
    return Check("heat", Status.OK, f"{text}, {left}")


def _files(config: Config, around: Surroundings) -> Check:
    """The file systems: whole, writable where they must be, and lasting."""
    among = mounts(around.root)
    state = mount_of(around.folder, among)
    base = mount_of(PurePosixPath("/"), among)
    if state is None or base is None:
        hint = "Look at /proc/self/mountinfo: this user may not read it."
        return Check("files", Status.WARN, "not told here: what is mounted where", hint)
    found = list(_of_files(config, around, among, state, base))
    if found:
        return max(found, key=lambda it: list(Status).index(it.status))
    kept = "read-only" if base.read_only or forgets(base, among) else "writable"
    whole = "" if errors(state, around.root) is None else ", no errors found"
    return Check("files", Status.OK, f"root {kept}, state on {state.kind}{whole}")


def _of_files(
    config: Config, around: Surroundings, among: tuple[Mount, ...], state: Mount, base: Mount
) -> Iterator[Check]:
    if state.read_only:
        hint = f"Its disk has probably failed: see `dmesg`, make a backup ({PAGE})."
        yield Check("files", Status.FAIL, f"{state.point} takes no writing", hint)
    if forgets(state, among):
        real = config.door.driver == "gpiozero"
        text = f"{around.folder} is in memory: who is enrolled is forgotten at the next start"
        hint = f"Put the state on a partition of its own ({PAGE}, read-only root)."
        yield Check("files", Status.FAIL if real else Status.WARN, text, hint)
    if base.read_only and not meant_read_only(around.root):
        hint = "The kernel does so after an error: see `dmesg`, make a backup, change the card."
        yield Check("files", Status.FAIL, "the root file system has become read-only", hint)
    for mount in dict.fromkeys((state, base)):
        if count := errors(mount, around.root):
            text = f"{count} errors were found on {mount.source} since it was last checked"
            hint = "Make a backup, then start once with `fsck.mode=force` on the kernel's line."
            yield Check("files", Status.FAIL, text, hint)
    free = around.free_inodes()
    if free is not None and free < LEAST_FREE_INODES:
        hint = "Something has made very many small files there."
        yield Check("files", Status.FAIL, f"room for {free} more files at {around.folder}", hint)


def _card(_config: Config, around: Surroundings) -> Check:
    among = mounts(around.root)
    state = mount_of(around.folder, among)
    found = None if state is None else wear(state, around.root)
    if found is None:
        return Check("card", Status.OK, "the state lies on no memory card that is known here")
    swap = swap_on_cards(among, around.root)
    worn = _worn(found)
    if swap and worn.status is not Status.FAIL:
        hint = f"Swap wears the card out and writes memory to it in the clear ({PAGE}, swap)."
        text = f"{worn.detail}; swap is on it: {', '.join(swap)}"
        return Check("card", Status.WARN, text, hint)
    return worn


def _worn(disk: Wear) -> Check:
    text = f"{disk.name}: {disk.sentence}" if disk.told else disk.name
    hint = f"Make a backup and change it ({PAGE}, replacing hardware)."
    if disk.spent:
        return Check("card", Status.FAIL, text, hint)
    if disk.worn:
        return Check("card", Status.WARN, text, hint)
    if disk.told:
        return Check("card", Status.OK, text)
    what = (
        "is an SD card, which tells nothing of its wear" if disk.kind == "SD" else "tells no wear"
    )
    return Check("card", Status.OK, f"{text} {what}")


def _memory(_config: Config, around: Surroundings) -> Check:
    free = available_memory_mb(around.root)
    if free is None:
        return _untold("memory", around, "how much memory is free")
    if free < LEAST_MEMORY_MB:
        hint = "Stop what else runs here, a desktop above all; the door needs a board of its own."
        return Check("memory", Status.WARN, f"{free:.0f} MB can be had", hint)
    if limits_memory(around.root) is False:
        text = (
            f"{free:.0f} MB can be had; the kernel keeps no limits, neither of memory nor of swap"
        )
        hint = "Put cgroup_enable=memory into the kernel's line (cmdline.txt on a Raspberry Pi)."
        return Check("memory", Status.WARN, text, hint)
    return Check("memory", Status.OK, f"{free:.0f} MB can be had")


def _watchdog(_config: Config, around: Surroundings) -> Check:
    told = watchdog(around.root)
    if told.soft and not told.devices:
        text = f"only {', '.join(told.soft)}, a timer of the kernel that hangs with it"
        hint = f"`modprobe` the board's own, `rmmod softdog` ({PAGE}); a timer relay ends a pulse."
        return Check("watchdog", Status.WARN, text, hint)
    if not told.devices:
        text = "there is none: when the whole computer hangs it stays so"
        hint = f"`modprobe` the board's own, or see {PAGE}; a timer relay ends a pulse."
        return Check("watchdog", Status.WARN, text, hint)
    name = ", ".join(dict.fromkeys(told.devices))
    if told.runtime is None:
        hint = "Set RuntimeWatchdogSec=15 in /etc/systemd/system.conf.d/watchdog.conf."
        return Check("watchdog", Status.WARN, f"{name}, and systemd does not feed it", hint)
    if told.fed is False:
        hint = "`systemctl daemon-reexec`, or start the board anew."
        if told.soft:
            hint = f"`rmmod softdog`, or WatchdogDevice= of system.conf must name {name}."
        return Check("watchdog", Status.WARN, f"{name} is not started yet", hint)
    return Check("watchdog", Status.OK, f"{name}, fed by systemd (within {told.runtime})")


def _terminals(config: Config, around: Surroundings) -> Check:
    told = terminals(around.root)
    typed = typing_devices(config)
    if told.automatic:
        text = f"somebody is logged in without a password on {', '.join(told.automatic)}"
        hint = f"`raspi-config` or the drop-in of getty switches it off ({PAGE}, terminals)."
        return Check("terminals", Status.FAIL if typed else Status.WARN, text, hint)
    if typed and told.screen:
        text = f"while the service is down, what is typed at the {' and '.join(typed)} goes to: "
        hint = f"{PAGE}, terminals, has the four commands that end that."
        return Check("terminals", Status.WARN, text + "; ".join(told.screen), hint)
    if told.serial:
        text = f"a login is offered on the serial line {', '.join(told.serial)}"
        hint = f"`systemctl mask --now serial-getty@{told.serial[0]}.service` ({PAGE}, terminals)."
        return Check("terminals", Status.WARN, text, hint)
    if typed:
        return Check("terminals", Status.OK, f"nothing else listens to the {' and '.join(typed)}")
    return Check("terminals", Status.OK, "no keypad or reader that is a keyboard is configured")


def typing_devices(config: Config) -> tuple[str, ...]:
    """The configured devices that the kernel takes for keyboards."""
    claims = config.claims
    keypad = "keypad" in claims.sources and claims.keypad == "usb"
    return (*(["keypad"] if keypad else []), *(["card reader"] if "card" in claims.sources else []))


def _usb(config: Config, around: Surroundings) -> Check:
    told = usb(around.root)
    if not told.ports:
        return Check("usb", Status.OK, "no USB controller tells what it lets in")
    if told.guarded:
        return Check("usb", Status.OK, "USBGuard decides what may be plugged in")
    if not told.open_ports:
        return Check("usb", Status.OK, "nothing new that is plugged in is let in")
    base = mount_of(PurePosixPath("/"), mounts(around.root))
    needed = base is not None and is_usb(base, around.root)
    hint = f"{PAGE}, USB, shows how to let in only what is there."
    if typed := typing_devices(config):
        text = f"the cable of the {' and '.join(typed)} takes any other device too"
        return Check("usb", Status.WARN, text, hint)
    if told.storage and not needed:
        text = f"a disk that is plugged in is read ({', '.join(told.storage)})"
        return Check("usb", Status.WARN, text, hint)
    return Check("usb", Status.OK, "whatever is plugged in is let in; no cable of it leads outside")


def _updates(_config: Config, around: Surroundings) -> Check:
    told = updates(around.now, around.root)
    hint = f"{PAGE}, security updates, has the two commands."
    if not told.apt:
        return Check("updates", Status.WARN, "not told here: no APT keeps this system", hint)
    if not told.automatic:
        return Check(
            "updates", Status.WARN, "security updates are not installed by themselves", hint
        )
    if told.restart:
        text = "an update waits for a restart"
        return Check("updates", Status.WARN, text, "Start the board anew when nobody is coming.")
    if told.lists_age is None or told.lists_age > STALE:
        ago = "never" if told.lists_age is None else f"not for {told.lists_age.days} days"
        text = f"automatic, but APT has {ago} heard what is new"
        return Check("updates", Status.WARN, text, "Is there a network? `apt-get update` tells.")
    done = "" if told.upgrade_age is None else f", last {told.upgrade_age.days} days ago"
    return Check("updates", Status.OK, f"automatic{done}")


def _userland(_config: Config, around: Surroundings) -> Check:
    text = f"{around.bits} bits on {around.machine}"
    if around.bits == 64:
        return Check("userland", Status.OK, text)
    kernel = ", though the kernel has 64" if around.machine in {"aarch64", "x86_64"} else ""
    hint = f"Install the 64-bit system; {PAGE} says what that costs and why."
    return Check("userland", Status.WARN, f"{text}{kernel}: not supported, never tried", hint)


def _ssh(_config: Config, around: Surroundings) -> Check:
    told = remote(around.root)
    if told.others:
        text = f"not told here: what {', '.join(told.others)}, which takes logins by SSH, asks for"
        hint = f"Keep OpenSSH's alone, or let it take keys only ({PAGE}, SSH)."
        return Check("ssh", Status.WARN, text, hint)
    if not told.runs:
        return Check("ssh", Status.OK, "nobody can log in by SSH")
    hint = f"Copy your key there, then `PasswordAuthentication no` ({PAGE}, SSH)."
    if told.withheld:
        text = f"not told to this user: what {', '.join(told.withheld)} says"
        return Check("ssh", Status.WARN, text, "Run `sudo appliance doctor`.")
    if (enough := _enough(told)) is not None:
        return Check("ssh", Status.WARN, enough, hint)
    return Check("ssh", Status.OK, "by keys only")


def _enough(told: Remote) -> str | None:
    """For whom a password is enough; None where it is for nobody."""
    if told.root:
        return "root may log in by SSH with a password"
    if told.passwords:
        return "a password is enough to log in by SSH"
    if told.some:
        return "a password is enough for some to log in by SSH (a Match of sshd_config)"
    return None


def _untold(name: str, around: Surroundings, what: str) -> Check:
    """A board that should tell and does not is warned of; other machines have no such sensor."""
    if is_a_pi(around.root) or is_a_jetson(around.root):
        hint = f"Its kernel shows it to nobody, or not to this user ({PAGE})."
        return Check(name, Status.WARN, f"not told here: {what}", hint)
    return Check(name, Status.OK, f"no sensor here tells {what}")


def _words(strains: frozenset[Strain]) -> str:
    return " and ".join(it.value for it in Strain if it in strains)


_CHECKS: tuple[Callable[[Config, Surroundings], Check], ...] = (
    _power,
    _heat,
    _files,
    _card,
    _memory,
    _watchdog,
    _terminals,
    _usb,
    _updates,
    _userland,
    _ssh,
)
