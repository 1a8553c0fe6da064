"""What doctor says of the system service."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance import doctor, installed
from appliance.config import parse
from appliance.doctor import Check, Status
from appliance.installed import Installed, key_for_one_command, look, shortcomings
from tests.conftest import ROOT

ETC = Path("etc/systemd/system")


def install(root: Path, *drop_ins: str, folder: Path = ETC) -> Path:
    (root / folder / "appliance.service.d").mkdir(parents=True)
    (root / folder / "appliance.service").touch()
    for name in drop_ins:
        (root / folder / "appliance.service.d" / f"{name}.conf").touch()
    return root


class TestLooking:
    def test_nothing_is_installed(self, tmp_path: Path) -> None:
        assert look(tmp_path) is None

    def test_the_unit_and_its_drop_ins(self, tmp_path: Path) -> None:
        install(tmp_path, "sound", folder=Path("usr/lib/systemd/system"))
        install(tmp_path, "camera-rtsp")
        assert look(tmp_path) == Installed(
            tmp_path / ETC / "appliance.service", frozenset({"sound", "camera-rtsp"})
        )


class TestShortcomings:
    @pytest.mark.parametrize(
        ("config", "drop_ins", "complaints"),
        [
            ("", {"camera-v4l2"}, []),
            ("", set(), ["camera.driver is v4l2, but the unit has no drop-in camera-v4l2.conf"]),
            (
                "camera: {driver: rtsp, source: 'rtsp://camera/live'}",
                {"camera-v4l2"},
                ["camera.driver is rtsp, but the unit has no drop-in camera-rtsp.conf"],
            ),
            ("camera: {driver: files, source: x}", set(), []),
            (
                "feedback: {greeting: speech}",
                {"camera-v4l2"},
                ["feedback.greeting is on, but the unit has no drop-in sound.conf"],
            ),
            (
                "model: {name: mobilefacenet, delegate: tensorrt}",
                {"camera-v4l2"},
                ["model.delegate is tensorrt, but the unit has no drop-in delegate-tensorrt.conf"],
            ),
            (
                "model: {name: mobilefacenet, delegate: tensorrt}",
                {"camera-v4l2", "delegate-tensorrt"},
                [],
            ),
            ("model: {name: mobilefacenet, delegate: /usr/lib/own.so}", {"camera-v4l2"}, []),
        ],
    )
    def test_of_a_unit(self, config: str, drop_ins: set[str], complaints: list[str]) -> None:
        unit = Installed(Path("unit"), frozenset(drop_ins))
        assert [clause for clause, _ in shortcomings(unit, parse(config))] == complaints

    def test_every_drop_in_that_is_named_exists(self) -> None:
        folder = ROOT / "systemd" / "appliance.service.d"
        unit = Installed(Path("unit"), frozenset())
        for driver in ("v4l2", "picamera2", "gstreamer", "rtsp"):
            source = "{driver: rtsp, source: 'rtsp://c/l'}" if driver == "rtsp" else "{driver: X}"
            text = f"camera: {source.replace('X', driver)}\nfeedback: {{greeting: speech}}"
            if driver in {"picamera2", "gstreamer"}:
                text = text.replace(f"{driver}}}", f"{driver}, source: 0}}")
            hints = " ".join(hint for _, hint in shortcomings(unit, parse(text)))
            assert f"camera-{driver}.conf" in hints
            assert (folder / f"camera-{driver}.conf").is_file()
        assert (folder / "sound.conf").is_file()
        assert (folder / "delegate-tensorrt.conf").is_file()
        assert all((folder / f"{name}.conf").is_file() for name in ("key", "key-encrypted"))


class TestTheKey:
    @pytest.mark.parametrize(
        ("name", "directive"), [("key", "LoadCredential"), ("key-encrypted", "LoadCredentialEnc")]
    )
    def test_is_handed_to_one_command_as_to_the_service(self, name: str, directive: str) -> None:
        drop_in = (ROOT / "systemd" / "appliance.service.d" / f"{name}.conf").read_text()
        (line,) = [line for line in drop_in.splitlines() if line.startswith("LoadCredential")]
        told = key_for_one_command(Installed(Path("unit"), frozenset({name})))
        assert told is not None
        assert f"--property={line} " in told
        assert directive in told

    def test_beside_the_database_needs_nothing(self) -> None:
        assert key_for_one_command(Installed(Path("unit"), frozenset({"sound"}))) is None


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's files, as doctor sees them."""
    monkeypatch.setattr(installed, "_ROOT", tmp_path)
    monkeypatch.setattr(installed.look, "__defaults__", (tmp_path,))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    return tmp_path


def told(check: Path, store: str = "") -> Check:
    # A state of its own: this machine's may have a key beside its database.
    return doctor._service(parse(f"store: {{path: {check / 'state'}, {store}}}"))


class TestDoctor:
    def test_nothing_is_installed(self, check: Path) -> None:
        found = told(check)
        assert found.status is Status.WARN
        assert "not installed" in found.detail

    def test_all_is_well(self, check: Path) -> None:
        install(check, "camera-v4l2")
        found = told(check)
        assert (found.status, found.hint) == (Status.OK, "")
        assert str(check / ETC / "appliance.service") in found.detail

    def test_a_camera_that_the_unit_does_not_allow(self, check: Path) -> None:
        install(check)
        found = told(check)
        assert found.status is Status.WARN
        assert "camera-v4l2.conf" in found.detail
        assert "daemon-reload" in found.hint

    def test_a_key_that_commands_do_not_get(self, check: Path) -> None:
        install(check, "camera-v4l2", "key")
        found = told(check)
        assert found.status is Status.OK
        assert "handed to the service alone" in found.detail
        assert "systemd-run" in found.hint

    def test_a_command_that_has_got_the_key(
        self, check: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        install(check, "camera-v4l2", "key")
        (check / "appliance-template-key").touch()
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(check))
        assert "alone" not in told(check).detail

    def test_a_key_that_the_config_names(self, check: Path) -> None:
        install(check, "camera-v4l2", "key")
        assert "alone" not in told(check, f"key: {check / 'key'}").detail
