from __future__ import annotations

import contextlib
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance import config
from appliance.config import Config, known_keys, load, parse
from appliance.control.authority import MAY, Act, Role
from appliance.errors import ConfigError, ExitCode

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ROOT / "config.yaml"
SECTIONS = sorted(Config.model_fields)
KEYS = sorted({path.split(".")[1] for path in known_keys()})


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert caught.value.exit_code is ExitCode.BAD_DATA
    assert caught.value.hint
    message = caught.value.message
    assert "\n" not in message
    assert message.startswith("config.yaml ")
    assert message.endswith(".")
    return message


class TestTheShippedFile:
    def test_means_the_same_as_an_empty_one(self) -> None:
        assert load(SHIPPED) == Config() == parse("")

    def test_shows_every_key(self) -> None:
        text = SHIPPED.read_text(encoding="utf-8").replace("\n  # ", "\n  ")
        shown = yaml.safe_load(text)
        names = {f"{section}.{key}" for section, keys in shown.items() for key in keys}
        assert names == set(known_keys())

    def test_shows_the_door_with_its_defaults_but_for_driver_and_pin(self) -> None:
        text = SHIPPED.read_text(encoding="utf-8").replace("\n  # ", "\n  ")
        shown = parse(text).door
        assert shown == Config().door.model_copy(update={"driver": "gpiozero", "pin": 17})

    @pytest.mark.parametrize("role", [Role.KEEPER, Role.INSTALLER])
    def test_promises_local_users_what_they_may_and_no_more(self, role: Role) -> None:
        lines = SHIPPED.read_text(encoding="utf-8").splitlines()
        (line,) = [line for line in lines if line.startswith(f"  {role.value}s:")]
        told = line.partition("# local users who may besides: ")[2].partition(" (")[0]
        assert told.split(", ") == [it.value for it in Act if it in MAY[role] - MAY[Role.MEMBER]]

    def test_names_every_value_that_is_not_built(self) -> None:
        lines = SHIPPED.read_text(encoding="utf-8").splitlines()
        told = {line.split(":")[0].strip(" #") for line in lines if "not built yet" in line}
        missing = {path.split(".")[1] for path in config._BUILT} - told
        # The bare word `host` has a value of its own in another section; nothing else repeats.
        assert missing == set()


class TestDefaults:
    @pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "null", "{}", "door:\n"])
    def test_nothing_said_is_all_defaults_and_an_unconfigured_door(self, text: str) -> None:
        assert parse(text) == Config()
        assert parse(text).door.driver is None

    def test_a_byte_order_mark_is_no_fault(self) -> None:
        assert parse("\ufeffdoor: {driver: simulated}\n").door.driver == "simulated"

    def test_a_config_cannot_be_changed(self) -> None:
        with pytest.raises(ValueError, match="frozen"):
            setattr(Config().door, "pin", 3)  # noqa: B010 - mypy knows better than to allow it

    def test_liveness_is_on(self) -> None:
        assert Config().liveness.profile == "standard"


class TestWordsThatYamlTwists:
    @pytest.mark.parametrize("word", ["off", "no", "false", "'off'"])
    def test_off_is_a_profile(self, word: str) -> None:
        assert parse(f"liveness: {{profile: {word}}}").liveness.profile == "off"

    @pytest.mark.parametrize("word", ["on", "yes", "true", "0", "'no'"])
    def test_other_words_are_not(self, word: str) -> None:
        assert "liveness.profile" in refused(f"liveness: {{profile: {word}}}")

    @pytest.mark.parametrize(
        ("word", "meant"),
        [("false", False), ("'False'", False), ("'false'", False), ("no", False), ("true", True)],
    )
    def test_a_quoted_false_is_false(self, word: str, meant: bool) -> None:  # noqa: FBT001
        assert parse(f"door: {{active_high: {word}}}").door.active_high is meant

    @pytest.mark.parametrize("key", ["door: {pin", "camera: {fps", "camera: {rotate"])
    def test_yes_is_not_the_number_one(self, key: str) -> None:
        assert "a number is expected, not true" in refused(f"{key}: yes}}")

    @pytest.mark.parametrize("number", ["017", "010", "-017", "00"])
    def test_a_leading_zero_is_not_octal(self, number: str) -> None:
        assert "begins with a zero" in refused(f"door: {{pin: {number}}}")

    def test_exponents_need_no_point(self) -> None:
        assert parse("verification: {target_far: 1e-4}").verification.target_far == 1e-4

    def test_a_date_is_a_text(self) -> None:
        assert parse("camera: {driver: files, source: 2026-01-05}").camera.source == "2026-01-05"

    def test_a_number_is_a_camera(self) -> None:
        assert parse("camera: {source: 2}").camera.source == "/dev/video2"

    @pytest.mark.parametrize("number", [".nan", ".inf", "-.inf"])
    @pytest.mark.parametrize("path", [k for k, v in known_keys().items() if type(v) is float])
    def test_numbers_are_finite(self, path: str, number: str) -> None:
        section, key = path.split(".")
        assert f"{path}: " in refused(f"{section}: {{{key}: {number}}}")


