"""What the service logs: lines for the system's journal, or for a person at a terminal.

Under systemd each line begins with its priority in angle brackets (sd-daemon(3)) and ends with
`key=value` fields, so that `journalctl -p warning` and a search for `decision=reject` both work.
Writing is left to a thread with a bounded queue: a journal that stands still loses messages,
never time at the door.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import re
import signal
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from queue import Full, Queue
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["debug", "info", "warning"]
Field: TypeAlias = str | int | float | bool | None

# Who logs here; everything below it is ours, everything else is a library's.
OURS = "appliance"
_STANDARD_ERROR = 2

# Of syslog(3), by the least level of Python's that has it.
_PRIORITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
    (logging.NOTSET, 7),
)
# Lines kept for a journal that is slow to take them, and how long the end waits for it, seconds.
_QUEUE = 1000
_LAST_LINES_S = 1.0
# Characters of one line: journald itself cuts at 48 KiB.
_LONGEST_LINE = 4000

# Fields that hold what opens a door, under any name that ends so. No caller should log them;
# who does it by mistake has told nobody.
_SECRET_FIELD = re.compile(
    r"(^|_)(badge|card|credential|digits|key|passphrase|password|pin|secret|token)$", re.IGNORECASE
)
# The name and the password in a URL. Greedy: a password may itself hold an @. Bounded: a long
# text must not cost the square of its length.
_CREDENTIALS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,20}://)\S*@")
_ASSIGNED = re.compile(r"\b(passphrase|password|secret|token)(\s*[=:]\s*)\S+", re.IGNORECASE)
_HIDDEN = "***"
# What needs no quotes after `key=`.
_BARE = re.compile(r"[^\s\"'=\\]+")


def fields(**values: Field) -> dict[str, object]:
    """The `extra` of a log call: what happened, as fields. None leaves a field out.

    log.info("The attempt has ended.", extra=fields(decision="reject", frames=3))
    """
    return {"fields": values}


def is_journal(environment: Mapping[str, str], descriptor: int = _STANDARD_ERROR) -> bool:
    """True when the open file `descriptor` leads to systemd's journal (JOURNAL_STREAM)."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def without_secrets(text: str) -> str:
    """The text with a URL's credentials and anything assigned to a password's name hidden."""
    text = _CREDENTIALS.sub(rf"\1{_HIDDEN}@", text)
    return _ASSIGNED.sub(rf"\1\2{_HIDDEN}", text)


class JournalFormatter(logging.Formatter):
    """`<6>watch: The attempt has ended. decision=reject frames=3`, a priority to each line."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, or several where there is a traceback."""
        prefix = f"<{priority(record.levelno)}>"
        return "\n".join(prefix + line for line in _lines(record))


