"""The keeper's PIN: getting in when the camera cannot help. Pure."""

from __future__ import annotations

from typing import Final

from appliance.types import Claim

# The event of the audit record that is written before such a door opens.
AUDIT_EVENT: Final = "keeper_unlock"


def obstacle(claim: Claim, *, keeper: bool, camera_degraded: bool) -> str | None:
    """Why this claim does not open the door by its PIN alone; None when it does.

    keeper: whether the person's permission says so. camera_degraded: whether the appliance is
    in the declared state in which it sees nothing. It is an authenticated unlock like that over
    the socket: whoever calls asks the person's permission (schedule, expiry) and the lock-out
    as for an attempt, records it as AUDIT_EVENT, and then grants. While the camera works, a
    keeper shows a face like everybody else.
    """
    if not camera_degraded:
        return "The camera works: a face is needed."
    if not claim.pin:
        return "A PIN is needed while the camera does not work."
    if not keeper:
        return "Only a keeper is let in while the camera does not work."
    return None
