"""Requests become calls of the service, its answers and errors come back."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.control.authority import Act, Role, may
from appliance.control.client import Client
from appliance.control.limits import Limits
from appliance.control.words import (
    Alarm,
    Alive,
    Event,
    Guide,
    Missed,
    Reloaded,
    Result,
    TemplateSent,
)
from appliance.errors import (
    ApplianceError,
    CameraError,
    ConfigError,
    DeviceBusyError,
    ExitCode,
    HardwareError,
    InputError,
    NotPermittedError,
    StoreError,
)
from appliance.store.codec import encode_template
from appliance.types import Template
from tests.control.conftest import GROUP, INSTALLER, KEEPER, Serve
from tests.control.fake_service import GUIDES, NOON, STATUS, FakeService
from tests.patience import patient

Become = Callable[..., None]


class Unix(http.client.HTTPConnection):
    """HTTP without our client."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=patient(10))
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(patient(10))
        self.sock.connect(str(self.path))


def ask(
    path: Path, method: str, where: str, body: Any = None, **headers: str
) -> tuple[int, dict[str, Any]]:
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    with closing(Unix(path)) as connection:
        connection.request(method, where, data, {"content-type": "application/json", **headers})
        response = connection.getresponse()
        told: dict[str, Any] = json.loads(response.read())
        return response.status, told


def template(count: int = 5) -> Template:
    vectors = np.eye(count, 192, dtype=np.float32)
    mean = vectors.mean(axis=0)
    return Template(vectors, mean / np.linalg.norm(mean), "mobilefacenet", "f" * 16)


def sent(of: Template) -> TemplateSent:
    return TemplateSent(
        model=of.model,
        fingerprint=of.fingerprint,
        template=base64.b64encode(encode_template(of)).decode(),
        handicap=0.25,
        replace=True,
    )


def test_the_status(client: Client) -> None:
    assert client.status() == STATUS


def test_unlocking_names_the_reason_and_who_asked(client: Client, service: FakeService) -> None:
    done = client.unlock("  parcel for Alice ")
    assert (done.done, done.record, done.pulse_s) == (True, 7, 3.0)
    assert service.asked == [("unlock", "parcel for Alice")]
    (by,) = service.by
    assert (by.uid, by.pid, by.role) == (os.geteuid(), os.getpid(), Role.OWNER)


def test_reloading(client: Client) -> None:
    assert client.reload() == Reloaded(changed=("log.level",))


def test_the_audit_log(client: Client, service: FakeService) -> None:
    (record,) = client.audit(3).records
    assert (record.number, record.at, record.detail) == (1, NOON, {"frames": 5})
    assert service.asked == [("audit", 3)]


@pytest.mark.parametrize("unlock", [True, False])
def test_verifying_is_guided_to_its_result(
    client: Client, service: FakeService, *, unlock: bool
) -> None:
    events = list(client.verify("alice", unlock=unlock))
    assert events == [*GUIDES, Result(data=service.result)]
    assert service.asked == [("verify", "alice", unlock)]


def test_enrolling_is_guided_to_its_result(client: Client, service: FakeService) -> None:
    events = list(client.enrol("Łukasz 李", replace=True))
    assert events == [*GUIDES, Result(data=service.result)]
    assert service.asked == [("enrol", "Łukasz 李", True)]


def test_a_template_arrives_as_it_was(client: Client, service: FakeService) -> None:
    service.kept = {"replaces": True, "not_compared": "It is raining."}
    kept = client.keep("Łukasz 李 100%?#", sent(template()))
    assert (kept.name, kept.replaces, kept.not_compared) == (
        "Łukasz 李 100%?#", True, "It is raining.",
    )  # fmt: skip
    assert service.asked == [("keep", "Łukasz 李 100%?#", 5, 0.25, True)]


def test_listening_passes_over_signs_of_life(client: Client, service: FakeService) -> None:
    told: list[Event] = [Alarm(at=NOON, alarm="forced"), Missed(count=3)]
    service.listened = lambda: iter([Alive(), told[0], Alive(), told[1]])
    assert list(client.events()) == told


