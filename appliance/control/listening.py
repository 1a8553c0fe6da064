"""The Unix socket that the service listens on: made whole before anybody sees it."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from pathlib import Path

from appliance.control.peers import group_number
from appliance.errors import ConfigError, DeviceBusyError

# What the kernel takes, less the zero at its end (unix(7)).
_LONGEST_PATH = 107
BACKLOG = 16
_OURS_AND_THE_GROUPS, _OURS = 0o660, 0o600


class Listener:
    """A listening socket at `path`, for the members of `group` and the owner.

    Made under another name with its final owner and mode, and then renamed: nobody finds it
    half made, and an old one of a service that was killed is replaced in one step. Raises
    ConfigError where the path cannot be used, DeviceBusyError where another service answers.

    shared: the group may connect; False where there is no such group, or where this user may not
    give files to it.
    """

    def __init__(self, path: Path, group: str) -> None:
        self.path = path
        _refuse_what_is_there(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            self.shared = self._make(made, group)
            made.replace(path)
        except OSError as error:
            self.socket.close()
            with contextlib.suppress(OSError):
                made.unlink()
            raise _unusable(path, error) from error
        self._identity = _identity(path)

    def _make(self, made: Path, group: str) -> bool:
        if len(os.fsencode(made)) > _LONGEST_PATH:
            raise OSError(None, "the path is too long for a socket")
        made.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            made.unlink()
        self.socket.bind(os.fspath(made))
        shared = _given(made, group)
        # Nobody can connect before it listens.
        made.chmod(_OURS_AND_THE_GROUPS if shared else _OURS)
        self.socket.listen(BACKLOG)
        self.socket.setblocking(False)
        return shared

    def remove(self) -> None:
        """Take the file away, unless another service has put its own in its place meanwhile."""
        with contextlib.suppress(OSError):
            if _identity(self.path) == self._identity:
                self.path.unlink()


def _given(made: Path, group: str) -> bool:
    number = group_number(group)
    if number is None:
        return False
    if made.lstat().st_gid == number:
        # As the service runs in that group; its unit lets it give nothing away.
        return True
    try:
        os.chown(made, -1, number)
    except PermissionError:
        return False
    return True


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino


def _refuse_what_is_there(path: Path) -> None:
    """A socket that nobody serves may be replaced, and nothing else."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unusable(path, error) from error
    if not stat.S_ISSOCK(mode):
        raise ConfigError(
            f"{path} exists and is no socket, so the service cannot listen there.",
            hint="Set control.socket to a path of its own, such as /run/appliance/control.sock.",
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            return  # left behind by a service that was killed
        except OSError as error:
            raise _unusable(path, error) from error
    raise DeviceBusyError(
        f"Another service answers on {path}.",
        hint="Stop it first (`systemctl stop appliance`), or set control.socket to another path.",
    )


def _unusable(path: Path, error: OSError) -> ConfigError:
    reason = (error.strerror or str(error)).lower()
    return ConfigError(
        f"The service cannot listen on {path}: {reason}.",
        hint="control.socket must lie in a folder that the service's user may write, and be "
        f"shorter than {_LONGEST_PATH - 20} bytes.",
    )
