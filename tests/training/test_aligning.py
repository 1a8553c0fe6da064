"""A folder of pictures becomes a folder of crops: once, from where it stopped, and told truly."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance.errors import InputError, UsageError
from appliance.training import aligning
from appliance.training.aligned import FILE, Alignment, Settings, read_alignment
from appliance.training.aligning import (
    DEGENERATE,
    NO_FACE,
    SEVERAL_FACES,
    UNREADABLE,
    Bench,
    Made,
    Outcome,
    Task,
    align,
    check_folders,
    made,
)
from appliance.training.conventions import convention
from appliance.training.dataset import load
from appliance.training.embedding import Bench as EmbeddingBench
from appliance.training.embedding import vector
from appliance.types import Frame, Landmarks
from appliance.vision.alignment import OUTER_EYES_AND_NOSE_96
from tests import portraits
from tests.fakes import FakeClock

WAY = Settings(
    landmarks="outer_eyes_and_nose",
    size=96,
    detector="hog+face_detection",
    landmark_model="face_mesh",
)


def raw(root: Path, *names: str) -> Path:
    """Pictures whose content is their own name; of one whose name says so, no face."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name, encoding="utf-8")
    return root


class Bench4:
    """Work that takes a picture's content for a face, and notes what it was given."""

    def __init__(self, stop_at: int = 1000, then: BaseException | None = None) -> None:
        self.fresh: list[str] = []
        self._stop_at = stop_at
        self._then = then

    def __call__(self, tasks: Sequence[Task]) -> Iterator[Made]:
        for number, (path, known) in enumerate(tasks):
            if number == self._stop_at and self._then is not None:
                raise self._then
            content = path.read_bytes()
            now = hashlib.sha256(content).hexdigest()
            if known == now:
                yield Made(sha256=now)
                continue
            self.fresh.append(path.name)
            faceless = b"nobody" in content
            yield Made(None, now, NO_FACE) if faceless else Made(b"PNG" + content, now)


def run(
    folder: Path, target: Path, work: Callable[[Sequence[Task]], Iterator[Made]], **way: object
) -> Outcome:
    settings = Settings.model_validate({**WAY.model_dump(), **way})
    return align(load(folder), target, settings, work, lambda: None, FakeClock())


def files(folder: Path) -> list[str]:
    return sorted(str(it.relative_to(folder)) for it in folder.rglob("*") if it.is_file())


@pytest.fixture
def place(tmp_path: Path) -> Path:
    raw(tmp_path / "raw", "alice/1.jpg", "alice/2.jpg", "bob/1.png", "bob/nobody.png")
    return tmp_path


def test_crops_keep_the_folder_and_the_record_tells_all(place: Path) -> None:
    outcome = run(place / "raw", place / "out", Bench4())
    assert files(place / "out") == ["alice/1.png", "alice/2.png", FILE, "bob/1.png"]
    assert (place / "out/bob/1.png").read_bytes() == b"PNGbob/1.png"
    found = read_alignment(place / "out")
    assert found == outcome.alignment
    assert [(item.picture, item.crop) for item in found.crops][2] == ("bob/1.png", "bob/1.png")
    assert [(item.picture, item.why) for item in found.failed] == [("bob/nobody.png", NO_FACE)]
    assert (outcome.made, outcome.kept, outcome.left) == (3, 0, ())


def test_a_second_run_does_only_what_is_new(place: Path) -> None:
    run(place / "raw", place / "out", Bench4())
    raw(place / "raw", "carol/1.jpg")
    (place / "raw/alice/1.jpg").write_text("another picture of alice", encoding="utf-8")
    (place / "out/alice/2.png").unlink()
    (place / "raw/bob/1.png").unlink()
    work = Bench4()
    outcome = run(place / "raw", place / "out", work)
    # What failed is tried again; alice's 2 is made again since its crop is gone.
    assert work.fresh == ["1.jpg", "2.jpg", "nobody.png", "1.jpg"]
    assert (outcome.made, outcome.kept, outcome.left) == (3, 0, ("bob/1.png",))
    assert (place / "out/alice/1.png").read_bytes() == b"PNGanother picture of alice"
    assert [item.crop for item in read_alignment(place / "out").crops] == [
        "alice/1.png",
        "alice/2.png",
        "carol/1.png",
    ]
    assert (place / "out/bob/1.png").exists()  # nothing of the user's is deleted


def test_a_picture_that_lost_its_face_loses_its_crop(place: Path) -> None:
    run(place / "raw", place / "out", Bench4())
    (place / "raw/bob/1.png").write_text("nobody", encoding="utf-8")
    assert run(place / "raw", place / "out", Bench4()).alignment.pictures == 2
    assert not (place / "out/bob/1.png").exists()


def test_a_crop_that_now_belongs_to_another_picture_is_not_left_over(place: Path) -> None:
    run(place / "raw", place / "out", Bench4())
    (place / "raw/alice/1.jpg").rename(place / "raw/alice/1.png")
    outcome = run(place / "raw", place / "out", Bench4())
    assert (place / "out/alice/1.png").read_bytes() == b"PNGalice/1.jpg"
    assert outcome.left == ()  # it would be told that it may be deleted