class TestFaults:
    def test_typos_are_answered(self) -> None:
        assert "verificaton is not a known key (did you mean verification?)" in refused(
            "verificaton: {}"
        )
        assert "door.puls_s is not a known key (did you mean pulse_s?)" in refused(
            "door: {puls_s: 2}"
        )

    def test_a_key_in_the_wrong_section_is_sent_home(self) -> None:
        assert "camera.pulse_s is not a known key (it belongs to door:)" in refused(
            "camera: {pulse_s: 2}"
        )
        assert "pulse_s is not a known key (it belongs to door:)" in refused("pulse_s: 2")

    def test_all_are_told_at_once(self) -> None:
        message = refused(
            "door: {driver: gpiozer, pulse_s: 99}\n"
            "kiosk: {listen: all}\n"
            "verificaton: {}\n"
            "camera: {width: wide, loop: maybe}\n"
            "claims: {sources: keypad}\n"
        )
        assert "has 7 faults: " in message
        for part in (
            "door.driver: input should be 'gpiozero' or 'simulated', not 'gpiozer'",
            "door.pulse_s: input should be less than or equal to 30, not 99",
            "kiosk.listen: all is not built in this version (built: nothing)",
            "verificaton is not a known key",
            "camera.width: a whole number is expected, not 'wide'",
            "camera.loop: true or false is expected, not 'maybe'",
            "claims.sources: a list is expected, not 'keypad'",
        ):
            assert part in message

    def test_one_is_not_called_several(self) -> None:
        assert "has one fault: " in refused("door: {pulse_s: 99}")

    def test_a_key_is_told_once(self) -> None:
        assert refused("liveness: {profile: strct}").count("liveness.profile") == 1

    def test_very_many_are_counted(self) -> None:
        message = refused("".join(f"k{number}: 1\n" for number in range(2000)))
        assert "has 2000 faults" in message
        assert "and 1980 more" in message
        assert len(message) < 2000

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("door: 5", "door: holds the value 5 where keys are expected"),
            ("door: [1]", "door: holds a list where keys are expected"),
            ("door: on", "door: holds the value true where keys are expected"),
            ("- door", "holds a list where sections are expected"),
            ("door", "holds a text where sections are expected"),
            ("5", "holds the value 5 where sections are expected"),
        ],
    )
    def test_what_is_not_a_section(self, text: str, told: str) -> None:
        assert told in refused(text)

    def test_keys_written_twice(self) -> None:
        message = refused("door:\n  pin: 1\n  pin: 2\n")
        assert "the key pin stands here twice in line 3, column 3" in message
        assert "the key door stands here twice" in refused("door:\ncamera:\ndoor:\n")

    def test_broken_yaml_tells_the_place(self) -> None:
        assert "in line 2, column 1" in refused("door:\n\tpin: 1\n")

    def test_a_real_lock_needs_a_pin(self) -> None:
        assert "door.pin is missing" in refused("door: {driver: gpiozero}")

    def test_far_is_not_nearer_than_near(self) -> None:
        assert "far faces are small" in refused("detector: {nearest: 0.1, farthest: 0.5}")

    @pytest.mark.parametrize("path", ["store: {path", "store: {key", "control: {socket"])
    @pytest.mark.parametrize("text", ["''", "' '", '"a\\0b"', '"a\\nb"', '"\\e[2J"'])
    def test_what_cannot_be_a_path(self, path: str, text: str) -> None:
        assert refused(f"{path}: {text}}}")

    @pytest.mark.parametrize("source", ["-1", "''", "true"])
    def test_what_cannot_be_a_camera(self, source: str) -> None:
        assert "camera.source: " in refused(f"camera: {{source: {source}}}")


