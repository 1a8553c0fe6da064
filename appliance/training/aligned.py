"""A folder of aligned faces: ALIGNED/NAME/STEM.png, and alignment.json that says how they sit.

Crops that are aligned in another way than a network was trained on give vectors that mean
nothing, and no error. So the way is recorded beside the crops, and whoever embeds them asks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from appliance.errors import InputError
from appliance.training.files import read, replace_json

FILE = "alignment.json"

LandmarkSet = Literal["outer_eyes_and_nose", "inner_eyes_and_bottom_lip", "five_point"]

ALIGN = "Make it with `appliance dataset align RAW ALIGNED`."
AGAIN = "Run `appliance dataset align RAW ALIGNED` again."

# What finds the points, and what it adds to the name of an alignment in the manifest.
MESH, DLIB_5, DLIB_68 = "face_mesh", "landmarks5", "landmarks68"
_SUFFIXES: Mapping[str, str] = {MESH: "", DLIB_5: "_dlib5", DLIB_68: "_dlib68"}


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Failed(_Kept):
    """A picture without a crop. why: a word for scripts; detail: a sentence where one helps."""

    picture: str
    why: str
    detail: str = ""


class Crop(_Kept):
    """A crop and where it came from. sha256: of the picture's file."""

    picture: str
    crop: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @property
    def person(self) -> str:
        """Whose face it is."""
        return self.crop.split("/")[0]


class Settings(_Kept):
    """How the faces of a folder were found and aligned.

    size: pixels a side. detector: what found the faces. face: which one of several is taken.
    landmark_model: what found the points, and landmark_sha256 its file's sum.
    """

    landmarks: LandmarkSet
    size: int = Field(ge=16, le=1024)
    detector: str
    landmark_model: Literal["face_mesh", "landmarks5", "landmarks68"]
    landmark_sha256: str = Field("", pattern=r"^([0-9a-f]{64})?$")
    face: Literal["largest", "central", "only"] = "largest"

    @property
    def name(self) -> str:
        """What the manifest of the models calls this alignment: `outer_eyes_and_nose_96`."""
        return f"{self.landmarks}_{self.size}{_SUFFIXES[self.landmark_model]}"


class Alignment(Settings):
    """alignment.json. complete: False while pictures are left to do, such as after Ctrl-C.

    crops: sorted as a data set is; what lies beside them unnamed is nobody's. failed: pictures
    of the raw folder without a crop.
    """

    format: Literal[1] = 1
    complete: bool = True
    crops: tuple[Crop, ...] = ()
    failed: tuple[Failed, ...] = ()

    @property
    def pictures(self) -> int:
        """How many crops there are."""
        return len(self.crops)

    @property
    def settings(self) -> Settings:
        """The way of aligning alone."""
        return Settings.model_validate(self.model_dump(include=set(Settings.model_fields)))

    def to_json(self) -> dict[str, Any]:
        """As it is written."""
        data: dict[str, Any] = self.model_dump(mode="json")
        crops = data.pop("crops")
        return {"format": data.pop("format"), **data, "pictures": len(crops), "crops": crops}


@dataclass(frozen=True)
class Shown:
    """One crop that is there. label: 1 for the first person, by name."""

    path: Path
    person: str
    label: int
    picture: str = field(default="", compare=False)


def read_alignment(folder: Path, *, unfinished: bool = False) -> Alignment:
    """How the crops of a folder are aligned, and which they are.

    InputError when there is no record, when it cannot be understood, or, without `unfinished`,
    when pictures are left to do.
    """
    path = folder / FILE
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder.", hint=ALIGN)
    if not path.exists():
        raise InputError(
            f"{folder} holds no {FILE}, so nobody knows how its pictures are aligned.",
            hint=ALIGN,
            code="no_alignment",
        )
    try:
        found = Alignment.model_validate(json.loads(read(path)))
    except (ValueError, RecursionError) as error:  # pydantic's is a ValueError too
        raise InputError(f"{path} cannot be understood: {_fault(error)}.", hint=AGAIN) from error
    for crop in found.crops:
        _check_place(path, crop)
    if not (found.complete or unfinished):
        raise InputError(
            f"{folder} is unfinished: aligning it was interrupted.",
            hint=f"{AGAIN} It goes on where it stopped.",
            code="unfinished",
        )
    return found


def write_alignment(folder: Path, alignment: Alignment) -> None:
    """Put the record beside the crops. Raises InputError."""
    replace_json(folder / FILE, alignment.to_json())


def shown(folder: Path, alignment: Alignment) -> list[Shown]:
    """The crops of the record that are there, people and crops in order.

    Somebody may have looked them through and deleted the bad ones; then people without any are
    left out.
    """
    there = [item for item in alignment.crops if (folder / item.crop).is_file()]
    labels = {name: at for at, name in enumerate(sorted({it.person for it in there}), start=1)}
    ordered = sorted(there, key=lambda item: (item.person, item.crop))
    return [
        Shown(folder / item.crop, item.person, labels[item.person], item.picture)
        for item in ordered
    ]


def _check_place(path: Path, crop: Crop) -> None:
    """A record that was tampered with must not lead anywhere else."""
    parts = crop.crop.split("/")
    if len(parts) != 2 or any(part in {"", ".", ".."} or "\0" in part for part in parts):
        raise InputError(
            f"{path} names a crop that is not in a person's folder: {crop.crop!r}.", hint=AGAIN
        )


def _fault(error: ValueError | RecursionError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'it'}: {first['msg']}"
