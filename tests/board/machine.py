"""One running board: QEMU's virt machine with its logs, its lines and its plug.

Everything that a scene judges afterwards is written into the run's folder while it happens, with
the host's time: what the serial console says (`serial.log`), what the GPIO chip does
(`lines.log`, QEMU's own trace, see `lines`) and what was asked over SSH (`commands.log`).
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.board.host import BoardError, require, run
from tests.board.image import Image

# The lines of the board's chip, /dev/gpiochip0. Line 3 is the machine's own power key. The virt
# machine pulls all of them down, as the resistor of docs/hardware.md does with the relay's.
TAMPER, RELAY, CONTACT, EXIT_BUTTON = 2, 5, 6, 7
LINES = 8
# Nobody tampers, the door is shut, and the button (to ground, pulled up) is not pressed.
IDLE_LEVELS: Mapping[int, int] = {TAMPER: 0, CONTACT: 0, EXIT_BUTTON: 1}

# The guest counts its instructions, 2 ** shift nanoseconds each, as time: to it this is always
# the same processor, however busy the host is, and what must happen within seconds can. While it
# has nothing to do its time is the host's; while it works it is slower.
_NS_SHIFT = 0

SSH_S = 900.0
_ANSWER_S = 60.0
_POLL_S = 0.5
# A part of a line that nothing follows, such as a prompt, is written down after this.
_HALF_LINE_S = 2.0


@dataclass(frozen=True)
class Options:
    """What to start.

    image: kernel and first file system. disk: what is written to, see `image.layer`; a disk that
    a killed machine left goes on as it is. folder: for the logs; made, and emptied of old ones.
    append: words for the kernel's command line. arguments: further words for QEMU. levels: of the
    input lines from reset on. rtc: QEMU's `-rtc base=`, such as `1970-01-01T00:00:00`; None is
    the host's time.
    """

    image: Image
    disk: Path
    folder: Path
    append: Sequence[str] = ()
    arguments: Sequence[str] = ()
    levels: Mapping[int, int] = field(default_factory=lambda: dict(IDLE_LEVELS))
    rtc: str | None = None
    cpus: int = 1
    memory_mb: int = 2048
    disk_format: str = "qcow2"


@dataclass(frozen=True)
class Answer:
    """What a command in the guest came to. at: the host's time when it was sent, in seconds."""

    command: str
    code: int
    out: str
    err: str
    at: float
    took_s: float