class TestNotBuilt:
    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("claims: {identify: true}", "claims.identify: true"),
            ("kiosk: {listen: '0.0.0.0:80'}", "kiosk.listen: 0.0.0.0:80"),
            ("mqtt: {host: broker}", "mqtt.host: broker"),
            ("mqtt: {password: secret}", "mqtt.password: what is written"),
        ],
    )
    def test_is_refused_by_name(self, text: str, told: str) -> None:
        assert f"{told} is not built in this version (built: " in refused(text)

    def test_the_table_names_known_keys_and_admits_the_defaults(self) -> None:
        defaults = known_keys()
        for path, built in config._BUILT.items():
            assert defaults[path] in built


class TestPaths:
    def test_relative_ones_begin_at_the_config_file(self, tmp_path: Path) -> None:
        file = tmp_path / "config.yaml"
        file.write_text(
            "store: {path: state, key: ~/key}\nmodel: {directory: models}\n"
            "camera: {driver: files, source: clip.mp4}\n"
        )
        found = load(file)
        assert found.store.path == tmp_path / "state"
        assert found.store.key == Path("~/key")
        assert found.model.directory == tmp_path / "models"
        assert found.camera.source == str(tmp_path / "clip.mp4")

    def test_a_camera_is_no_path_of_the_config(self, tmp_path: Path) -> None:
        file = tmp_path / "config.yaml"
        file.write_text("camera: {source: video0}\n")
        assert load(file).camera.source == "video0"


class TestSecrets:
    @pytest.mark.parametrize(
        "text",
        [
            "mqtt: {password: [hunter2]}",
            "mqtt: {password: {a: hunter2}}",
            "mqtt: {password: 'hunter2', host: x}",
            "mqtt: hunter2",
            "mqtt: password=hunter2",
            "mqtt:\n  password:hunter2\n",
            "mqtt: {password:hunter2}",
            "mqtt: {password hunter2}",
            "mqtt: {'password:hunter2': 1, 'password:hunter2': 1}",
            'mqtt: {password: "hunter2\\0"}',
            "mqtt: [password: hunter2]",
        ],
    )
    def test_are_not_repeated_in_messages(self, text: str) -> None:
        assert "hunter2" not in refused(text)

    def test_are_not_printed(self) -> None:
        assert "hunter2" not in repr(Config.model_validate({"mqtt": {"password": "hunter2"}}))
        assert "hunter2" not in refused("mqtt: {password: hunter2}")


class TestHostileFiles:
    def test_a_few_lines_cannot_unfold_without_end(self) -> None:
        lines = ["camera: {source: &a [x,x,x,x,x,x,x,x,x,x]}"]
        lines += [
            f"{name}: &{name} [{','.join(['*' + before] * 10)}]"
            for before, name in zip("abcdefgh", "bcdefghi", strict=False)
        ]
        tracemalloc.start()
        try:
            message = refused("\n".join(lines))
            assert tracemalloc.get_traced_memory()[1] < 10_000_000
        finally:
            tracemalloc.stop()
        assert "names for repeated parts" in message
        assert len(message) < 300

    @pytest.mark.parametrize("text", ["a: &b {c: *b}", "&a [*a]", "<<: {a: 1}", "a: *b"])
    def test_parts_that_refer_to_parts(self, text: str) -> None:
        refused(text)

    @pytest.mark.parametrize(
        "text",
        [
            "!!python/object/apply:os.system [true]",
            "door: !!set {pin}",
            "door: {pin: !!timestamp x}",
            "door: {pin: !!bool x}",
            "door: {pin: !local 3}",
        ],
    )
    def test_tags(self, text: str) -> None:
        assert "tags (!) are not used here" in refused(text)

    @pytest.mark.parametrize("text", ["[" * 3000, "a: [" * 3000, "{a: " * 3000, "- " * 3000])
    def test_nesting_without_end(self, text: str) -> None:
        assert "nested too deeply" in refused(text)

    @pytest.mark.parametrize("text", ["pin: " + "9" * 5000, "pin: 0x" + "f" * 5000])
    def test_numbers_without_end(self, text: str) -> None:
        assert "the number is too long" in refused(text)

    @pytest.mark.parametrize("text", ["width: " + "x" * 50_000, "x" * 50_000 + ": 1"])
    def test_values_and_keys_are_quoted_in_part(self, text: str) -> None:
        assert len(refused("camera: {" + text + "}")) < 300

    @pytest.mark.parametrize("text", ["=: 1", "? [1, 2]\n: 3", "1: 2", "{a: b}: c", "null: 1"])
    def test_keys_that_are_not_words(self, text: str) -> None:
        refused(text)

    @pytest.mark.parametrize("text", ["\0", "\ud800", "---\na: 1\n---\nb: 1", "%YAML 9.9\n---\n"])
    def test_what_is_not_one_document_of_text(self, text: str) -> None:
        refused(text)


