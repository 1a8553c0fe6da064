"""What an evaluation keeps between runs: found again unchanged, never trusted, never in the way."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from appliance.config import Config
from appliance.errors import InputError
from appliance.evaluation import cache as caching
from appliance.evaluation import embed as embedding
from appliance.evaluation import fingerprints, workers
from appliance.evaluation.cache import Cache, default_folder
from appliance.evaluation.embed import Embedded, Found, embed_all, embed_frame, find
from appliance.evaluation.fingerprints import AROUND, Keys, keys
from appliance.evaluation.workers import Workers
from appliance.perception import Perception
from appliance.ports import Camera
from appliance.vision.manifest import Manifest, load
from tests.conftest import ROOT
from tests.test_architecture import inside, read
from tests.toys import ALICE, BOB, Toy, ToyCamera, scene, toy_perception

KEYS = Keys("f" * 32, "a" * 32)
SEEN, POOR, EMPTY = scene(0.0, Toy(ALICE)), scene(0.0, Toy(BOB, sharp=False)), scene(0.0)
Facts = dict[bytes, tuple[Found, Embedded]]


@pytest.fixture(scope="module")
def facts() -> Facts:
    """What became of three pictures: a good face, a blurred one, none; and of a broken file."""
    perception = toy_perception()
    found: Facts = {
        bytes([number]) * 32: (find(perception, frame), embed_frame(perception, frame))
        for number, frame in enumerate((SEEN, POOR, EMPTY))
    }
    return found | {b"x" * 32: (Found(None, "no_picture"), Embedded(None, "no_picture"))}


@pytest.fixture
def said() -> list[str]:
    return []


def kept(folder: Path, facts: Facts, said: list[str], made: Keys = KEYS) -> Cache:
    cache = Cache(folder, made, said.append)
    for digest, (found, embedded) in facts.items():
        cache.keep(digest, found, embedded)
    cache.flush()
    return cache


def same_face(one: Found | None, other: Found | None) -> bool:
    if one is None or other is None or one.fault != other.fault:
        return False
    if one.landmarks is None or other.landmarks is None:
        return one.landmarks is other.landmarks
    equal = np.array_equal(one.landmarks.points, other.landmarks.points)
    return equal and one.landmarks.presence == other.landmarks.presence


def same_outcome(one: Embedded | None, other: Embedded | None) -> bool:
    if one is None or other is None or (one.fault, one.quality) != (other.fault, other.quality):
        return False
    if one.vector is None or other.vector is None:
        return one.vector is other.vector
    return one.vector.dtype == other.vector.dtype and np.array_equal(one.vector, other.vector)


def knows(cache: Cache, facts: Facts) -> bool:
    return all(
        same_face(cache.found(digest), found) and same_outcome(cache.embedded(digest), embedded)
        for digest, (found, embedded) in facts.items()
    )


def packs(folder: Path, layer: str = "*") -> list[Path]:
    return sorted(folder.glob(f"embeddings/{layer}-*/*.npz"))


def test_a_second_run_finds_exactly_what_the_first_one_kept(
    tmp_path: Path, facts: Facts, said: list[str]
) -> None:
    kept(tmp_path, facts, said)
    again = Cache(tmp_path, KEYS, said.append)
    assert knows(again, facts)
    assert again.embedded(b"?" * 32) is None
    assert again.found(b"?" * 32) is None
    assert said == []


def test_another_model_shares_the_faces_and_nothing_else(
    tmp_path: Path, facts: Facts, said: list[str]
) -> None:
    kept(tmp_path, facts, said)
    other = Cache(tmp_path, Keys(KEYS.faces, "b" * 32), said.append)
    for digest, (found, embedded) in facts.items():
        assert same_face(other.found(digest), found)
        assert other.embedded(digest) is None
        other.keep(digest, found, embedded)
    other.flush()
    # The faces are there once.
    assert (len(packs(tmp_path, "faces")), len(packs(tmp_path, "vectors"))) == (1, 2)


def test_other_faces_are_other_vectors_too(tmp_path: Path, facts: Facts, said: list[str]) -> None:
    kept(tmp_path, facts, said)
    other = Cache(tmp_path, Keys("e" * 32, "b" * 32), said.append)
    assert all(other.found(digest) is None for digest in facts)


def test_runs_at_the_same_time_do_not_lose_each_others_pictures(
    tmp_path: Path, facts: Facts, said: list[str]
) -> None:
    one, other = (Cache(tmp_path, KEYS, said.append) for _ in range(2))
    halves = list(facts.items())
    for cache, half in ((one, halves[:2]), (other, halves[1:])):
        for digest, (found, embedded) in half:
            cache.keep(digest, found, embedded)
    one.flush()
    other.flush()
    assert knows(Cache(tmp_path, KEYS, said.append), facts)


def test_nobody_else_may_look_in(tmp_path: Path, facts: Facts, said: list[str]) -> None:
    kept(tmp_path / "new", facts, said)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "new").rglob("*") if path.is_dir()}
    assert modes == {0o700}
    assert {path.stat().st_mode & 0o777 for path in packs(tmp_path / "new")} == {0o600}


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _text(path: Path) -> None:
    path.write_text("no pack at all", encoding="utf-8")


def _array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def _objects(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, digest=np.array([{"a": 1}], object))


def _of_another_shape(path: Path) -> None:
    with np.load(path) as pack:
        columns = {name: pack[name] for name in pack.files}
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **{**columns, "digest": columns["digest"][:1]})


def _not_of_length_one(path: Path) -> None:
    with np.load(path) as pack:
        columns = {name: pack[name] for name in pack.files}
    name = "vector" if "vector" in columns else "points"
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **{**columns, name: columns[name] * np.float32(np.nan)})


@pytest.mark.parametrize("layer", ["faces", "vectors"])
@pytest.mark.parametrize(
    "damage",
    [_cut, _flip, _empty, _text, _array, _objects, _of_another_shape, _not_of_length_one],
)
def test_what_is_damaged_is_thrown_away_with_a_sentence(
    tmp_path: Path, facts: Facts, said: list[str], layer: str, damage: Callable[[Path], None]
) -> None:
    kept(tmp_path, facts, said)
    (pack,) = packs(tmp_path, layer)
    damage(pack)
    again = Cache(tmp_path, KEYS, said.append)
    for digest in facts:
        assert (again.found(digest) is None) is (layer == "faces")
        assert (again.embedded(digest) is None) is (layer == "vectors")
    assert not pack.exists()
    (sentence,) = said
    assert sentence.startswith(f"The cache file {pack} is damaged")
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_a_pack_that_vanishes_is_no_damage(
    tmp_path: Path, facts: Facts, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(tmp_path, facts, said)

    def gone(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "another run has made room")

    monkeypatch.setattr(np, "load", gone)
    assert Cache(tmp_path, KEYS, said.append).embedded(b"x" * 32) is None
    assert said == []


def test_where_there_is_no_room_nothing_is_kept_and_one_sentence_says_so(
    tmp_path: Path, facts: Facts, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    kept(tmp_path, facts, said)
    assert packs(tmp_path) == []
    assert list(tmp_path.rglob("*.draft")) == []
    (sentence,) = said
    assert sentence.startswith("Nothing is kept for the next run")
    assert "no space left" in sentence


@pytest.mark.parametrize("mode", [0o777, 0o720])
def test_a_folder_that_others_may_write_is_not_trusted(
    tmp_path: Path, facts: Facts, said: list[str], mode: int
) -> None:
    kept(tmp_path, facts, said)
    (tmp_path / "embeddings").chmod(mode)
    again = Cache(tmp_path, KEYS, said.append)
    assert all(again.embedded(digest) is None for digest in facts)
    (sentence,) = said
    assert "may be written by others" in sentence


def test_a_file_in_the_folders_place_is_no_cache(
    tmp_path: Path, facts: Facts, said: list[str]
) -> None:
    (tmp_path / "embeddings").write_text("mine", encoding="utf-8")
    kept(tmp_path, facts, said)
    assert len(said) == 1
    assert (tmp_path / "embeddings").read_text(encoding="utf-8") == "mine"


def test_a_link_in_the_folders_place_is_not_followed(
    tmp_path: Path, facts: Facts, said: list[str]
) -> None:
    (elsewhere := tmp_path / "elsewhere").mkdir()
    (tmp_path / "embeddings").symlink_to(elsewhere)
    kept(tmp_path, facts, said)
    assert len(said) == 1
    assert list(elsewhere.iterdir()) == []


def test_what_was_not_used_for_the_longest_time_makes_room(
    tmp_path: Path, facts: Facts, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (Keys(name * 32, name * 32) for name in "123")
    kept(tmp_path, facts, said, first)
    kept(tmp_path, facts, said, second)
    now = time.time()
    for pack in packs(tmp_path):
        # The first run's packs are the older ones, but have been read since.
        age = 50 if "1" * 32 in str(pack) else 40
        os.utime(pack, (now - age, now - age))
    assert knows(Cache(tmp_path, first, said.append), facts)
    size = sum(pack.stat().st_size for pack in packs(tmp_path))
    monkeypatch.setattr(caching, "MAX_BYTES", size)
    kept(tmp_path, facts, said, third)
    assert {pack.parent.name[-1] for pack in packs(tmp_path)} == {"1", "3"}
    assert knows(Cache(tmp_path, first, said.append), facts)
    assert said == []


def test_drafts_of_runs_that_were_killed_are_cleared_away_and_young_ones_left(
    tmp_path: Path, facts: Facts, said: list[str]
) -> None:
    place = tmp_path / "embeddings" / f"faces-{KEYS.faces}"
    place.mkdir(mode=0o700, parents=True)
    old, young = place / "old.draft", place / "young.draft"
    for draft in (old, young):
        draft.touch()
    os.utime(old, (0, 0))
    kept(tmp_path, facts, said)
    assert (old.exists(), young.exists()) == (False, True)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_CACHE_HOME": "/c", "HOME": "/h"}, "/c/face-access"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/h"}, "/h/.cache/face-access"),
        ({"HOME": "/h"}, "/h/.cache/face-access"),
        ({"HOME": ""}, None),
        ({}, None),
    ],
)
def test_the_users_own_cache_folder(environ: dict[str, str], expected: str | None) -> None:
    found = default_folder(environ)
    assert (None if found is None else str(found)) == expected


# --- the pictures that go to the workers --------------------------------------------------


SCENES = {b"alice": SEEN, b"poor": POOR, b"empty": EMPTY}


def toy_camera(path: Path) -> Camera:
    """Shows the scene that the file's content names."""
    content = path.read_bytes()
    if content not in SCENES:
        raise InputError(f"{path} is no picture.", code="no_picture")
    return ToyCamera([SCENES[content]])


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Workers in this process, and the names of the pictures that they were handed."""
    handed: list[str] = []

    def each(
        function: Callable[[tuple[Path, Found | None]], object],
        tasks: Sequence[tuple[Path, Found | None]],
        crew: Workers,
    ) -> Iterator[object]:
        if not tasks:
            return
        workers._begin(crew.build, crew.open_picture)
        for task in tasks:
            handed.append(f"{task[0].name}{'' if task[1] is None else ' with its face'}")
            yield function(task)

    monkeypatch.setattr(embedding, "each", each)
    return handed


def album(folder: Path, **contents: bytes) -> list[Path]:
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def run(paths: list[Path], cache: Cache | None) -> list[Embedded]:
    found = embed_all(paths, Workers(toy_perception, toy_camera), lambda: None, cache)
    if cache:
        cache.flush()
    return found


def test_cold_warm_and_without_a_cache_all_agree(
    tmp_path: Path, said: list[str], opened: list[str]
) -> None:
    paths = album(tmp_path, a=b"alice", b=b"poor", c=b"empty", d=b"broken")
    without = run(paths, None)
    cold = run(paths, Cache(tmp_path / "cache", KEYS, said.append))
    assert opened == ["a", "b", "c", "d"] * 2
    opened.clear()
    warm = run(paths, Cache(tmp_path / "cache", KEYS, said.append))
    assert opened == []
    assert [item.fault for item in warm] == [None, "blurred", "no_face", "no_picture"]
    for one, other, third in zip(without, cold, warm, strict=True):
        assert same_outcome(one, other)
        assert same_outcome(one, third)
    assert said == []


def test_only_what_is_new_goes_to_the_workers(
    tmp_path: Path, said: list[str], opened: list[str]
) -> None:
    (first, *_) = album(tmp_path, a=b"alice", b=b"poor")
    run([first], Cache(tmp_path / "cache", KEYS, said.append))
    first.rename(tmp_path / "moved")  # a picture is known by its content, wherever it lies
    opened.clear()
    found = run([tmp_path / "b", tmp_path / "moved"], Cache(tmp_path / "cache", KEYS, said.append))
    assert opened == ["b"]
    assert [item.fault for item in found] == ["blurred", None]
    (tmp_path / "moved").write_bytes(b"empty")
    opened.clear()
    (found_now,) = run([tmp_path / "moved"], Cache(tmp_path / "cache", KEYS, said.append))
    assert (opened, found_now.fault) == (["moved"], "no_face")


def test_another_model_gets_the_faces_handed_to_it(
    tmp_path: Path, said: list[str], opened: list[str]
) -> None:
    paths = album(tmp_path, a=b"alice", b=b"empty")
    cold = run(paths, Cache(tmp_path / "cache", KEYS, said.append))
    opened.clear()
    second = run(paths, Cache(tmp_path / "cache", Keys(KEYS.faces, "b" * 32), said.append))
    assert opened == ["a with its face", "b with its face"]
    assert all(map(same_outcome, cold, second))


def test_what_cannot_be_read_is_not_kept(
    tmp_path: Path, said: list[str], opened: list[str]
) -> None:
    (link := tmp_path / "a").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        run([link], Cache(tmp_path / "cache", KEYS, said.append))
    assert opened == ["a"]
    assert packs(tmp_path / "cache") == []


def test_an_interrupted_run_keeps_what_it_had(
    tmp_path: Path, said: list[str], opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caching, "_PACK", 1)
    paths = album(tmp_path, a=b"alice", b=b"poor", c=b"empty")
    steps = iter([None, None])
    with pytest.raises(StopIteration):
        embed_all(
            paths,
            Workers(toy_perception, toy_camera),
            lambda: next(steps),
            Cache(tmp_path / "cache", KEYS, said.append),
        )
    opened.clear()
    run(paths, Cache(tmp_path / "cache", KEYS, said.append))
    assert opened == []


def no_perception() -> Perception:
    raise AssertionError("no pipeline is to be built")


def no_camera(path: Path) -> Camera:
    raise AssertionError(f"{path} is not to be opened")


def test_where_all_is_known_no_worker_is_started_and_no_network_loaded(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr("appliance.evaluation.workers.ProcessPoolExecutor", started)
    pictures = [tmp_path / name for name in ("one.jpg", "two.jpg", "same as one.jpg")]
    for picture, content in zip(pictures, (b"1", b"2", b"1"), strict=True):
        picture.write_bytes(content)
    memory = Cache(tmp_path / "cache", KEYS, said.append)
    outcomes = [embed_frame(toy_perception(), frame) for frame in (SEEN, POOR)]
    for content, outcome in zip((b"1", b"2"), outcomes, strict=True):
        memory.keep(hashlib.sha256(content).digest(), Found(None, "unused"), outcome)
    memory.flush()
    steps: list[int] = []
    again = Cache(tmp_path / "cache", KEYS, said.append)
    nobody = Workers(no_perception, no_camera)
    found = embed_all(pictures, nobody, lambda: steps.append(1), again)
    assert all(map(same_outcome, found, [*outcomes, outcomes[0]]))
    assert len(steps) == 3


# --- fingerprints -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def models() -> Manifest:
    return load(ROOT / "models")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the source code, to change."""
    target = tmp_path / "appliance"
    shutil.copytree(ROOT / "appliance", target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def made(models: Manifest, package: Path | None = None, name: str = "mobilefacenet") -> Keys:
    return keys(Config(), models, models.entry(name), package)


def changed(one: Keys, other: Keys) -> tuple[bool, bool]:
    """Whether the faces are others, and whether the vectors are."""
    return one.faces != other.faces, one.vectors != other.vectors


def test_the_fingerprint_of_the_same_is_the_same(models: Manifest, package: Path) -> None:
    assert made(models) == made(models, package)


def test_another_model_changes_the_vectors_only(models: Manifest) -> None:
    assert changed(made(models), made(models, name="mobilefacenet_int8")) == (False, True)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("vision/detector.py", (True, True)),
        ("vision/acquisition.py", (True, True)),
        ("vision/warp.py", (True, True)),
        ("hardware/pictures.py", (True, True)),
        ("perception.py", (True, True)),
        ("evaluation/embed.py", (True, True)),
        ("vision/quality.py", (False, True)),
        ("vision/alignment.py", (False, True)),
        ("vision/embedding.py", (False, True)),
        ("store/database.py", (False, False)),
        ("cli/evaluate.py", (False, False)),
    ],
)
def test_changed_code_finds_an_empty_cache(
    models: Manifest, package: Path, file: str, expected: tuple[bool, bool]
) -> None:
    before = made(models, package)
    with (package / file).open("a", encoding="utf-8") as code:
        code.write("# changed\n")
    assert changed(before, made(models, package)) == expected


