"""What runs after the service: the relay loses its current, whatever is left of the rest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from appliance import lockdown
from appliance.config import parse
from appliance.errors import BadDataError, HardwareError, LockError
from appliance.hardware import chips, lgpio_library
from appliance.hardware.exclusive import DevicesLock
from appliance.hardware.last_resort import de_energise
from appliance.lockdown import (
    DrivenLine,
    configured,
    main,
    record_file,
    remember,
    remembered,
    secure,
)
from tests.conftest import ROOT
from tests.hardware.fake_lgpio import FakeLgpio

RUBBISH = "door: [this is\nnot: a config"


@pytest.fixture
def lgpio(monkeypatch: pytest.MonkeyPatch) -> FakeLgpio:
    chip = FakeLgpio()
    monkeypatch.setattr(lgpio_library, "import_lgpio", lambda: chip)
    return chip


@pytest.fixture
def line(tmp_path: Path) -> DrivenLine:
    return DrivenLine(str(tmp_path / "devices.lock"), chip=2, pin=5)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "run").mkdir()
    return {"RUNTIME_DIRECTORY": str(tmp_path / "run"), "HOME": str(tmp_path)}


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return path


def states(journal: Path) -> list[str]:
    return [json.loads(text)["state"] for text in journal.read_text().splitlines()]


class TestTheLine:
    @pytest.mark.parametrize(("active_high", "level"), [(True, 0), (False, 1)])
    def test_is_claimed_without_current_and_given_back(
        self, *, active_high: bool, level: int
    ) -> None:
        chip = FakeLgpio()
        de_energise(2, 5, chip, active_high=active_high)
        assert chip.calls == [
            ("gpiochip_open", 2),
            ("gpio_claim_output", 0x10, 5, level, 0),
            ("gpio_read", 0x10, 5),
            ("gpiochip_close", 0x10),
        ]

    @pytest.mark.parametrize(
        ("function", "sentence"),
        [
            ("gpiochip_open", "/dev/gpiochip2 could not be opened: no."),
            ("gpio_claim_output", "Line 5 of /dev/gpiochip2 could not be claimed: no."),
            ("gpio_read", "Line 5 of /dev/gpiochip2 could not be read: no."),
        ],
    )
    def test_that_fails_is_told(self, function: str, sentence: str) -> None:
        chip = FakeLgpio()
        chip.broken[function] = "no"
        with pytest.raises(LockError) as caught:
            de_energise(2, 5, chip, active_high=True)
        assert caught.value.message == sentence
        assert (chip.calls[-1][0] == "gpiochip_close") is (function != "gpiochip_open")

    def test_that_does_not_obey_is_told(self) -> None:
        chip = FakeLgpio()
        chip.stuck = 1
        with pytest.raises(LockError, match="still reads 1: the relay may hold"):
            de_energise(2, 5, chip, active_high=True)


class TestTheRecord:
    def test_comes_back_as_it_was(self, tmp_path: Path, line: DrivenLine) -> None:
        for each in (line, DrivenLine("x"), DrivenLine("x", journal="y", fail_safe=True)):
            remember(each, tmp_path / "record")
            assert remembered(tmp_path / "record") == each
        assert list(tmp_path.iterdir()) == [tmp_path / "record"]

    def test_lies_in_memory_where_there_is_a_folder_for_it(self, tmp_path: Path) -> None:
        assert record_file({}, tmp_path) == tmp_path / "driven-line.json"
        given = {"RUNTIME_DIRECTORY": "/run/appliance:/run/other"}
        assert record_file(given, tmp_path) == Path("/run/appliance/driven-line.json")

    def test_that_is_not_there_is_none(self, tmp_path: Path) -> None:
        assert remembered(tmp_path / "record") is None

    def test_that_cannot_be_written_leaves_no_old_one(
        self, tmp_path: Path, line: DrivenLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record = tmp_path / "record"
        remember(replace(line, pin=4), record)

        def full(*_: object, **__: object) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_text", full)
        with pytest.raises(HardwareError, match=r"written down in .*: no space left on device"):
            remember(line, record)
        assert remembered(record) is None

    @pytest.mark.parametrize(
        "change",
        [
            {"chip": None},
            {"chip": True},
            {"pin": "5"},
            {"pin": 5.0},
            {"active_high": 1},
            {"active_high": "False"},
            {"journal": 1},
            {"devices_lock": None},
            {"more": 1},
        ],
    )
    def test_with_another_kind_of_value_is_refused(
        self, tmp_path: Path, line: DrivenLine, change: dict[str, object]
    ) -> None:
        record = tmp_path / "record"
        record.write_text(json.dumps({**asdict(line), **change}))
        with pytest.raises(BadDataError, match="cannot be understood"):
            remembered(record)

    @pytest.mark.parametrize(
        "content", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"{}", b"[" * 100_000, b"1" * 9999]
    )
    def test_that_is_rubbish_is_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "record").write_bytes(content)
        with pytest.raises(BadDataError, match="cannot be understood"):
            remembered(tmp_path / "record")

    def test_of_an_older_version_bears_no_label(self, tmp_path: Path, line: DrivenLine) -> None:
        old = asdict(line)
        del old["label"]
        (tmp_path / "record").write_text(json.dumps(old))
        assert remembered(tmp_path / "record") == line


class TestAChip:
    """One that crashed may have come back under another number, and its number may be another's."""

    @pytest.fixture
    def labels(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[int, str]:
        found: dict[int, str] = {}
        monkeypatch.setattr(chips, "DEVICES", tmp_path / "dev")
        (tmp_path / "dev").mkdir()

        def ask(path: Path) -> str:
            number = int(path.name.removeprefix("gpiochip"))
            if number not in found:
                raise FileNotFoundError(2, "No such file or directory")
            return found[number]

        monkeypatch.setattr(chips, "label_of", ask)
        return found

    def there(self, labels: dict[int, str], tmp_path: Path, **named: str) -> None:
        labels.clear()
        for path in (tmp_path / "dev").iterdir():
            path.unlink()
        for name, label in named.items():
            labels[int(name.removeprefix("gpiochip"))] = label
            (tmp_path / "dev" / name).touch()

    def test_is_written_down_with_its_label(self, tmp_path: Path, labels: dict[int, str]) -> None:
        self.there(labels, tmp_path, gpiochip1="board")
        for written in ("1", "board"):
            text = f"store: {{path: /s}}\ndoor: {{driver: gpiozero, chip: {written}, pin: 7}}"
            found = configured(parse(text), {})
            assert (found.chip, found.label) == (1, "board")

    def test_is_found_where_it_is_now(
        self, tmp_path: Path, lgpio: FakeLgpio, line: DrivenLine, labels: dict[int, str]
    ) -> None:
        for now, driven in (
            ({"gpiochip2": "board", "gpiochip3": "usb"}, 2),
            ({"gpiochip2": "usb", "gpiochip3": "board"}, 3),
            ({"gpiochip3": "board"}, 3),
        ):
            lgpio.calls.clear()
            self.there(labels, tmp_path, **now)
            assert f"/dev/gpiochip{driven} " in secure(replace(line, label="board"))
            assert lgpio.calls[0] == ("gpiochip_open", driven)

    def test_that_is_gone_is_told_and_no_other_driven(
        self, tmp_path: Path, lgpio: FakeLgpio, line: DrivenLine, labels: dict[int, str]
    ) -> None:
        self.there(labels, tmp_path, gpiochip2="usb")
        with pytest.raises(LockError, match="No GPIO chip bears the label 'board'"):
            secure(replace(line, label="board"))
        assert not lgpio.calls

    def test_that_the_config_names_in_vain_does_not_hide_the_written_one(
        self, tmp_path: Path, lgpio: FakeLgpio, line: DrivenLine, labels: dict[int, str]
    ) -> None:
        self.there(labels, tmp_path, gpiochip2="board")
        state = tmp_path / "state"
        state.mkdir()
        remember(replace(line, label="board"), record_file({}, state))
        text = f"store: {{path: {state}}}\ndoor: {{driver: gpiozero, chip: gone, pin: 5}}"
        config = written(tmp_path, text)
        assert main(["--config", str(config)], {"HOME": str(tmp_path)}) == 0
        assert lgpio.levels[5] == 0


class TestTheConfig:
    def test_means_a_line(self, tmp_path: Path) -> None:
        text = "store: {path: /s}\ndoor: {driver: gpiozero, chip: 1, pin: 7, active_high: false}"
        assert configured(parse(text), {}) == DrivenLine("/s/devices.lock", 1, 7, False)

    def test_means_a_simulated_lock(self) -> None:
        text = "store: {path: /s}\ndoor: {driver: simulated, fail: safe}"
        assert configured(parse(text), {}) == DrivenLine(
            "/s/devices.lock", journal="/s/simulated-lock.jsonl", fail_safe=True
        )

    def test_means_nothing(self) -> None:
        assert configured(parse("store: {path: /s}"), {}) == DrivenLine("/s/devices.lock")


class TestAfterTheService:
    def test_the_written_line_is_secured_though_the_config_is_rubbish(
        self,
        tmp_path: Path,
        lgpio: FakeLgpio,
        line: DrivenLine,
        environment: dict[str, str],
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        remember(line, record_file(environment, tmp_path))
        config = written(tmp_path, RUBBISH)
        environment["JOURNAL_STREAM"] = "1:2"
        assert main(["--config", str(config)], environment) == 0
        assert lgpio.commands() == [("gpio_claim_output", 0x10, 5, 0, 0)]
        said = capfd.readouterr()
        assert said.out == ""
        begin = "<6>lockdown: The relay on line 5 of /dev/gpiochip2 has no current. ("
        assert said.err.startswith(begin)
        assert said.err.endswith(" ms)\n")

    def test_the_line_that_was_driven_counts_and_not_the_one_that_is_to_be(
        self, tmp_path: Path, lgpio: FakeLgpio, line: DrivenLine, environment: dict[str, str]
    ) -> None:
        remember(line, record_file(environment, tmp_path))
        config = written(tmp_path, "door: {driver: gpiozero, pin: 6}")
        assert main(["--config", str(config)], environment) == 0
        assert [call[2] for call in lgpio.commands()] == [5]

    @pytest.mark.parametrize("record", [None, "{"])
    def test_without_a_record_the_config_is_asked(
        self,
        tmp_path: Path,
        lgpio: FakeLgpio,
        environment: dict[str, str],
        record: str | None,
    ) -> None:
        if record is not None:
            record_file(environment, tmp_path).write_text(record)
        text = "door: {driver: gpiozero, chip: 1, pin: 6, active_high: false}\nstore: {path: state}"
        assert main(["--config", str(written(tmp_path, text))], environment) == 0
        assert lgpio.commands() == [("gpio_claim_output", 0x10, 6, 1, 0)]

    def test_without_systemd_the_record_lies_with_the_state(
        self, tmp_path: Path, lgpio: FakeLgpio, line: DrivenLine
    ) -> None:
        (tmp_path / "state").mkdir()
        remember(line, record_file({}, tmp_path / "state"))
        text = "door: {driver: gpiozero, pin: 6}\nstore: {path: state}"
        assert main(["--config", str(written(tmp_path, text))], {}) == 0
        assert [call[2] for call in lgpio.commands()] == [5]

    def test_under_systemd_a_record_with_the_state_is_of_another_time(
        self, tmp_path: Path, lgpio: FakeLgpio, line: DrivenLine, environment: dict[str, str]
    ) -> None:
        (tmp_path / "state").mkdir()
        remember(line, record_file({}, tmp_path / "state"))
        environment["STATE_DIRECTORY"] = str(tmp_path / "state")
        text = "door: {driver: gpiozero, pin: 6}"
        assert main(["--config", str(written(tmp_path, text))], environment) == 0
        assert [call[2] for call in lgpio.commands()] == [6]

    def test_nothing_tells_which_line(
        self,
        tmp_path: Path,
        lgpio: FakeLgpio,
        environment: dict[str, str],
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        record_file(environment, tmp_path).write_text("{")
        assert main(["--config", str(written(tmp_path, RUBBISH))], environment) == 3
        assert lgpio.calls == []
        said = capfd.readouterr().err
        assert said.startswith("lockdown: Nothing tells which line drives the lock: ")
        assert "driven-line.json cannot be understood." in said
        assert "config.yaml is not valid YAML" in said
        assert said.count("\n") == 1

    def test_an_unconfigured_door_has_nothing_to_secure(
        self, tmp_path: Path, lgpio: FakeLgpio, environment: dict[str, str]
    ) -> None:
        assert main(["--config", str(written(tmp_path, ""))], environment) == 0
        assert lgpio.calls == []

    @pytest.mark.parametrize(("fail", "state"), [("secure", "locked"), ("safe", "unlocked")])
    def test_a_simulated_lock_is_told(
        self, tmp_path: Path, environment: dict[str, str], fail: str, state: str
    ) -> None:
        text = f"door: {{driver: simulated, fail: {fail}}}\nstore: {{path: state}}"
        assert main(["--config", str(written(tmp_path, text))], environment) == 0
        assert states(tmp_path / "state" / "simulated-lock.jsonl") == [state]

    def test_a_line_that_fails_is_told_with_its_code(
        self,
        tmp_path: Path,
        lgpio: FakeLgpio,
        line: DrivenLine,
        environment: dict[str, str],
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        remember(line, record_file(environment, tmp_path))
        lgpio.broken["gpio_claim_output"] = "GPIO busy"
        assert main([], environment) == 4
        assert "could not be claimed: GPIO busy. `gpioinfo` tells" in capfd.readouterr().err

    def test_who_holds_the_devices_by_now_looks_after_the_line(
        self,
        tmp_path: Path,
        lgpio: FakeLgpio,
        line: DrivenLine,
        environment: dict[str, str],
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        remember(line, record_file(environment, tmp_path))
        with DevicesLock(Path(line.devices_lock)):
            assert main([], environment) == 4
        assert lgpio.calls == []
        assert f"in use by process {os.getpid()}" in capfd.readouterr().err

    def test_a_state_folder_that_cannot_be_used_does_not_keep_the_current_on(
        self,
        tmp_path: Path,
        lgpio: FakeLgpio,
        line: DrivenLine,
        environment: dict[str, str],
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        (tmp_path / "file").touch()
        gone = replace(line, devices_lock=str(tmp_path / "file" / "devices.lock"))
        remember(gone, record_file(environment, tmp_path))
        assert main([], environment) == 0
        assert len(lgpio.commands()) == 1
        assert "devices.lock of the devices cannot be used: " in capfd.readouterr().err

    @pytest.mark.parametrize(
        "words", [["--config"], ["--help"], ["a", "b"], ["--config", "a", "b"]]
    )
    def test_wrong_usage(self, words: list[str], lgpio: FakeLgpio) -> None:
        assert main(words, {}) == 2
        assert lgpio.calls == []

    def test_a_bug_is_told_in_one_line(
        self,
        tmp_path: Path,
        line: DrivenLine,
        environment: dict[str, str],
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        remember(line, record_file(environment, tmp_path))
        monkeypatch.setattr(lockdown, "secure", lambda _: 1 // 0)
        assert main([], environment) == 70
        said = capfd.readouterr().err
        assert said.startswith("lockdown: A bug kept the line as it is: ZeroDivisionError")
        assert said.count("\n") == 1


LIGHT = """
import runpy, sys
try:
    runpy.run_module("appliance.lockdown", run_name="__main__")
except SystemExit as ended:
    print(ended.code, *sorted({name.split(".")[0] for name in sys.modules}))
"""


@pytest.mark.parametrize(
    ("driven", "outcome"),
    # A chip that this machine does not have: everything but the line itself is real.
    [({"chip": 63}, 4), ({"pin": None, "journal": "journal"}, 0)],
    ids=["real", "simulated"],
)
def test_the_program_loads_nothing_slow(
    tmp_path: Path,
    line: DrivenLine,
    environment: dict[str, str],
    driven: dict[str, Any],
    outcome: int,
) -> None:
    remember(replace(line, **driven), record_file(environment, tmp_path))
    result = subprocess.run(
        [sys.executable, "-c", LIGHT],
        env={**environment, "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    code, *loaded = result.stdout.split()
    assert code == str(outcome), result.stderr
    assert "Traceback" not in result.stderr
    slow = {"numpy", "pydantic", "yaml", "gpiozero", "cv2", "click", "sqlite3", "logging"}
    assert slow.isdisjoint(loaded)