class TestFiles:
    def fault(self, path: Path) -> str:
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert caught.value.hint
        return caught.value.message

    def test_missing(self, tmp_path: Path) -> None:
        path = tmp_path / "config.yaml"
        assert self.fault(path) == f"The config file {path} does not exist."

    def test_a_folder(self, tmp_path: Path) -> None:
        assert "cannot be read: is a directory" in self.fault(tmp_path)

    @pytest.mark.parametrize("content", [b"\xff\xfe\x00", "läche: 1".encode("latin-1")])
    def test_not_utf8(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "config.yaml"
        path.write_bytes(content)
        assert "cannot be read" in self.fault(path)

    def test_longer_than_any_config(self, tmp_path: Path) -> None:
        path = tmp_path / "config.yaml"
        path.write_text("#" * 70_000, encoding="utf-8")
        assert "is longer than 65536 characters" in self.fault(path)

    def test_a_device_without_end(self) -> None:
        assert self.fault(Path("/dev/zero"))

    def test_a_sparse_file_of_a_terabyte(self, tmp_path: Path) -> None:
        path = tmp_path / "config.yaml"
        path.touch()
        os.truncate(path, 1 << 40)
        assert "is longer than" in self.fault(path)

    def test_the_path_stands_in_every_message(self, tmp_path: Path) -> None:
        path = tmp_path / "door.yaml"
        path.write_text("dor: 1\n", encoding="utf-8")
        assert self.fault(path).startswith(f"{path} has one fault: dor is not a known key")


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.dates()
    | st.sampled_from(["off", "gpiozero", "mobilefacenet", "files", "sole_user", "~", "1e-5"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
DOCUMENTS: st.SearchStrategy[Any] = VALUES | st.dictionaries(
    st.sampled_from(SECTIONS) | st.text(max_size=8),
    VALUES | st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5),
    max_size=5,
)


def parses_or_is_refused(text: str) -> None:
    """Whatever else is raised fails the test."""
    with contextlib.suppress(ConfigError):
        assert isinstance(parse(text), Config)


@given(st.text() | st.text(alphabet="adoorpin:{}[]-&*!?|>'\"#%@,~<=.0123456789 \n\t"))
@settings(max_examples=100, deadline=None)
def test_any_text_parses_or_is_refused(text: str) -> None:
    parses_or_is_refused(text)


@given(DOCUMENTS)
@settings(max_examples=100, deadline=None)
def test_any_structure_parses_or_is_refused(document: Any) -> None:
    parses_or_is_refused(yaml.safe_dump(document, allow_unicode=True))


@given(DOCUMENTS)
@settings(max_examples=50, deadline=None)
def test_what_is_accepted_drives_nothing_that_is_not_built(document: Any) -> None:
    try:
        found = parse(yaml.safe_dump(document))
    except ConfigError:
        return
    for path, built in config._BUILT.items():
        section, key = path.split(".")
        assert getattr(getattr(found, section), key) in built