class Machine:
    """A board that runs, from `start` until `kill`, `power_off` or the end of this process."""

    def __init__(self, options: Options, sockets: Path, port: int) -> None:
        self.options = options
        self.folder = options.folder
        self.serial_log = options.folder / "serial.log"
        self.lines_log = options.folder / "lines.log"
        self.commands_log = options.folder / "commands.log"
        # The guest writes it down at the first boot from a disk, and no other one later.
        self.key = options.disk.with_suffix(".ssh")
        self.port = port
        self.started_at = time.time()
        self._sockets = sockets
        self._levels = dict(options.levels)
        self._chip = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._qmp: _Qmp | None = None
        self._qtest: socket.socket | None = None
        self._serial: socket.socket | None = None
        self._reader: threading.Thread | None = None
        # qtest answers one at a time; a reset sets the lines anew from another thread.
        self._turn = threading.Lock()

    @classmethod
    def start(cls, options: Options) -> Machine:
        """Start a board; its lines have their levels before its first instruction.

        Raises BoardError when QEMU is missing or does not start.
        """
        require(["qemu-system-aarch64", "setpriv", "ssh", "ssh-keygen"])
        options.folder.mkdir(parents=True, exist_ok=True)
        sockets = Path(tempfile.mkdtemp(prefix="board-"))
        machine = cls(options, sockets, _free_port())
        try:
            machine._begin()
        except BaseException:
            machine.kill()
            raise
        return machine

    @property
    def running(self) -> bool:
        """False once QEMU has ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The number of QEMU's process. BoardError when there is none."""
        if self._process is None:
            raise BoardError("The board was not started.")
        return self._process.pid

    def kill(self) -> float:
        """Pull the plug: what the guest had not flushed is gone. The host's time of it."""
        at = time.time()
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        self._tidy()
        return at

    def power_off(self, timeout_s: float = 300.0) -> None:
        """Let the guest end in order. BoardError when it does not within the time."""
        with suppress(BoardError, subprocess.TimeoutExpired):
            self.ssh("systemctl poweroff", timeout_s=60)
        self.wait_for_end(timeout_s)
        self._tidy()

    def wait_for_end(self, timeout_s: float) -> None:
        """Return when QEMU has ended by itself; BoardError when it does not within the time."""
        if self._process is None:
            return
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise BoardError(f"The board did not power off within {timeout_s:g} s.") from error

    def line(self, number: int, level: int) -> float:
        """Drive an input line of the chip from outside; the host's time of it."""
        if number not in range(LINES) or level not in {0, 1}:
            raise BoardError(f"There is no line {number} with level {level}.")
        self._levels[number] = level
        at = time.time()
        self._set_line(number, level)
        return at

    def qmp(self, execute: str, **arguments: object) -> Any:
        """What QEMU answers to a command of its machine protocol. Raises BoardError."""
        if self._qmp is None:
            raise BoardError("The board does not run.")
        return self._qmp.ask(execute, arguments)

    def ssh(
        self,
        command: str,
        *,
        feed: str | bytes = b"",
        timeout_s: float = 300.0,
        check: bool = False,
    ) -> Answer:
        """Run a line of shell as root in the guest; it is written down in `commands.log`.

        feed: its standard input. check: raise BoardError when it fails. 255 is SSH's own code
        for no connection. Raises subprocess.TimeoutExpired.
        """
        at = time.time()
        began = time.monotonic()
        done = subprocess.run(
            [*self._ssh_words(), command],
            input=feed.encode() if isinstance(feed, str) else feed,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
        out, err = (data.decode(errors="replace") for data in (done.stdout, done.stderr))
        answer = Answer(command, done.returncode, out, err, at, time.monotonic() - began)
        self._note(answer)
        if check and answer.code:
            raise BoardError(
                f"On the board, `{command[:200]}` failed with {answer.code}: "
                f"{(err or out).strip()[-600:]}"
            )
        return answer

    def popen(self, command: str, log: Path) -> subprocess.Popen[bytes]:
        """A command in the guest that goes on by itself; what it says goes into `log`."""
        with log.open("ab") as file:
            return subprocess.Popen(
                [*self._ssh_words(), command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def put(self, source: Path, target: str) -> None:
        """Copy a file or a folder's content into the guest's folder `target`."""
        base, name = (source, ".") if source.is_dir() else (source.parent, source.name)
        packed = subprocess.run(
            ["tar", "-C", str(base), "-c", "--owner=0", "--group=0", "--", name],
            capture_output=True,
            check=True,
        ).stdout
        quoted = shlex.quote(target)
        self.ssh(f"mkdir -p {quoted} && tar -C {quoted} -x", feed=packed, check=True)

    def forget_ssh(self) -> None:
        """Let the connection go: after a reset of the guest it leads nowhere."""
        if (self._sockets / "ssh").exists():
            words = [*self._ssh_words()[:-1], "-O", "exit", "root@127.0.0.1"]
            subprocess.run(words, capture_output=True, check=False)

    def wait_for_ssh(self, timeout_s: float = SSH_S) -> float:
        """Return once the guest answers; the seconds since its start. BoardError when late."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self.running:
            with suppress(subprocess.TimeoutExpired):
                if self.ssh("true", timeout_s=60).code == 0:
                    return time.time() - self.started_at
            time.sleep(_POLL_S)
        raise BoardError(
            f"The board did not answer over SSH within {timeout_s:g} s; see {self.serial_log}."
        )

    def wait_for_serial(self, text: str, timeout_s: float, *, times: int = 1) -> float:
        """Return once the console has said `text` so often; the host's time then."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.serial_log.read_text(errors="replace").count(text) >= times:
                return time.time()
            if not self.running:
                break
            time.sleep(_POLL_S)
        raise BoardError(f"The console did not say {text!r} in time; see {self.serial_log}.")

    def type(self, text: str) -> None:
        """Type at the serial console."""
        if self._serial is None:
            raise BoardError("The board does not run.")
        self._serial.sendall(text.encode())

    # ------------------------------------------------------------------ how it is started

    def _begin(self) -> None:
        for log in (self.serial_log, self.lines_log, self.commands_log):
            log.write_bytes(b"")
        if not self.key.exists():
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "board", "-f", str(self.key)])
        with (self.folder / "qemu.log").open("wb") as said:
            self._process = subprocess.Popen(
                # QEMU ends with the process that asked for it, however that ends.
                ["setpriv", "--pdeathsig", "KILL", *self._words()],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
        self._serial = self._connect("serial")
        self._reader = threading.Thread(target=self._listen, args=(self._serial,), daemon=True)
        self._reader.start()
        self._qtest = self._connect("qtest")
        self._qmp = _Qmp(self._connect("qmp"), self._reset_seen)
        self._chip = self._find_chip()
        self._set_lines()
        self.started_at = time.time()
        self.qmp("cont")

    def _words(self) -> list[str]:
        asked = self.options
        key = self.key.with_suffix(".ssh.pub").read_text().strip()
        append = [
            "root=/dev/vda",
            "rw",
            "console=ttyAMA0",
            # The journal goes to the console; progress in colours besides would only tear it.
            "systemd.show_status=no",
            "SYSTEMD_COLORS=0",
            # systemd writes it to root's authorized keys: good for this disk and no other.
            f'systemd.set_credential="ssh.authorized_keys.root:{key}"',
            *asked.append,
        ]
        net = f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22"
        drive = f"file={asked.disk},format={asked.disk_format},if=none,id=root,cache=writeback"
        words = ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72"]
        words += ["-accel", "tcg,thread=single", "-icount", f"shift={_NS_SHIFT}"]
        words += ["-smp", str(asked.cpus)]
        words += ["-m", str(asked.memory_mb), "-nodefaults", "-display", "none", "-S"]
        words += ["-kernel", str(asked.image.kernel), "-initrd", str(asked.image.initrd)]
        words += ["-append", " ".join(append)]
        words += ["-drive", drive, "-device", "virtio-blk-pci,drive=root"]
        words += ["-netdev", net, "-device", "virtio-net-pci,netdev=net,romfile="]
        words += ["-device", "virtio-rng-pci"]
        words += ["-chardev", self._socket("serial"), "-serial", "chardev:serial"]
        words += ["-chardev", self._socket("qmp"), "-mon", "chardev=qmp,mode=control"]
        words += ["-chardev", self._socket("qtest"), "-qtest", "chardev:qtest"]
        words += ["-qtest-log", "none"]
        words += ["-msg", "timestamp=on", "-D", str(self.lines_log)]
        for event in ("reset", "update", "set_output", "input_change"):
            words += ["-trace", f"pl061_{event}"]
        words += ["-trace", "arm_gt_cval_write"]
        if asked.rtc is not None:
            words += ["-rtc", f"base={asked.rtc}"]
        return [*words, *asked.arguments]

    def _socket(self, name: str) -> str:
        return f"socket,id={name},path={self._sockets / name},server=on,wait=off"

    def _connect(self, name: str) -> socket.socket:
        deadline = time.monotonic() + _ANSWER_S
        while time.monotonic() < deadline and self.running:
            end = socket.socket(socket.AF_UNIX)
            try:
                end.connect(str(self._sockets / name))
            except OSError:
                end.close()
                time.sleep(0.05)
            else:
                return end
        said = (self.folder / "qemu.log").read_text(errors="replace").strip()[-400:]
        raise BoardError(f"QEMU did not start: {said or 'it says nothing'}")

    def _ssh_words(self) -> list[str]:
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "30",
            "ControlMaster": "auto",
            "ControlPath": str(self._sockets / "ssh"),
            "ControlPersist": "yes",
            "GlobalKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "LogLevel": "ERROR",
            "ServerAliveInterval": "15",
            "ServerAliveCountMax": "20",
            # The port leads nowhere but to this machine's own guest.
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
        }
        words = ["ssh", "-F", "none", "-T", "-i", str(self.key), "-p", str(self.port)]
        for name, value in options.items():
            words += ["-o", f"{name}={value}"]
        return [*words, "root@127.0.0.1"]

    # ------------------------------------------------------------------ what it is told

    def _find_chip(self) -> str:
        """The path of the chip that the guest sees, in QEMU's tree of objects."""
        where = "/machine/unattached"
        for child in self.qmp("qom-list", path=where):
            if child["type"] == "child<pl061>":
                return f"{where}/{child['name']}"
        raise BoardError("QEMU's virt machine has no PL061 chip; use QEMU 7 or newer.")

    def _reset_seen(self) -> None:
        # A reset forgets what lay on the inputs; the world outside does not.
        self._set_lines()

    def _set_lines(self) -> None:
        for number, level in self._levels.items():
            self._set_line(number, level)

    def _set_line(self, number: int, level: int) -> None:
        with self._turn:
            if self._qtest is None:
                raise BoardError("The board does not run.")
            words = f"set_irq_in {self._chip} unnamed-gpio-in {number} {level}\n"
            self._qtest.sendall(words.encode())
            answer = b""
            while not answer.endswith(b"\n"):
                more = self._qtest.recv(200)
                if not more:
                    raise BoardError("The board has ended.")
                answer += more
            if not answer.startswith(b"OK"):
                raise BoardError(f"QEMU refused a level: {answer.decode().strip()}")

    # ------------------------------------------------------------------ what it says

    def _listen(self, end: socket.socket) -> None:
        """Write down what the console says, each line with the host's time at its first byte."""
        end.settimeout(_HALF_LINE_S)
        half, at = b"", 0.0
        with self.serial_log.open("a", encoding="utf-8") as log:
            while True:
                try:
                    data = end.recv(65536)
                except TimeoutError:
                    data = b"\n" if half else b""
                    if not data:
                        continue
                except OSError:
                    break
                if not data:
                    break
                at = at if half else time.time()
                *lines, half = (half + data).split(b"\n")
                for line in lines:
                    log.write(f"{at:.6f} {_printable(line)}\n")
                    at = time.time()
                log.flush()
            if half:
                log.write(f"{at:.6f} {_printable(half)}\n")

    def _note(self, answer: Answer) -> None:
        record = {
            "at": round(answer.at, 3),
            "took_s": round(answer.took_s, 3),
            "command": answer.command,
            "code": answer.code,
            "out": answer.out,
            "err": answer.err,
        }
        with self.commands_log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(record) + "\n")

    def _tidy(self) -> None:
        self.forget_ssh()
        if self._reader is not None:
            self._reader.join(10)
        for end in (self._serial, self._qtest):
            if end is not None:
                end.close()
        self._serial = self._qtest = None
        if self._qmp is not None:
            self._qmp.close()
            self._qmp = None
        shutil.rmtree(self._sockets, ignore_errors=True)


