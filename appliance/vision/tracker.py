"""Following one face from frame to frame: the mesh is cheaper than a detector."""

from __future__ import annotations

from appliance.ports import LandmarkModel
from appliance.types import Landmarks, Pixels
from appliance.vision.mesh import region_of_landmarks

# Below this presence the face is lost. Higher than for acquisition: a track that has slid off
# the face is worse than one more run of the detector.
PRESENCE = 0.7
# A face moves less than this between two frames; a jump means that the mesh found another one.
SAME_FACE = 0.3


def follow(mesh: LandmarkModel, bgr: Pixels, before: Landmarks) -> Landmarks | None:
    """The same face in the next frame, or None when it is lost."""
    now = mesh.locate(bgr, region_of_landmarks(before))
    # Written so that a NaN is a lost face.
    kept = now.presence >= PRESENCE and now.box.overlap(before.box) >= SAME_FACE
    return now if kept else None