def test_what_a_power_cut_left_empty_is_made_again(place: Path) -> None:
    run(place / "raw", place / "out", Bench4())
    (place / "out/alice/1.png").write_bytes(b"")
    assert run(place / "raw", place / "out", Bench4()).made == 1
    assert (place / "out/alice/1.png").read_bytes() == b"PNGalice/1.jpg"


def test_a_kill_before_the_first_record_is_no_obstacle(place: Path) -> None:
    raw(place / "out", ".0123456789abcdef.part")
    assert run(place / "raw", place / "out", Bench4()).made == 3


def test_what_is_made_is_its_owners_alone(place: Path) -> None:
    run(place / "raw", place / "out", Bench4())
    assert (place / "out").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("end", [KeyboardInterrupt(), SystemExit(143), InputError("no")])
def test_an_interrupted_run_goes_on_where_it_stopped(place: Path, end: BaseException) -> None:
    with pytest.raises(type(end)):
        run(place / "raw", place / "out", Bench4(stop_at=2, then=end))
    with pytest.raises(InputError, match="unfinished"):
        read_alignment(place / "out")
    work = Bench4()
    outcome = run(place / "raw", place / "out", work)
    assert work.fresh == ["1.png", "nobody.png"]
    assert (outcome.made, outcome.kept) == (1, 2)
    assert read_alignment(place / "out").pictures == 3


def test_the_record_is_kept_up_so_that_a_power_cut_costs_seconds(place: Path) -> None:
    clock = FakeClock()
    seen: list[int] = []

    def progress() -> None:
        record = json.loads((place / "out" / FILE).read_text(encoding="utf-8"))
        assert not record["complete"]
        seen.append(record["pictures"])
        clock.advance(3.0)

    align(load(place / "raw"), place / "out", WAY, Bench4(), progress, clock)
    assert seen == [0, 0, 3, 3]