class _Qmp:
    """QEMU's machine protocol: commands one at a time, and word of resets."""

    def __init__(self, end: socket.socket, reset_seen: Any) -> None:
        self._end = end
        self._answers: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._ended = False
        self._reset_seen = reset_seen
        self._turn = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()
        self.ask("qmp_capabilities", {})

    def ask(self, execute: str, arguments: Mapping[str, object]) -> Any:
        """The answer; BoardError when QEMU refuses or is gone."""
        with self._turn, self._changed:
            self._answers.clear()
            try:
                self._end.sendall(
                    json.dumps({"execute": execute, "arguments": arguments}).encode() + b"\n"
                )
            except OSError as error:
                raise BoardError("The board has ended.") from error
            self._changed.wait_for(lambda: self._answers or self._ended, _ANSWER_S)
            if not self._answers:
                raise BoardError(f"QEMU did not answer {execute}.")
            answer = self._answers.pop()
        if "error" in answer:
            raise BoardError(f"QEMU refused {execute}: {answer['error'].get('desc')}")
        return answer["return"]

    def close(self) -> None:
        """End the conversation."""
        with suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)
        self._end.close()

    def _listen(self) -> None:
        with self._end.makefile("rb") as lines, suppress(OSError, ValueError):
            for line in lines:
                message = json.loads(line)
                if message.get("event") == "RESET":
                    with suppress(BoardError, OSError):
                        self._reset_seen()
                if "return" in message or "error" in message:
                    with self._changed:
                        self._answers.append(message)
                        self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def _printable(line: bytes) -> str:
    text = _ESCAPES.sub("", line.decode(errors="replace").rstrip("\r"))
    return "".join(letter if letter.isprintable() or letter == "\t" else "" for letter in text)


def _free_port() -> int:
    with socket.socket() as end:
        end.bind(("127.0.0.1", 0))
        return int(end.getsockname()[1])
