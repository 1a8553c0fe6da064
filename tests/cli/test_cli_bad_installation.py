"""Stores, keys, models, configurations and devices that cannot be used; nothing is lost by them."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from appliance.vision.manifest import shipped_folder
from tests.cli.runs import OBAMA, OBAMA2, OBAMA3, Appliance, Outcome, environment
from tests.patience import patient

VERIFY = ("verify", "--name", "alice", "--from", str(OBAMA3))


def truncate(database: Path) -> None:
    database.write_bytes(database.read_bytes()[:5000])


def scribble(database: Path) -> None:
    content = bytearray(database.read_bytes())
    content[4096:4396] = b"x" * 300
    database.write_bytes(content)


def make_newer(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version = 99")


def make_foreign(database: Path) -> None:
    database.unlink()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE song (title TEXT)")


def empty(database: Path) -> None:
    database.write_bytes(b"")


def overwrite(database: Path) -> None:
    database.write_text("once upon a time " * 500, encoding="utf-8")


def lose_the_key(database: Path) -> None:
    database.with_name("template.key").unlink()


def change_the_key(database: Path) -> None:
    database.with_name("template.key").write_text("ab" * 32 + "\n", encoding="utf-8")


def expose_the_key(database: Path) -> None:
    database.with_name("template.key").chmod(0o644)


def spoil_the_key(database: Path) -> None:
    database.with_name("template.key").write_text("swordfish\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "codes"),
    [
        (truncate, {"corrupt", "not_a_database"}),
        (scribble, {"corrupt"}),
        (make_newer, {"newer_version"}),
        (make_foreign, {"foreign_database"}),
        (empty, {"corrupt"}),
        (overwrite, {"not_a_database"}),
        (lose_the_key, {"missing_key"}),
        (change_the_key, {"wrong_key"}),
        (expose_the_key, {"bad_key"}),
        (spoil_the_key, {"bad_key"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_store_that_cannot_be_used(
    spoil: Callable[[Path], None], codes: set[str], enrolled: Appliance
) -> None:
    spoil(enrolled.state / "appliance.db")
    before = enrolled.snapshot()
    for words in (VERIFY, ("enroll", "--name", "bob", "--from", str(OBAMA))):
        told = enrolled(*words)
        assert told.code == 3
        assert told.sentence
        assert enrolled.json(*words).error["code"] in codes
    assert enrolled.json("doctor").code == 1
    assert enrolled.snapshot() == before


def test_a_template_of_another_model(enrolled: Appliance) -> None:
    enrolled.configure(model={"name": "mobilefacenet"})
    before = enrolled.snapshot()
    told = enrolled(*VERIFY)
    assert told.code == 3
    assert told.sentence.startswith("The template of 'alice' was made with mobilefacenet_")
    assert "--replace" in told.err
    assert enrolled.json(*VERIFY).error["code"] == "other_model"
    assert enrolled.json("identify", "--from", OBAMA3).error["code"] == "other_model"
    assert enrolled.snapshot() == before


def obeying_modes() -> list[str]:
    """What to put before a command so that files' modes bind it, root or not."""
    if os.geteuid() != 0:
        return []
    words = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    if not shutil.which("setpriv") or subprocess.run([*words, "true"], check=False).returncode:
        pytest.skip("root, and there is no setpriv to give up root's power over files")
    return words