class TerminalFormatter(logging.Formatter):
    """`09:30:05 warning camera: No picture for 5 s. kind=lost`."""

    def __init__(self) -> None:
        super().__init__(datefmt="%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """One line, or several where there is a traceback."""
        first, *rest = _lines(record)
        begin = f"{self.formatTime(record, self.datefmt)} {record.levelname.lower()}"
        return "\n".join([f"{begin} {first}", *rest])


def priority(level: int) -> int:
    """The priority of syslog(3), 2 (critical) to 7 (debug), of a level of Python's."""
    return next(number for least, number in _PRIORITIES if level >= least)


def _lines(record: logging.LogRecord) -> list[str]:
    place = record.name.removeprefix(f"{OURS}.")
    words = [f"{place}: {_plain(record.getMessage())}", *_fields(record)]
    lines = [" ".join(words)]
    if record.exc_info and record.exc_info[1] is not None:
        told = "".join(traceback.format_exception(record.exc_info[1]))
        lines += [f"  {_plain(line)}" for line in told.splitlines()]
    return [line[:_LONGEST_LINE] for line in lines]


def _plain(text: str) -> str:
    """Without secrets, and in one line: a name must not forge an entry of its own."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in without_secrets(text[: 2 * _LONGEST_LINE])
    )


def _fields(record: logging.LogRecord) -> Iterator[str]:
    values: Mapping[str, Field] = getattr(record, "fields", {})
    for key, value in values.items():
        if value is not None:
            yield f"{key}={_HIDDEN if _SECRET_FIELD.search(key) else _value(value)}"


def _value(value: Field) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = without_secrets(str(value)[: 2 * _LONGEST_LINE])
    # JSON's quotes escape line breaks as well.
    return text if _BARE.fullmatch(text) and text.isprintable() else json.dumps(text)


class Outbox(logging.Handler):
    """Formats at once and lets a thread write; what finds the queue full is counted as lost.

    descriptor: an open file, which stays open. Call `close` to write what is left.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._queue: Queue[bytes | None] = Queue(_QUEUE)  # None: nothing more will come
        self._lost = 0
        self._ending = threading.Event()
        # A daemon thread: a journal that takes nothing must not keep the process from ending.
        self._writer = threading.Thread(target=self._write_all, name="journal", daemon=True)
        # Signals are for who waits for them, and a thread that began earlier would take them away.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._writer.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one record over; never waits and never raises."""
        try:
            self._queue.put_nowait(self._encoded(record))
        except Full:
            self._lost += 1

    def close(self) -> None:
        """Write what is left, for a second at most; may be called twice."""
        self._ending.set()
        with suppress(Full):  # then the writer is awake, and sees that this is the end
            self._queue.put_nowait(None)
        self._writer.join(_LAST_LINES_S)
        super().close()

    def _encoded(self, record: logging.LogRecord) -> bytes:
        try:
            text = self.format(record)
        except Exception as error:  # noqa: BLE001 - a wrong log call is no reason to stop the door
            wrong = f"A message of {record.name} cannot be shown: {type(error).__name__}."
            text = self.format(_own(logging.ERROR, wrong))
        return f"{text}\n".encode(errors="backslashreplace")

    def _write_all(self) -> None:
        while (line := self._queue.get()) is not None:
            self._write(line)
            if self._lost:
                self._tell_lost()
            if self._ending.is_set() and self._queue.empty():
                return

    def _tell_lost(self) -> None:
        lost, self._lost = self._lost, 0
        text = f"{lost} messages were lost: nobody took them in time."
        self._write(self._encoded(_own(logging.WARNING, text)))

    def _write(self, line: bytes) -> None:
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
        except OSError:
            # The journal is gone, and there is no other place to complain in.
            self._lost += 1


def _own(level: int, text: str) -> logging.LogRecord:
    return logging.LogRecord(__name__, level, __file__, 0, text, None, None)


@contextmanager
def logging_to(
    environment: Mapping[str, str], *, level: Level, descriptor: int = _STANDARD_ERROR
) -> Iterator[None]:
    """Send this process's log to an open file, in the journal's form where it is the journal.

    Also what libraries warn of, what ends a thread, and where all threads stand when the
    process is aborted, as the watchdog does, or does not end in its time. Undone at the end.
    """
    outbox = Outbox(descriptor)
    journal = is_journal(environment, descriptor)
    outbox.setFormatter(JournalFormatter() if journal else TerminalFormatter())
    root, ours = logging.getLogger(), logging.getLogger(OURS)
    before = root.level, ours.level, threading.excepthook, faulthandler.is_enabled()
    root.addHandler(outbox)
    root.setLevel(logging.WARNING)
    set_level(level)
    logging.captureWarnings(True)
    threading.excepthook = _thread_ended
    if not before[3]:
        faulthandler.enable(descriptor)
        # The timer of an end that hangs: told, and then what the signal does by itself.
        faulthandler.register(signal.SIGALRM, descriptor, chain=True)
    try:
        yield
    finally:
        if not before[3]:
            faulthandler.unregister(signal.SIGALRM)
            faulthandler.disable()
        threading.excepthook = before[2]
        logging.captureWarnings(False)
        root.removeHandler(outbox)
        root.setLevel(before[0])
        ours.setLevel(before[1])
        outbox.close()


def set_level(level: Level) -> None:
    """From which level on our own messages are logged; libraries' are from `warning` on."""
    logging.getLogger(OURS).setLevel(level.upper())


def _thread_ended(ended: threading.ExceptHookArgs) -> None:
    name = ended.thread.name if ended.thread is not None else "unknown"
    logging.getLogger(__name__).critical(
        "The thread %s was ended by an error.", name, exc_info=ended.exc_value
    )
