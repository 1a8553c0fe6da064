"""PyTorch, loaded when it is first needed and told in one sentence where it is not there."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from appliance.errors import InputError


def require_pytorch() -> None:
    """InputError `missing_library` where PyTorch is not installed; it is not loaded yet."""
    if find_spec("torch") is None:
        raise _missing()


def pytorch() -> Any:
    """The module `torch`. InputError `missing_library` where it is not installed.

    Any, for it need not be installed where types are checked.
    """
    try:
        import torch
    except ImportError:
        raise _missing() from None
    except OSError as error:  # one of its own libraries is not there, or is for another machine
        raise InputError(
            f"PyTorch is installed and cannot be loaded: {error}.",
            hint="Install it anew, with the wheel for this machine.",
            code="missing_library",
        ) from None
    return torch


def _missing() -> InputError:
    return InputError(
        "This training needs PyTorch, which is not installed.",
        hint="pip install 'face-access-appliance[train]', on a desk rather than on the door.",
        code="missing_library",
    )
