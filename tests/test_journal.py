"""The log as the journal and as a person get it, through real pipes."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from appliance.journal import (
    JournalFormatter,
    Outbox,
    fields,
    is_journal,
    logging_to,
    set_level,
    without_secrets,
)
from tests.conftest import ROOT

LOG = logging.getLogger("appliance.watch")


class Reader:
    """A pipe that stands for the journal."""

    def __init__(self) -> None:
        self._reading, self.writing = os.pipe()

    @property
    def environment(self) -> Mapping[str, str]:
        found = os.fstat(self.writing)
        return {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}

    @property
    def reads(self) -> bool:
        return self._reading >= 0

    def lines(self) -> list[str]:
        os.set_blocking(self._reading, False)
        try:
            return os.read(self._reading, 1 << 20).decode().splitlines()
        except BlockingIOError:
            return []

    def stop_reading(self) -> None:
        os.close(self._reading)
        self._reading = -1

    def close(self) -> None:
        for descriptor in (self._reading, self.writing):
            if descriptor >= 0:
                os.close(descriptor)


@pytest.fixture
def reader() -> Iterator[Reader]:
    pipe = Reader()
    yield pipe
    # A writer that was left behind must not meet the next test, nor its files.
    if pipe.reads:
        read_until(pipe, lambda _: not writers())
    pipe.close()


def writers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "journal"]


def read_until(reader: Reader, done: Callable[[list[str]], bool]) -> None:
    for _ in range(500):
        if done(reader.lines()):
            return
        threading.Event().wait(0.01)
    pytest.fail("it never came")


class TestTheJournal:
    def test_gets_priorities_and_fields(self, reader: Reader) -> None:
        with logging_to(reader.environment, level="debug", descriptor=reader.writing):
            LOG.debug("Motion.")
            LOG.info("The attempt has ended.", extra=fields(decision="reject", frames=3))
            LOG.warning("No picture for %d s.", 5, extra=fields(kind="lost", share=1 / 3, on=True))
            LOG.error("The lock does not answer.", extra=fields(cause='"it" = broken', by=None))
            LOG.critical("The end.", extra=fields(empty=""))
        assert reader.lines() == [
            "<7>watch: Motion.",
            "<6>watch: The attempt has ended. decision=reject frames=3",
            "<4>watch: No picture for 5 s. kind=lost share=0.333333 on=true",
            r'<3>watch: The lock does not answer. cause="\"it\" = broken"',
            '<2>watch: The end. empty=""',
        ]

    def test_gets_a_priority_for_each_line_of_a_traceback(self, reader: Reader) -> None:
        with logging_to(reader.environment, level="info", descriptor=reader.writing):
            error = ValueError("first\nsecond")
            LOG.error("A stage failed.", exc_info=error)
        lines = reader.lines()
        assert lines == ["<3>watch: A stage failed.", "<3>  ValueError: first", "<3>  second"]

    def test_takes_no_entry_from_a_name(self, reader: Reader) -> None:
        with logging_to(reader.environment, level="info", descriptor=reader.writing):
            LOG.info("Nobody is called %s.", "eve\n<1>door: forced", extra=fields(name="a\n<1>b"))
        assert reader.lines() == [
            r'<6>watch: Nobody is called eve\n<1>door: forced. name="a\n<1>b"'
        ]

    def test_cuts_what_is_endless(self, reader: Reader) -> None:
        with logging_to(reader.environment, level="info", descriptor=reader.writing):
            LOG.info("x" * 100_000)
        (line,) = reader.lines()
        assert 3000 < len(line) < 5000

    def test_gets_what_libraries_warn_of_and_not_what_they_chat(self, reader: Reader) -> None:
        with logging_to(reader.environment, level="debug", descriptor=reader.writing):
            logging.getLogger("uvicorn").info("chat")
            logging.getLogger("uvicorn").warning("told")
            with warnings.catch_warnings():
                warnings.simplefilter("always")
                # captureWarnings has put itself where this one is shown
                logging.captureWarnings(False)
                logging.captureWarnings(True)
                warnings.warn("old", DeprecationWarning, stacklevel=1)
        lines = reader.lines()
        assert "<4>uvicorn: told" in lines
        assert any("DeprecationWarning: old" in line for line in lines)
        assert not any("chat" in line for line in lines)

    def test_gets_what_ended_a_thread(self, reader: Reader) -> None:
        with logging_to(reader.environment, level="info", descriptor=reader.writing):
            thread = threading.Thread(target=lambda: 1 / 0, name="door")
            thread.start()
            thread.join()
        lines = reader.lines()
        assert lines[0] == "<2>journal: The thread door was ended by an error."
        assert lines[-1] == "<2>  ZeroDivisionError: division by zero"

    def test_gets_a_word_for_a_log_call_that_is_wrong(self, reader: Reader) -> None:
        # Straight to the handler: pytest's own would fail the test.
        record = logging.LogRecord("appliance.watch", logging.INFO, "", 0, "%d", ("x",), None)
        outbox = Outbox(reader.writing)
        outbox.setFormatter(JournalFormatter())
        outbox.emit(record)
        outbox.close()
        assert reader.lines() == [
            "<3>journal: A message of appliance.watch cannot be shown: TypeError."
        ]

    def test_is_left_as_it_was(self, reader: Reader) -> None:
        root, hook = logging.getLogger(), threading.excepthook
        before = list(root.handlers), root.level, logging.getLogger("appliance").level
        with logging_to(reader.environment, level="debug", descriptor=reader.writing):
            assert list(root.handlers) != before[0]
        assert (list(root.handlers), root.level, logging.getLogger("appliance").level) == before
        assert threading.excepthook is hook
        LOG.warning("after")
        assert reader.lines() == []


class TestTheLevel:
    def test_hides_what_is_below(self, reader: Reader) -> None:
        with logging_to(reader.environment, level="warning", descriptor=reader.writing):
            LOG.info("hidden")
            set_level("info")
            LOG.info("shown")
            set_level("warning")
            LOG.info("hidden again")
        assert reader.lines() == ["<6>watch: shown"]


class TestATerminal:
    def test_gets_the_time_and_the_level_in_words(self, reader: Reader) -> None:
        with logging_to({}, level="info", descriptor=reader.writing):
            LOG.warning("No picture.", extra=fields(kind="lost"))
        (line,) = reader.lines()
        assert line[2] == line[5] == ":"
        assert line[8:] == " warning watch: No picture. kind=lost"


class TestIsJournal:
    def test_by_device_and_inode(self, reader: Reader) -> None:
        assert is_journal(reader.environment, reader.writing)
        assert not is_journal({}, reader.writing)
        # A shell's redirection: the variable is inherited, the stream is another.
        assert not is_journal({"JOURNAL_STREAM": "1:2"}, reader.writing)

    def test_a_closed_stream_is_none(self) -> None:
        assert not is_journal({"JOURNAL_STREAM": "1:2"}, 10_000)


class TestSecrets:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("rtsp://admin:hunter2@10.0.0.5/live is down", "rtsp://***@10.0.0.5/live is down"),
            ("at rtsp://u:p@ss/w@cam:554.", "at rtsp://***@cam:554."),
            ("rtsp://10.0.0.5/live", "rtsp://10.0.0.5/live"),
            ("mail bob@example.org", "mail bob@example.org"),
            ("password=hunter2 and more", "password=*** and more"),
            ("Passphrase: hunter2", "Passphrase: ***"),
            ("token = abc", "token = ***"),
            ("Set door.pin to 17.", "Set door.pin to 17."),
        ],
    )
    def test_are_hidden_in_a_text(self, text: str, shown: str) -> None:
        assert without_secrets(text) == shown

    @pytest.mark.parametrize("key", ["pin", "PIN", "template_key", "card", "badge", "password"])
    def test_are_hidden_in_a_field(self, reader: Reader, key: str) -> None:
        with logging_to(reader.environment, level="info", descriptor=reader.writing):
            LOG.info("Entered.", extra=fields(**{key: "4711"}))
        assert reader.lines() == [f"<6>watch: Entered. {key}=***"]

    @pytest.mark.parametrize("key", ["ping", "keyboard", "pin_count", "discard"])
    def test_other_fields_are_shown(self, reader: Reader, key: str) -> None:
        with logging_to(reader.environment, level="info", descriptor=reader.writing):
            LOG.info("Entered.", extra=fields(**{key: 4711}))
        assert reader.lines() == [f"<6>watch: Entered. {key}=4711"]

    def test_are_hidden_in_a_field_and_a_traceback(self, reader: Reader) -> None:
        url = "rtsp://admin:hunter2@camera/live"
        with logging_to(reader.environment, level="info", descriptor=reader.writing):
            error = OSError(f"cannot open {url}")
            LOG.error("No camera.", extra=fields(source=url), exc_info=error)
        text = "\n".join(reader.lines())
        assert "source=rtsp://***@camera/live" in text
        assert "cannot open rtsp://***@camera/live" in text
        assert "hunter2" not in text


def fill() -> None:
    """Far more than a pipe and the queue take together."""
    quiet = logging.getLogger("appliance.quiet")
    quiet.propagate = False  # pytest would keep it all
    quiet.handlers = [it for it in logging.getLogger().handlers if isinstance(it, Outbox)]
    for number in range(3000):
        quiet.info("%s %s", number, "x" * 200)
    quiet.handlers = []


def test_the_writer_takes_no_signal_from_who_waits_for_it(reader: Reader) -> None:
    with logging_to(reader.environment, level="info", descriptor=reader.writing):
        (writer,) = writers()
        status = Path(f"/proc/self/task/{writer.native_id}/status").read_text()
        (blocked,) = [line.split()[1] for line in status.splitlines() if "SigBlk" in line]
        assert int(blocked, 16) & 1 << signal.SIGHUP - 1
        assert int(blocked, 16) & 1 << signal.SIGTERM - 1
    assert signal.SIGHUP not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


class TestAJournalThatStandsStill:
    @pytest.fixture(autouse=True)
    def short_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("appliance.journal._LAST_LINES_S", 0.05)

    def test_costs_messages_and_no_time(self, reader: Reader) -> None:
        with logging_to(reader.environment, level="info", descriptor=reader.writing):
            fill()
            read_until(reader, lambda lines: any("messages were lost" in it for it in lines))

    def test_does_not_keep_the_process(self, reader: Reader) -> None:
        with logging_to(reader.environment, level="info", descriptor=reader.writing):
            fill()
        (writer,) = writers()
        assert writer.is_alive()
        assert writer.daemon

    def test_that_is_gone_is_borne(self, reader: Reader) -> None:
        reader.stop_reading()
        with logging_to(reader.environment, level="info", descriptor=reader.writing):
            LOG.info("nobody reads this")


ABORTED = """
import os, signal, threading
from appliance.journal import logging_to

def hangs():
    threading.Event().wait()

with logging_to({}, level="info"):
    threading.Thread(target=hangs, daemon=True).start()
    os.kill(os.getpid(), signal.SIGABRT)
"""


def test_an_abort_tells_where_every_thread_stood(tmp_path: Path) -> None:
    # What systemd's watchdog sends to a daemon that hangs.
    result = subprocess.run(
        [sys.executable, "-c", ABORTED],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in result.stderr
    assert "in hangs" in result.stderr