@pytest.mark.parametrize(
    "error",
    [
        ConfigError("The config is bad.", hint="Mend it."),
        StoreError("The disk is full.", hint="Make room."),
        CameraError("No camera.", hint="Plug it in."),
        DeviceBusyError("Somebody else is at the camera.", hint="Wait."),
        InputError("'alice' is enrolled already.", hint="Give --replace.", code="already_enrolled"),
        HardwareError("Odd.", code="a code of its own"),
    ],
    ids=lambda error: error.code,
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_arrives_as_it_was_raised(
    client: Client, service: FakeService, *, error: ApplianceError, stream: bool
) -> None:
    service.raises = error
    with pytest.raises(ApplianceError) as raised:
        list(client.enrol("alice", replace=False)) if stream else client.unlock("why not")
    told = raised.value
    assert (told.message, told.hint, told.code) == (error.message, error.hint, error.code)
    assert told.exit_code is error.exit_code
    if error.code == type(error).default_code:
        assert type(told) is type(error)


def test_an_error_in_the_middle_of_a_stream_arrives_too(
    client: Client, service: FakeService
) -> None:
    service.raises_later = CameraError("It was unplugged.")
    events = client.verify("alice", unlock=False)
    assert [next(events), next(events)] == list(GUIDES)
    with pytest.raises(CameraError, match="It was unplugged"):
        next(events)


@pytest.mark.parametrize("stream", [False, True])
def test_a_bug_is_told_without_its_details(
    client: Client, service: FakeService, caplog: pytest.LogCaptureFixture, *, stream: bool
) -> None:
    service.raises = ZeroDivisionError("the secret is 42")
    with pytest.raises(ApplianceError) as raised:
        list(client.enrol("alice", replace=False)) if stream else client.unlock("why not")
    assert raised.value.exit_code is ExitCode.BUG
    assert "42" not in raised.value.message + raised.value.hint
    assert "the secret is 42" in caplog.text


def test_a_client_that_goes_ends_its_job(client: Client, service: FakeService) -> None:
    events = client.verify("alice", unlock=True)
    assert isinstance(next(events), Guide)
    events.close()
    assert service.given_up.wait(patient(5))
    assert service.running == 0


EVERY: tuple[tuple[Act, str, str, Any], ...] = (
    (Act.STATUS, "GET", "/v1/status", None),
    (Act.STATUS, "GET", "/v1/openapi.json", None),
    (Act.AUDIT, "GET", "/v1/audit", None),
    (Act.WATCH, "GET", "/v1/events", None),
    (Act.VERIFY, "POST", "/v1/verifications", {"name": "alice"}),
    (Act.ATTEMPT, "POST", "/v1/attempts", {"name": "alice"}),
    (Act.ENROL, "POST", "/v1/enrolments", {"name": "alice"}),
    (Act.KEEP, "PUT", "/v1/people/alice/template", sent(template()).model_dump()),
    (Act.UNLOCK, "POST", "/v1/unlock", {"reason": "parcel"}),
    (Act.RELOAD, "POST", "/v1/reload", None),
)


def test_every_path_is_tried_here(client: Client) -> None:
    _, described = ask(client.path, "GET", "/v1/openapi.json")
    paths = {
        (method.upper(), path.replace("{name}", "alice"), body["x-act"])
        for path, methods in described["paths"].items()
        for method, body in methods.items()
    }
    listed = {(method, path, act.value) for act, method, path, _ in EVERY}
    assert paths == listed - {("GET", "/v1/openapi.json", "status")}
    assert {act for act, *_ in EVERY} == set(Act)


@pytest.mark.parametrize(("act", "method", "where", "body"), EVERY, ids=lambda it: str(it)[:24])
def test_who_may_not_is_refused_before_anything_is_read(
    client: Client,
    service: FakeService,
    become: Become,
    *,
    act: Act,
    method: str,
    where: str,
    body: Any,
) -> None:
    become(70_000 + EVERY.index((act, method, where, body)))
    for sent_body in (body, b"{rubbish", None):
        status, told = ask(client.path, method, where, sent_body)
        assert (status, told["error"]["code"]) == (403, "not_permitted")
        assert told["error"]["exit_code"] == 1
    assert service.asked == []
    # Once a minute is enough for the audit.
    assert [it for it, _ in service.turned_away] == [act]


@pytest.mark.parametrize(
    ("uid", "groups", "role"),
    [
        (KEEPER, (), Role.KEEPER),
        (INSTALLER, (), Role.INSTALLER),
        (71_000, (4, GROUP), Role.MEMBER),
        (71_001, (4,), Role.NOBODY),
    ],
)
def test_each_role_may_what_the_table_says(
    client: Client, become: Become, *, uid: int, groups: tuple[int, ...], role: Role
) -> None:
    become(uid, *groups)
    for act, method, where, body in EVERY:
        with closing(Unix(client.path)) as connection:
            data = None if body is None else json.dumps(body)
            connection.request(method, where, data, {"content-type": "application/json"})
            answered = connection.getresponse().status
        assert answered == (200 if may(role, act) else 403), (role, act)


def test_a_member_is_told_why_not(client: Client, become: Become) -> None:
    become(71_002, GROUP)
    with pytest.raises(NotPermittedError) as raised:
        client.unlock("please")
    assert raised.value.message == "uid 71002 (member) may not unlock the door."
    assert raised.value.exit_code is ExitCode.NO


@pytest.mark.parametrize(
    ("method", "where", "body", "status", "code"),
    [
        ("GET", "/", None, 404, "unknown_path"),
        ("GET", "/v2/status", None, 404, "unknown_path"),
        ("GET", "/v1/status/", None, 404, "unknown_path"),
        ("GET", "/docs", None, 404, "unknown_path"),
        ("PUT", "/v1/people/a%2Fb/template", {}, 404, "unknown_path"),
        ("DELETE", "/v1/status", None, 405, "unknown_method"),
        ("GET", "/v1/unlock", None, 405, "unknown_method"),
        ("POST", "/v1/unlock", None, 422, "bad_request"),
        ("POST", "/v1/unlock", b"{", 422, "bad_request"),
        ("POST", "/v1/unlock", b"\xff\xfe", 422, "bad_request"),
        ("POST", "/v1/unlock", [], 422, "bad_request"),
        ("POST", "/v1/unlock", {"reason": ""}, 422, "bad_request"),
        ("POST", "/v1/unlock", {"reason": " \t "}, 422, "bad_request"),
        ("POST", "/v1/unlock", {"reason": "a\nb"}, 422, "bad_request"),
        ("POST", "/v1/unlock", {"reason": "\ud800"}, 422, "bad_request"),
        ("POST", "/v1/unlock", {"reason": "x" * 201}, 422, "bad_request"),
        ("POST", "/v1/unlock", {"reason": "x", "pulse_s": 3600}, 422, "bad_request"),
        ("POST", "/v1/attempts", {"name": "../x"}, 422, "bad_name"),
        ("POST", "/v1/enrolments", {"name": "a", "replace": "maybe"}, 422, "bad_request"),
        ("GET", "/v1/audit?count=0", None, 422, "bad_request"),
        ("GET", "/v1/audit?count=1000000", None, 422, "bad_request"),
    ],
)
def test_what_cannot_be_understood_is_refused(
    client: Client,
    service: FakeService,
    *,
    method: str,
    where: str,
    body: Any,
    status: int,
    code: str,
) -> None:
    found, told = ask(client.path, method, where, body)
    assert (found, told["error"]["code"]) == (status, code)
    assert service.asked == []


def test_a_refusal_does_not_repeat_what_was_sent(client: Client) -> None:
    _, told = ask(client.path, "POST", "/v1/unlock", {"reason": ["hunter2"], "hunter3": "hunter4"})
    assert "hunter2" not in json.dumps(told)
    assert "hunter4" not in json.dumps(told)


@pytest.mark.parametrize(
    "change",
    [
        {"template": "not base64!"},
        {"template": base64.b64encode(b"FTPL").decode()},
        {"template": base64.b64encode(encode_template(template())[:-4]).decode()},
        {"template": "A" * 900_001},
        {"model": "../../etc"},
        {"handicap": float("nan")},
        {"handicap": -1.0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_template_that_is_none_is_refused(
    client: Client, service: FakeService, change: dict[str, Any]
) -> None:
    body = {**sent(template()).model_dump(), **change}
    status, _ = ask(client.path, "PUT", "/v1/people/alice/template", body)
    assert status == 422
    assert service.asked == []


def test_a_body_too_large_is_refused_by_its_announced_length(client: Client) -> None:
    status, told = ask(client.path, "POST", "/v1/unlock", b" " * 1_048_577)
    assert (status, told["error"]["code"]) == (413, "too_large")


def test_a_body_too_large_is_refused_by_what_came(
    serve: Serve, socket_path: Path, service: FakeService
) -> None:
    serve(limits=Limits(body_bytes=1000))
    with closing(Unix(socket_path)) as connection:
        pieces = (b" " * 200 for _ in range(20))
        chunked = {"transfer-encoding": "chunked"}
        connection.request("POST", "/v1/unlock", pieces, chunked, encode_chunked=True)
        response = connection.getresponse()
        assert response.status == 413
        assert json.loads(response.read())["error"]["code"] == "too_large"
    assert service.asked == []


def test_the_api_describes_itself(client: Client) -> None:
    status, told = ask(client.path, "GET", "/v1/openapi.json")
    assert status == 200
    assert told["openapi"].startswith("3.")
    lines = told["paths"]["/v1/enrolments"]["post"]["responses"]["200"]["content"]
    assert list(lines) == ["application/x-ndjson"]
