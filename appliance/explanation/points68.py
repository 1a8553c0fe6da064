"""The 68 points of the iBUG 300-W annotation, read off the 468 of the face mesh.

Sagonas et al., "300 Faces in-the-Wild Challenge: The first facial landmark localization challenge",
ICCV Workshops 2013. The mesh has a point at or near each of them, so they can be shown, and counted
as OpenFace counts them, without dlib's predictor, whose training pictures exclude commercial use.
The jaw is the loosest part: the mesh's outline is the solid head's, 300-W's is what is seen of it.
On 300 pictures of 300 people (Labeled Faces in the Wild) the median gap to dlib's 68 points was
0.044 eye distances within the face and 0.095 along the jaw.
"""

from __future__ import annotations

from types import MappingProxyType

from appliance.types import Floats, Landmarks

# Point number in 300-W (from 0) → point of the mesh; left and right as seen in the picture.
MESH_OF_68 = (
    # jaw, from the left ear over the chin to the right ear
    *(127, 234, 93, 215, 172, 136, 149, 148, 152, 377, 378, 365, 397, 435, 323, 454, 356),
    # left brow, right brow, from left to right
    *(70, 63, 105, 66, 107),
    *(336, 296, 334, 293, 300),
    # bridge of the nose, downwards; its base, from left to right
    *(168, 197, 5, 4),
    *(75, 97, 2, 326, 305),
    # left eye, right eye: left corner, over the upper lid, right corner, back under it
    *(33, 160, 158, 133, 153, 144),
    *(362, 385, 387, 263, 373, 380),
    # mouth: left corner, over the upper lip, right corner, back under the lower; then the inside
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    *(78, 82, 13, 312, 308, 317, 14, 87),
)

# Which points are joined to what is drawn; True: the line is closed.
LINES = MappingProxyType(
    {
        "jaw": (range(17), False),
        "left brow": (range(17, 22), False),
        "right brow": (range(22, 27), False),
        "bridge of the nose": (range(27, 31), False),
        "base of the nose": (range(31, 36), False),
        "left eye": (range(36, 42), True),
        "right eye": (range(42, 48), True),
        "outer lips": (range(48, 60), True),
        "inner lips": (range(60, 68), True),
    }
)


def of_mesh(landmarks: Landmarks) -> Floats:
    """(68, 2) float32, in frame pixels, in 300-W's order."""
    return landmarks.points[list(MESH_OF_68), :2]