def test_a_new_module_of_vision_counts_without_being_listed(
    models: Manifest, package: Path
) -> None:
    before = made(models, package)
    (package / "vision" / "new.py").write_text('"""New."""\n', encoding="utf-8")
    assert changed(before, made(models, package)) == (True, True)


def test_all_code_that_reads_pictures_counts() -> None:
    house = read(ROOT)
    seen, wanted = set[str](), {"appliance.hardware.files", "appliance.evaluation.embed"}
    while wanted:
        name = wanted.pop()
        seen.add(name)
        for _, inner in inside(house[name]):
            if inner.split(".")[1] in {"hardware", "evaluation"} and inner in house:
                wanted |= {inner} - seen
    listed = {f"appliance.{name[:-3].replace('/', '.')}" for name in AROUND}
    assert len(listed) == len(AROUND)
    assert seen <= listed


@pytest.mark.parametrize(
    ("section", "key", "value", "expected"),
    [
        ("detector", "driver", "haar", (True, True)),
        ("detector", "farthest", 0.3, (True, True)),
        ("quality", "min_sharpness", 0.5, (False, True)),
        ("model", "threads", 7, (False, False)),
    ],
)
def test_settings_that_decide_count(
    models: Manifest, section: str, key: str, value: object, expected: tuple[bool, bool]
) -> None:
    part = getattr(Config(), section).model_copy(update={key: value})
    other = Config().model_copy(update={section: part})
    entry = models.entry("mobilefacenet")
    assert changed(keys(Config(), models, entry), keys(other, models, entry)) == expected


@pytest.mark.parametrize(
    ("name", "expected"), [("face_mesh", (True, True)), ("mobilefacenet", (False, True))]
)
def test_another_network_under_the_same_name_counts(
    models: Manifest, name: str, expected: tuple[bool, bool]
) -> None:
    entry = models.entry(name).model_copy(update={"sha256": "0" * 64})
    other = Manifest(models.folder, {**models.entries, name: entry})
    assert changed(made(models), made(other)) == expected


@pytest.mark.parametrize("library", ["numpy", "opencv", "dlib-bin"])
def test_another_version_of_a_library_counts(
    models: Manifest, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, versions = made(models), fingerprints._libraries()
    assert library in versions
    monkeypatch.setattr(fingerprints, "_libraries", lambda: {**versions, library: "0"})
    assert changed(before, made(models)) == (True, True)