@pytest.fixture
def bound(enrolled: Appliance) -> Iterator[Callable[..., Outcome]]:
    """Runs the program with files' modes binding it."""
    prefix = obeying_modes()

    def run(*words: str | Path) -> Outcome:
        done = subprocess.run(
            [*prefix, *enrolled.command(*words)],
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=patient(60),
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    yield run
    for folder in enrolled.folder.glob("*"):
        if folder.is_dir():
            folder.chmod(0o700)


def test_a_store_that_may_only_be_read(enrolled: Appliance, bound: Callable[..., Outcome]) -> None:
    """Telling is possible, enrolling is refused, and nothing is lost."""
    (enrolled.state / "appliance.db").chmod(0o400)
    enrolled.state.chmod(0o500)
    before = enrolled.snapshot()
    assert bound(*VERIFY).code == 0
    told = bound("people", "remove", "alice")
    assert told.code == 3
    assert " cannot be written: the file, its folder or its disk is read-only" in told.sentence
    assert enrolled.snapshot() == before


def test_a_folder_that_this_user_may_not_write(
    enrolled: Appliance, bound: Callable[..., Outcome]
) -> None:
    (locked := enrolled.folder / "locked").mkdir()
    enrolled.configure(store={"path": str(locked / "state")})
    locked.chmod(0o500)
    told = bound("enroll", "--name", "alice", "--from", OBAMA)
    assert (told.code, told.sentence) == (
        3,
        f"{locked}/state/appliance.db may not be used by this user.",
    )
    told = bound("door", "status")
    holder = locked / "state" / "devices.lock"
    assert told.code == 4
    assert (
        told.sentence == f"The lock file {holder} of the devices cannot be used: permission denied."
    )
    # Not even looked into.
    locked.chmod(0o000)
    told = bound("doctor", "--json")
    assert told.code == 1
    assert {it["status"] for it in told.data["checks"] if it["name"] == "disk"} == {"fail"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(path: Path) -> None:
    ballast = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        while True:
            os.write(ballast, bytes(4096))
    except OSError as error:
        assert error.errno == errno.ENOSPC  # noqa: PT017 - this is the preparation
    finally:
        os.close(ballast)


def test_a_full_disk(enrolled: Appliance, small_disk: Path, films: dict[str, Path]) -> None:
    shutil.copytree(enrolled.state, small_disk / "state")
    enrolled.configure(store={"path": str(small_disk / "state")})
    enrolled.state = small_disk / "state"
    fill(small_disk / "ballast")
    before = enrolled.snapshot()
    words = ("enroll", "--name", "bob", "--from", str(OBAMA))
    told = enrolled(*words)
    assert (told.code, enrolled.json(*words).error["code"]) == (3, "disk_full")
    assert told.sentence.endswith("could not be written: the disk is full.")
    assert enrolled(*VERIFY).code == 0
    # The door stays shut: neither an attempt nor an installer opens it without a record.
    attempt = ("verify", "--name", "alice", "--unlock", "--from", films["alice"])
    for line in (("door", "test"), attempt):
        told = enrolled(*line)
        assert told.code in {3, 4}
        assert told.sentence
    journal = enrolled.state / "simulated-lock.jsonl"
    assert not journal.exists() or "unlocked" not in journal.read_text(encoding="utf-8")
    for name in ("appliance.db", "template.key"):
        assert enrolled.snapshot()[name] == before[name]
    (small_disk / "ballast").unlink()
    assert enrolled.json("people", "list").data["people"][0]["name"] == "alice"
    assert enrolled.json("audit", "verify").data["ok"]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for path in shipped_folder().iterdir():
        if path.is_file() and path.suffix in {".toml", ".tflite", ".onnx", ".dat"}:
            (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture
def own_models(enrolled: Appliance, models: Path) -> Path:
    folder = shutil.copytree(models, enrolled.folder / "models", symlinks=True)
    enrolled.configure(model={"directory": str(folder)})
    return folder


def test_models_in_a_folder_of_their_own(enrolled: Appliance, own_models: Path) -> None:
    assert enrolled("models", "verify").code == 0
    assert enrolled(*VERIFY).code == 0


def test_a_changed_model(enrolled: Appliance, own_models: Path) -> None:
    path = own_models / "mobilefacenet_dynamic.tflite"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    path.write_bytes(content)
    told = enrolled(*VERIFY)
    assert told.code == 3
    assert told.sentence.startswith(f"The model file {path} is not the one that the manifest names")
    assert enrolled.json(*VERIFY).error["code"] == "changed_model"
    checked = enrolled.json("models", "verify")
    assert (checked.code, checked.data["ok"]) == (3, False)
    assert [it["code"] for it in checked.data["models"] if not it["ok"]] == ["changed_model"]
    assert str(path) in enrolled("models", "verify").out


@pytest.mark.parametrize("name", ["mobilefacenet_dynamic", "face_mesh", "antispoof"])
def test_a_missing_model(name: str, enrolled: Appliance, own_models: Path) -> None:
    path = own_models / f"{name}.tflite"
    path.unlink()
    told = enrolled(*VERIFY)
    assert (told.code, told.sentence) == (3, f"The model file {path} is missing.")
    assert enrolled.json(*VERIFY).error["code"] == "missing_model"
    assert enrolled.json("models", "verify").code == 3


@pytest.mark.parametrize("content", [None, "", "[[[", "schema = 99", "\udcff"])
def test_a_bad_manifest(content: str | None, enrolled: Appliance, own_models: Path) -> None:
    path = own_models / "manifest.toml"
    path.unlink()
    if content is not None:
        path.write_bytes(content.encode("utf-8", "surrogateescape"))
    told = enrolled("models", "list")
    assert told.code == 3
    assert str(path) in told.sentence


@pytest.mark.parametrize("name", ["facenet", "face_mesh", "antispoof", ""])
def test_an_unknown_model(name: str, enrolled: Appliance) -> None:
    enrolled.configure(model={"name": name})
    told = enrolled(*VERIFY)
    assert told.code == 3
    assert told.sentence.startswith(f"There is no embedder called {name!r}")
    assert "mobilefacenet" in told.err


CONFIGS = {
    "doo: {}": "doo is not a known key (did you mean door?)",
    "door: {drvier: simulated}": "door.drvier is not a known key (did you mean driver?)",
    "door: {pin: seventeen}": "door.pin: a whole number is expected, not 'seventeen'",
    "door: {driver: gpiozero}": "door.pin is missing",
    "door: {driver: relay}": "not 'relay'",
    "model: {threads: 0}": "model.threads: ",
    "model: {threads: 99}": "model.threads: ",
    "model: {threads: two}": "model.threads: a whole number is expected, not 'two'",
    "door: [1, 2]": "door: holds a list where keys are expected",
    "door: {driver: simulated": "is not valid YAML",
    "door:\n\tdriver: simulated": "is not valid YAML",
    "just a text": "holds a text where sections are expected",
    "door: {pin: 1}\ndoor: {pin: 2}": "stands here twice",
    "claims: {identify: true}": "is not built in this version",
}


@pytest.mark.parametrize("text", CONFIGS)
def test_a_faulty_config(text: str, appliance: Appliance) -> None:
    appliance.config.write_text(text, encoding="utf-8")
    for words in (["config", "check"], ["people", "list"], ["doctor"], ["door", "test"]):
        told = appliance(*words)
        assert told.code == 3
        assert str(appliance.config) in told.sentence
        assert CONFIGS[text] in told.sentence
        assert appliance.json(*words).error["code"] == "bad_config"
    assert not appliance.state.exists()


def test_every_fault_of_a_config_is_told_at_once(appliance: Appliance) -> None:
    appliance.config.write_text(
        "doo: {}\ndoor: {drvier: x, pin: y}\nmodel: {threads: no}\n", encoding="utf-8"
    )
    told = appliance("config", "check")
    assert told.code == 3
    assert " has 4 faults: " in told.sentence
    for word in ("doo ", "door.drvier", "door.pin", "model.threads"):
        assert word in told.sentence


@pytest.mark.parametrize("kind", ["missing", "folder", "not UTF-8", "loop"])
def test_a_config_that_cannot_be_read(kind: str, appliance: Appliance) -> None:
    path = appliance.folder / "c.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind == "not UTF-8":
        path.write_bytes(b"\xff\xfe\0")
    elif kind == "loop":
        path.symlink_to(path)
    told = appliance("people", "list", config=path)
    assert told.code == 3
    assert told.sentence.startswith(f"The config file {path} ")


@pytest.mark.parametrize("place", ["picture.jpg", "picture.jpg/x", "/dev/null", "/proc/x"])
def test_a_store_path_that_can_be_none(place: str, appliance: Appliance) -> None:
    shutil.copy(OBAMA, appliance.folder / "picture.jpg")
    path = appliance.folder / place
    appliance.configure(store={"path": str(path)})
    told = appliance("enroll", "--name", "alice", "--from", OBAMA)
    assert told.code == 3
    assert str(path) in told.sentence
    assert (appliance.folder / "picture.jpg").read_bytes() == OBAMA.read_bytes()
    assert appliance("people", "list").code in {0, 3}
    told = appliance("door", "status")
    assert told.code == (0 if place == "picture.jpg" else 4)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("missing", "The camera {} does not exist."),
        ("file", "{} is not a camera."),
        ("folder", "{} is not a camera."),
        ("/dev/null", "{} is not a camera."),
    ],
)
def test_no_camera(source: str, sentence: str, enrolled: Appliance) -> None:
    path = enrolled.folder / source
    if source == "file":
        shutil.copy(OBAMA, path)
    elif source == "folder":
        path.mkdir()
    enrolled.configure(camera={"source": str(path)})
    for words in (
        ["verify", "--name", "alice"],
        ["enroll", "--name", "bob"],
        ["identify"],
        ["verify", "--name", "alice", "--unlock"],
    ):
        told = enrolled(*words)
        assert (told.code, told.sentence) == (4, sentence.format(path))
        assert enrolled.json(*words).error["code"] == "camera"
    assert [item["name"] for item in enrolled.json("people", "list").data["people"]] == ["alice"]


def test_a_recording_in_the_place_of_the_camera(enrolled: Appliance) -> None:
    enrolled.configure(camera={"driver": "files", "source": str(OBAMA2)})
    assert enrolled("verify", "--name", "alice").code == 0
    enrolled.configure(camera={"driver": "files", "source": str(enrolled.folder / "gone.avi")})
    told = enrolled("verify", "--name", "alice")
    assert (told.code, told.sentence) == (3, "gone.avi does not exist.")


def test_an_audit_log_that_was_changed(enrolled: Appliance) -> None:
    with closing(sqlite3.connect(enrolled.state / "appliance.db")) as connection, connection:
        connection.execute("DROP TRIGGER audit_no_update")
        connection.execute("UPDATE audit SET subject = 'mallory'")
    told = enrolled.json("audit", "verify")
    assert (told.code, told.data["ok"], told.data["first_bad"]) == (1, False, 1)
    assert enrolled("audit", "verify").out == "The chain breaks at record 1.\n"
    checks = {item["name"]: item for item in enrolled.json("doctor").data["checks"]}
    assert checks["store"]["status"] == "fail"
