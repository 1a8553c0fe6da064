"""Errors as HTTP tells them: one body for all, a status, and nothing of what was sent."""

from __future__ import annotations

from fastapi import Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from appliance.control.words import ErrorTold, Refusal
from appliance.errors import ApplianceError, ExitCode, InputError, UsageError
from appliance.yaml_dialect import name_of, shortened

_STATUS = {
    ExitCode.NO: 403,
    ExitCode.USAGE: 400,
    ExitCode.BAD_DATA: 422,
    ExitCode.HARDWARE: 503,
    ExitCode.UNREACHABLE: 503,
}
# Where a code says more than its class. 409: it is so already, or just now.
_STATUS_OF_CODE = {
    "already_enrolled": 409,
    "device_busy": 409,
    "too_large": 413,
    "no_answer": 504,
    "unknown_path": 404,
    "unknown_method": 405,
}
_MOST_FAULTS = 10
TOO_LARGE = 413


def told(error: ApplianceError) -> ErrorTold:
    """The error in the API's words."""
    return ErrorTold(
        code=error.code, message=error.message, hint=error.hint, exit_code=int(error.exit_code)
    )


def refusal(error: ApplianceError) -> Response:
    """The answer that tells it."""
    status = _STATUS_OF_CODE.get(error.code) or _STATUS.get(error.exit_code, 500)
    return JSONResponse(Refusal(error=told(error)).model_dump(), status_code=status)


def too_large(most: int) -> ApplianceError:
    """A body beyond what is read."""
    return InputError(
        f"The request is larger than {most} bytes.", hint="Send less.", code="too_large"
    )


def misread(error: RequestValidationError) -> ApplianceError:
    """What is wrong with a request, without repeating what it held."""
    faults = [
        f"{'.'.join(shortened(name_of(str(part)), 40) for part in item['loc'])}: {item['msg']}"
        for item in error.errors()[:_MOST_FAULTS]
    ]
    return InputError(
        f"The request cannot be understood: {'; '.join(faults)}.",
        hint="GET /v1/openapi.json describes every request.",
        code="bad_request",
    )


def of_http(status: int, most: int) -> ApplianceError:
    """What the framework found wrong, by its status. most: bytes of a body."""
    if status == TOO_LARGE:
        return too_large(most)
    if status == 404:
        return UsageError(
            "The service knows nothing of this path.",
            hint="GET /v1/openapi.json lists all paths.",
            code="unknown_path",
        )
    if status == 405:
        return UsageError(
            "The service does not do this with this path.",
            hint="GET /v1/openapi.json lists what it does.",
            code="unknown_method",
        )
    return UsageError("The request cannot be understood.", code="bad_request")
