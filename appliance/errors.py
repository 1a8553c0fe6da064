"""One error tree. Each class carries its exit code; each instance one sentence and a hint.

The message says what happened and where; the hint says how to mend it. The command line
prints both and leaves with `exit_code`; a traceback is kept for what is not in this tree.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The process exit codes that scripts may rely on."""

    OK = 0
    NO = 1
    USAGE = 2
    BAD_DATA = 3
    HARDWARE = 4
    UNREACHABLE = 5
    BUG = 70


class ApplianceError(Exception):
    """Something that a person can mend, told in one sentence with a hint.

    `code` is a stable snake_case word for scripts.
    """

    exit_code: ExitCode = ExitCode.BUG
    default_code = "internal"

    def __init__(self, message: str, *, hint: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or self.default_code


class UsageError(ApplianceError):
    """The command was called in a way that cannot be meant."""

    exit_code = ExitCode.USAGE
    default_code = "usage"


class BadDataError(ApplianceError):
    """What was given or stored cannot be used: input, config, model or data."""

    exit_code = ExitCode.BAD_DATA
    default_code = "bad_data"


class ConfigError(BadDataError):
    """config.yaml holds faults; the message lists every one of them."""

    default_code = "bad_config"


class InputError(BadDataError):
    """A picture, folder, video or name that cannot be used."""

    default_code = "bad_input"


class ModelError(BadDataError):
    """A model file is missing, changed, or does not fit what it is used for."""

    default_code = "bad_model"


class StoreError(BadDataError):
    """The database or its key cannot be used; nothing was lost or overwritten."""

    default_code = "store"


class HardwareError(ApplianceError):
    """A device is missing, not permitted, or fails."""

    exit_code = ExitCode.HARDWARE
    default_code = "hardware"


class CameraError(HardwareError):
    """The camera cannot be opened or stopped delivering pictures."""

    default_code = "camera"


class LockError(HardwareError):
    """The lock's line cannot be claimed or driven."""

    default_code = "lock"


class DeviceBusyError(HardwareError):
    """Another process of the appliance holds the devices."""

    default_code = "device_busy"


class DaemonUnreachableError(ApplianceError):
    """No daemon answers on the control socket."""

    exit_code = ExitCode.UNREACHABLE
    default_code = "daemon_unreachable"


class NotPermittedError(ApplianceError):
    """The running service does not do this for this user: a clean no."""

    exit_code = ExitCode.NO
    default_code = "not_permitted"


class IllegalEventError(ApplianceError):
    """A state machine was told what cannot happen in its state: a bug. Nothing has changed."""

    default_code = "illegal_event"
