"""The report: whoever changes a byte of it, or of its page, is found out."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import pytest

from appliance.acceptance import page, report
from appliance.acceptance.course import Course, Said
from appliance.acceptance.plan import STEPS
from appliance.acceptance.progress import Progress
from appliance.acceptance.values import Hand, Site
from appliance.cli.main import run
from appliance.errors import InputError, StoreError
from appliance.store.device_key import DeviceKey, fingerprint, has_signed, same_fingerprint
from tests.acceptance.parts import NO_POWER_CUTS, WHOLE, Bench, Somebody

KEY = DeviceKey(bytes(range(32)))
OTHER = DeviceKey(bytes(32))
MARKUP = '</script><script>alert(1)</script><b title="x">&amp;'


def made(site: Site = WHOLE, note: str = "") -> report.Report:
    """Of a door at which the strike is amiss, and whose power was never cut."""
    somebody = Somebody(deepcopy(NO_POWER_CUTS), {"strike": [Said(yes=False, note=note)]})
    begun = Progress("run", "2026-03-01T11:00:00+00:00", "ab" * 32, by=note, person="alice")
    hand = Hand(note, "root", "terminal")
    it = Course(site, somebody, Bench(), lambda _: None, begun, hand)
    outcome = it.run(STEPS)
    return report.build(
        STEPS,
        it.progress,
        site,
        outcome=outcome,
        version="1.2.3",
        ended="2026-03-01T12:00:00+00:00",
        operator={"user": "root", "role": "owner"},
        log=report.Log("d" * 32, 12, "e" * 64),
    )


@pytest.fixture(scope="module")
def signed() -> bytes:
    return report.seal(made(), KEY)


def draw(signed: bytes) -> bytes:
    return page.draw(signed, report.read(signed, "x").report, fingerprint(KEY.public))


def test_a_report_is_read_as_it_was_signed(signed: bytes) -> None:
    found = report.read(signed, "x")
    assert (found.genuine, found.signer) == (True, KEY.public)
    assert found.report["outcome"] == "failed"
    assert found.report["audit"] == {"database": "d" * 32, "number": 12, "digest": "e" * 64}
    assert [it["key"] for it in found.report["steps"]] == [step.key for step in STEPS]
    assert sum(found.report["tally"].values()) == len(STEPS)


@pytest.mark.parametrize(
    ("outcome", "simulated", "code"),
    [("accepted", [], 0), ("accepted", ["lock"], 1), ("incomplete", [], 1)],
)
def test_a_door_that_must_be_accepted(
    outcome: str, simulated: list[str], code: int, signed: bytes, tmp_path: Path
) -> None:
    told = {**report.read(signed, "x").report, "outcome": outcome, "simulated": simulated}
    file = tmp_path / "report.json"
    file.write_bytes(report.seal(told, KEY))
    assert run(["acceptance", "verify", str(file)]) == 0
    assert run(["acceptance", "verify", str(file), "--accepted"]) == code


def test_nobody_who_is_enrolled_stands_in_it(signed: bytes) -> None:
    assert b"alice" not in signed
    assert b"alice" not in draw(signed)


def test_every_byte_counts(signed: bytes) -> None:
    tail = signed.index(b'"signature"')
    for at in (*range(0, len(signed), 53), *range(tail, len(signed))):
        changed = bytearray(signed)
        changed[at] ^= 0x20  # the other case, where it is a letter
        assert not is_genuine(bytes(changed)), signed[at - 20 : at + 20]


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it + b"\n",
        lambda it: b" " + it,
        lambda it: it[:-1],
        lambda it: it[:-100],
        lambda it: it.replace(b'"passed"', b'"passed" ', 1),
        lambda it: json.dumps(json.loads(it), indent=1).encode(),
        lambda it: it.replace(b'"failed"', b'"passed"'),
    ],
)
def test_another_spelling_is_another_report(change: object, signed: bytes) -> None:
    assert callable(change)
    assert not is_genuine(change(signed))


def is_genuine(content: bytes) -> bool:
    """Whether it is read as a report that nobody has changed."""
    try:
        return report.read(content, "x").genuine
    except InputError:
        return False


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("steps",), None),
        (("steps",), [{}]),
        (("simulated",), 5),
        (("tally",), []),
        (("audit", "number"), "1"),
        (("operator",), {"user": 1}),
        (("outcome",), ["accepted"]),
    ],
)
def test_what_somebody_else_signed_must_have_the_shape(
    place: tuple[str, ...], value: object, signed: bytes
) -> None:
    forged = deepcopy(dict(report.read(signed, "x").report))
    inner = forged
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with pytest.raises(InputError) as told:
        report.read(report.seal(forged, OTHER), "x")
    assert told.value.code == "bad_report"


def test_who_signs_anew_has_another_key(signed: bytes) -> None:
    forged = dict(report.read(signed, "x").report) | {"outcome": "accepted"}
    found = report.read(report.seal(forged, OTHER), "x")
    assert found.genuine
    assert not same_fingerprint(fingerprint(KEY.public), found.signer)


def test_the_page_holds_the_report_and_nothing_else(signed: bytes) -> None:
    drawn = draw(signed)
    assert page.extract(drawn, "x") == signed
    text = drawn.decode()
    assert "The lock did not let go of the door." in text
    assert fingerprint(KEY.public) in text
    assert "SIMULATED" not in text
    assert "http:" not in text
    assert "https:" not in text
    assert "src=" not in text.replace("-src", "")


def test_the_page_says_who_decided_and_what_answered(signed: bytes) -> None:
    assert "steps by somebody at the terminal" in draw(signed).decode()
    older = deepcopy(dict(report.read(signed, "x").report))
    for step in older["steps"]:
        del step["hand"]
    assert "Decided by" not in draw(report.seal(older, KEY)).decode()


def test_a_page_of_twins_says_so() -> None:
    twins = Site(door="simulated", live=False)
    assert "SIMULATED: lock and camera" in draw(report.seal(made(twins), KEY)).decode()


def test_what_people_write_is_never_markup() -> None:
    sealed = report.seal(made(note=MARKUP), KEY)
    text = draw(sealed).decode()
    assert MARKUP not in text
    assert text.count("<script") == text.count("</script>") == 1
    assert page.extract(text.encode(), "x") == sealed


@pytest.mark.parametrize("content", [b"<html>", b"<", b"<script>{}</script>", b"\xff<"])
def test_a_page_without_a_report(content: bytes) -> None:
    with pytest.raises(InputError) as told:
        page.extract(content, "x")
    assert told.value.code == "bad_report"


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"1", b'{"format": 1}', b"[" * 100_000])
def test_what_is_no_report(content: bytes) -> None:
    with pytest.raises(InputError) as told:
        report.read(content, "x")
    assert (told.value.code, told.value.exit_code) == ("bad_report", 3)


def test_the_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    file = tmp_path / "device.key"
    first = DeviceKey.at(file)
    assert DeviceKey.at(file).public == first.public
    assert file.stat().st_mode & 0o777 == 0o600
    assert has_signed(first.public, first.sign(b"x"), b"x")
    assert not has_signed(first.public, first.sign(b"x"), b"y")
    assert not has_signed("", "", b"x")
    file.chmod(0o644)
    with pytest.raises(StoreError) as told:
        DeviceKey.at(file)
    assert told.value.code == "bad_key"


def test_a_fingerprint_is_compared_as_people_write_it() -> None:
    shown = fingerprint(KEY.public)
    assert len(shown.replace("-", "")) == 40
    for written in (shown, shown.upper(), shown.replace("-", " "), shown.replace("-", "")):
        assert same_fingerprint(written, KEY.public)
    assert not same_fingerprint(shown, OTHER.public)
    for wrong in ("", shown[:-1], shown + "0", "x" * 40):
        with pytest.raises(InputError):
            same_fingerprint(wrong, KEY.public)
