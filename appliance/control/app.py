"""The API: requests become calls of the service, its answers and errors become HTTP.

Version 1 lives under /v1/ and describes itself at /v1/openapi.json. Streams are NDJSON, one event
a line. Who may ask what is decided before a request's body is read.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

import appliance
from appliance.control.authority import Act, Caller, Rulers
from appliance.control.desk import Desk, Lines
from appliance.control.limits import Limits
from appliance.control.refusals import TOO_LARGE, misread, of_http, refusal, too_large
from appliance.control.service import Service
from appliance.control.threads import foreseen
from appliance.control.words import (
    EnrolmentAsked,
    Kept,
    Line,
    Record,
    Records,
    Refusal,
    Reloaded,
    Status,
    TemplateSent,
    UnlockAsked,
    Unlocked,
    VerificationAsked,
)
from appliance.errors import InputError
from appliance.store.codec import decode_template
from appliance.store.names import check_name
from appliance.types import Template

_NOT_DONE = (400, 403, 404, 405, 409, 413, 422, 500, 503, 504)
_TOLD: dict[int | str, dict[str, Any]] = {status: {"model": Refusal} for status in _NOT_DONE}
# A stream's answer is NDJSON, its refusals are JSON like all others.
_REFUSED = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
_TOLD_OF_STREAMS: dict[int | str, dict[str, Any]] = {
    200: {"model": Line, "description": "One event a line."},
    **{status: {"description": "Refused", "content": _REFUSED} for status in _NOT_DONE},
}


def _guarded(desk: Desk) -> type[APIRoute]:
    """Routes that ask the desk before they read a body, and tell every error as the API does."""

    class Guarded(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            inner = super().get_route_handler()
            act, most = Act((self.openapi_extra or {})["x-act"]), desk.limits.body_bytes

            async def handler(request: Request) -> Response:
                try:
                    request.state.caller = await desk.admit(request, act)
                    return await inner(_with_bounded_body(request, most))
                except RequestValidationError as error:
                    return refusal(misread(error))
                except HTTPException as error:
                    return refusal(of_http(error.status_code, most))
                except Exception as error:  # noqa: BLE001 - the edge: a surprise is logged there
                    return refusal(foreseen(error))

            return handler

    return Guarded


def _with_bounded_body(request: Request, most: int) -> Request:
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > most:
        raise too_large(most)
    received = 0

    async def receive() -> Any:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > most:  # nothing else gets through the framework as it is
            raise HTTPException(TOO_LARGE)
        return message

    return Request(request.scope, receive)


def make_app(
    service: Service, known: Callable[[], Rulers], limits: Limits, now: Callable[[], float]
) -> tuple[FastAPI, Desk]:
    """The ASGI application, and the desk whose streams are closed before it ends.

    known: the numbers that roles are given by, asked anew for every request. Each scope's state
    must hold the `peer`.
    """
    desk = Desk(service, known, limits, now)
    app = FastAPI(
        title="Face-access appliance",
        version=appliance.__version__,
        summary="The running service, on its Unix socket.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.router.route_class = _guarded(desk)
    _tell(app, desk)
    _act(app, desk)
    _watch(app, desk)

    @app.exception_handler(HTTPException)
    async def unknown(_: Request, error: HTTPException) -> Response:
        told = refusal(of_http(error.status_code, limits.body_bytes))
        told.headers.update(error.headers or {})
        return told

    return app, desk


def _for(act: Act) -> dict[str, Any]:
    return {"openapi_extra": {"x-act": act.value}, "responses": _TOLD}


def _tell(app: FastAPI, desk: Desk) -> None:
    service = desk.service

    @app.get("/v1/status", **_for(Act.STATUS))
    async def status() -> Status:
        """How the service does."""
        return await desk.look(service.status)

    @app.get("/v1/openapi.json", include_in_schema=False, **_for(Act.STATUS))
    async def openapi() -> Response:
        return JSONResponse(app.openapi())

    @app.get("/v1/audit", **_for(Act.AUDIT))
    async def audit(count: Annotated[int, Query(ge=1, le=10_000)] = 20) -> Records:
        """The last records of the audit log, oldest first."""
        records = await desk.ask(lambda: service.audit_tail(count))
        return Records(
            records=tuple(
                Record(
                    number=record.number,
                    at=record.at,
                    event=record.event,
                    subject=record.subject,
                    detail=dict(record.detail),
                )
                for record in records
            )
        )


def _act(app: FastAPI, desk: Desk) -> None:
    service = desk.service

    @app.post("/v1/unlock", **_for(Act.UNLOCK))
    async def unlock(asked: UnlockAsked, request: Request) -> Unlocked:
        """Release the door for one pulse. Audited before."""
        by: Caller = request.state.caller
        return await desk.ask(lambda: service.unlock(asked.reason, by))

    @app.post("/v1/reload", **_for(Act.RELOAD))
    async def reload(request: Request) -> Reloaded:
        """Read the config anew, as on SIGHUP. A bad one is refused and the old one stays."""
        by: Caller = request.state.caller
        return await desk.ask(lambda: service.reload(by))

    @app.put("/v1/people/{name}/template", **_for(Act.KEEP))
    async def keep(name: str, sent: TemplateSent, request: Request) -> Kept:
        """Keep a template that was made from pictures."""
        by: Caller = request.state.caller
        checked, template = check_name(name), _opened(sent)
        handicap, replace = sent.handicap, sent.replace
        return await desk.ask(
            lambda: service.keep_template(
                checked, template, handicap=handicap, replace=replace, by=by
            )
        )


def _opened(sent: TemplateSent) -> Template:
    try:
        blob = base64.b64decode(sent.template, validate=True)
    except (binascii.Error, ValueError):
        raise InputError("The template is not base64.", code="bad_template") from None
    return decode_template(blob, model=sent.model, fingerprint=sent.fingerprint)


def _watch(app: FastAPI, desk: Desk) -> None:
    service, limits = desk.service, desk.limits

    def streamed(act: Act) -> dict[str, Any]:
        return {**_for(act), "responses": _TOLD_OF_STREAMS, "response_class": Lines}

    @app.post("/v1/verifications", response_model=None, **streamed(Act.VERIFY))
    async def verify(asked: VerificationAsked, request: Request) -> Response:
        """Tell whether the person at the camera is the one of this name."""
        name, by = check_name(asked.name), request.state.caller
        return await desk.stream(
            lambda: service.verify(name, unlock=False, by=by), by, limits.job_s
        )

    @app.post("/v1/attempts", response_model=None, **streamed(Act.ATTEMPT))
    async def attempt(asked: VerificationAsked, request: Request) -> Response:
        """Let the person at the camera in, if it is the one of this name."""
        name, by = check_name(asked.name), request.state.caller
        return await desk.stream(lambda: service.verify(name, unlock=True, by=by), by, limits.job_s)

    @app.post("/v1/enrolments", response_model=None, **streamed(Act.ENROL))
    async def enrol(asked: EnrolmentAsked, request: Request) -> Response:
        """Guide the person at the camera and keep a template."""
        name, replace, by = check_name(asked.name), asked.replace, request.state.caller
        return await desk.stream(
            lambda: service.enrol(name, replace=replace, by=by), by, limits.job_s
        )

    @app.get("/v1/events", response_model=None, **streamed(Act.WATCH))
    async def events(request: Request) -> Response:
        """What happens at the door from now on, for at most an hour."""
        return await desk.stream(service.events, request.state.caller, limits.listen_s)