def test_a_record_that_takes_long_is_written_less_often(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw(place / "raw", *(f"dave/{number}.jpg" for number in range(26)))
    clock = FakeClock()
    written: list[int] = []

    def slowly(_: Path, record: Alignment) -> None:
        written.append(record.pictures)
        clock.advance(2.0)

    monkeypatch.setattr(aligning, "write_alignment", slowly)
    align(load(place / "raw"), place / "out", WAY, Bench4(), lambda: clock.advance(3.0), clock)
    assert written == [0, 14, 28, 29]


def test_a_full_disk_is_told_and_what_was_done_stays(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if data == b"PNGbob/1.png":
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match=r"bob/1\.png cannot be written: no space left"):
        run(place / "raw", place / "out", Bench4())
    monkeypatch.undo()
    assert files(place / "out") == ["alice/1.png", "alice/2.png", FILE]
    assert run(place / "raw", place / "out", Bench4()).kept == 2


def test_crops_of_another_alignment_are_not_mixed_in(place: Path) -> None:
    run(place / "raw", place / "out", Bench4())
    before = (place / "out" / FILE).read_bytes()
    with pytest.raises(InputError, match="size 96 there, 112 here") as refused:
        run(place / "raw", place / "out", Bench4(), size=112)
    assert refused.value.code == "other_alignment"
    assert (place / "out" / FILE).read_bytes() == before


def test_a_folder_that_holds_something_else_stays_as_it_is(place: Path) -> None:
    raw(place / "out", "notes.txt")
    with pytest.raises(InputError, match=r"holds 'notes\.txt' but no alignment\.json"):
        run(place / "raw", place / "out", Bench4())
    with pytest.raises(InputError, match="is not a folder"):
        run(place / "raw", place / "out/notes.txt", Bench4())
    assert files(place / "out") == ["notes.txt"]


def test_two_pictures_never_share_a_crop(tmp_path: Path) -> None:
    names = ["a/x.bmp", "a/x.jpg", "a/x.jpg.jpg", "a/X.png", "b/x.jpg"]
    # As long as names may be: what tells two apart does not fit behind them.
    names += [
        f"c/{'n' * 251}.bmp",
        f"c/{'n' * 251}.jpg",
        f"c/{'é' * 125}.bmp",
        f"c/{'é' * 125}.jpg",
    ]
    outcome = run(raw(tmp_path / "raw", *names), tmp_path / "out", Bench4())
    crops = {item.picture: item.crop for item in outcome.alignment.crops}
    assert sorted(crops) == sorted(names)
    assert len({crop.casefold() for crop in crops.values()}) == len(names)
    assert all(
        (tmp_path / "out" / crop).read_bytes() == f"PNG{name}".encode()
        for name, crop in crops.items()
    )


@pytest.mark.parametrize(
    ("one", "other"), [("a", "a"), ("a", "a/b"), ("a/b", "a"), ("a", "b/../a")]
)
def test_neither_folder_lies_inside_the_other(tmp_path: Path, one: str, other: str) -> None:
    with pytest.raises(UsageError, match="inside the other"):
        check_folders(tmp_path / one, tmp_path / other)
    check_folders(tmp_path / "a", tmp_path / "ab")


def opened(path: Path) -> Frame:
    return Frame(portraits.read(path), 0.0, path.name)


def test_a_crop_becomes_the_very_vector_that_the_appliance_computes() -> None:
    path = portraits.FOLDER / "obama2.jpg"
    bench = Bench(portraits.acquisition(), convention(WAY), "largest")
    done = made(bench, (path, ""), opened)
    assert done.png is not None
    assert done.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert made(bench, (path, done.sha256), opened) == Made(sha256=done.sha256)
    crop = np.asarray(cv2.imdecode(np.frombuffer(done.png, np.uint8), cv2.IMREAD_COLOR), np.uint8)
    embedder = portraits.embedder("openface")
    found = vector(EmbeddingBench(embedder, 96), path, lambda _: Frame(crop, 0.0, "crop"))
    own = OUTER_EYES_AND_NOSE_96.crop(portraits.picture("obama2.jpg"), portraits.face("obama2.jpg"))
    assert np.array_equal(found, embedder.embed(own).vector)
    with pytest.raises(InputError, match="no crop of 112 x 112"):
        vector(EmbeddingBench(embedder, 112), path, lambda _: Frame(crop, 0.0, "crop"))


class Faces:
    """Stands for the acquisition: two faces, the larger one at the picture's rim."""

    def faces(self, bgr: object) -> list[Landmarks]:
        near, middle = np.zeros((2, 468, 3), np.float32)
        near[:, :2] = np.random.default_rng(1).uniform((0, 0), (60, 60), (468, 2))
        middle[:, :2] = np.random.default_rng(2).uniform((80, 80), (120, 120), (468, 2))
        return [Landmarks(near, 1.0), Landmarks(middle, 1.0)]


@pytest.mark.parametrize(("wanted", "x"), [("largest", 30), ("central", 100), ("only", None)])
def test_whom_a_picture_of_two_is_of(wanted: str, x: int | None) -> None:
    frame = Frame(np.zeros((200, 200, 3), np.uint8), 0.0, "x")
    bench = Bench(Faces(), convention(WAY), wanted)  # type: ignore[arg-type] # a stand-in
    found = bench.find(frame)
    if x is None:
        assert found == SEVERAL_FACES
    else:
        assert isinstance(found, Landmarks)
        assert found.box.centre[0] == pytest.approx(x, abs=2)


def test_a_face_whose_points_fall_into_one_fails_alone(tmp_path: Path) -> None:
    class Point:
        def faces(self, _: object) -> list[Landmarks]:
            return [Landmarks(np.full((468, 3), 50, np.float32), 1.0)]

    five = convention(Settings.model_validate({**WAY.model_dump(), "landmarks": "five_point"}))
    bench = Bench(Point(), five, "largest")  # type: ignore[arg-type] # a stand-in
    (tmp_path / "x.jpg").write_bytes(b"x")
    frame = Frame(np.zeros((100, 100, 3), np.uint8), 0.0, "x.jpg")
    done = made(bench, (tmp_path / "x.jpg", ""), lambda _: frame)
    assert (done.png, done.why) == (None, DEGENERATE)
    assert "fall into one point" in done.detail


def test_a_file_that_is_no_picture_fails_alone(tmp_path: Path) -> None:
    def refuse(path: Path) -> Frame:
        raise InputError(f"{path.name} is a damaged JPEG file.")

    bench = Bench(Faces(), convention(WAY), "largest")  # type: ignore[arg-type] # a stand-in
    (tmp_path / "x.jpg").write_bytes(b"x")
    done = made(bench, (tmp_path / "x.jpg", ""), refuse)
    assert (done.png, done.why, done.detail) == (None, UNREADABLE, "x.jpg is a damaged JPEG file.")
    assert made(bench, (tmp_path / "gone.jpg", ""), opened).why == UNREADABLE
    assert made(bench, (tmp_path / "x.jpg", ""), lambda _: None).why == UNREADABLE


def test_a_picture_is_cut_out_anew_only_where_its_content_is_another(tmp_path: Path) -> None:
    bench = Bench(Faces(), convention(WAY), "largest")  # type: ignore[arg-type] # a stand-in
    frame = Frame(np.zeros((200, 200, 3), np.uint8), 0.0, "x.jpg")
    path, looked = tmp_path / "x.jpg", list[Path]()

    def show(picture: Path) -> Frame:
        looked.append(picture)
        return frame

    path.write_bytes(b"one face")
    first = made(bench, (path, ""), show)
    assert first.png is not None
    assert made(bench, (path, first.sha256), show) == Made(sha256=first.sha256)
    path.write_bytes(b"another's")
    second = made(bench, (path, first.sha256), show)
    assert second.png is not None
    assert second.sha256 == hashlib.sha256(b"another's").hexdigest()
    assert looked == [path, path]
