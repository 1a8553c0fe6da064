"""The rules of the house, checked on the source: who may import whom, and who may touch what.

Each rule is a function from a source tree to a list of complaints. The house gives none; a
small bad house, written for the purpose, gives one for each rule.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# From the ground up. A room imports rooms of lower layers and itself; rooms of one layer do not
# know each other. A new room gets its place here, as low as it can stand.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"debounce", "door_values", "signals", "types", "errors", "yaml_dialect"}),
    frozenset({"ports", "config", "phrases", "table"}),
    frozenset({"access", "board", "door_records", "feedback"}),
    frozenset({"advice", "host", "journal", "lockout", "sdnotify", "vision", "store", "hardware"}),
    frozenset(
        {"claims", "control", "installed", "lockdown", "matching", "model_choice", "liveness"}
        | {"acceptance", "door"}
    ),
    frozenset({"door_watch"}),
    frozenset({"decision", "door_controller", "perception"}),
    frozenset({"attempt", "enrolment", "tracking"}),
    frozenset({"evaluation"}),
    frozenset({"reports"}),
    frozenset({"explanation", "training"}),
    frozenset({"assemble"}),
    frozenset({"auto", "workbench"}),
    frozenset({"cold_start", "doctor"}),
    frozenset({"doctor_board"}),
    frozenset({"inspection"}),
    frozenset({"daemon"}),
    frozenset({"demo"}),
    frozenset({"cli"}),
    frozenset({"__main__"}),
)
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}

# Rooms that only some may enter: everybody else gets what is in there handed in.
# `lockdown` cannot wait for all that `assemble` loads.
DOORKEEPERS: Mapping[str, frozenset[str]] = {"hardware": frozenset({"assemble", "lockdown"})}

# The pure stages, and what they share. Stages are put together by `perception`.
STAGES = frozenset(
    {"acquisition", "alignment", "blazeface", "detector", "embedding", "landmarks", "mmod"}
    | {"motion", "predictor", "quality", "qr", "scene", "tracker"}
)
SHARED = frozenset(
    {"acceleration", "cuda", "engine_files", "external_delegate", "in_memory", "interpreter"}
    | {"manifest", "mesh", "onnx_runtime", "parity", "processor", "tensorrt_engine"}
    | {"trusted_files", "warp"}
)

# Foreign libraries that stay in one room, so that it alone has to change with them.
HOMES: Mapping[str, frozenset[str]] = {
    "ai_edge_litert": frozenset({"training", "vision"}),
    "argon2": frozenset({"claims", "store"}),
    "click": frozenset({"cli"}),
    "cryptography": frozenset({"store"}),
    "dlib": frozenset({"vision"}),
    "fastapi": frozenset({"control"}),
    "evdev": frozenset({"hardware"}),
    "flatbuffers": frozenset({"training"}),
    "gi": frozenset({"hardware"}),
    "gpiozero": frozenset({"hardware"}),
    "lgpio": frozenset({"hardware"}),
    "matplotlib": frozenset({"evaluation", "training"}),
    "onnxruntime": frozenset({"vision"}),
    "picamera2": frozenset({"hardware"}),
    "scipy": frozenset({"training"}),
    "skops": frozenset({"training"}),
    "sklearn": frozenset({"training"}),
    "sqlite3": frozenset({"store"}),
    "starlette": frozenset({"control"}),
    "tensorflow": frozenset(),
    "tensorrt": frozenset({"vision"}),
    "tflite_runtime": frozenset({"vision"}),
    "torch": frozenset({"training"}),
    "uvicorn": frozenset({"control"}),
}

# Who may name the lock, and who may release the door.
LOCK_NAMES = frozenset({"GpioLock", "SimulatedLock", "open_gpio_lock"})
LOCK_HOLDERS = frozenset(
    {"appliance.assemble", "appliance.door_controller", "appliance.hardware.lock"}
)

# What importing a module must not load: slow, large, or with effects of its own.
HEAVY = frozenset(
    {"ai_edge_litert", "dlib", "gpiozero", "lgpio", "matplotlib", "onnxruntime", "scipy"}
    | {"sklearn", "skops", "tensorflow", "tensorrt", "tflite_runtime", "torch"}
)
# `lock` imports this one only when a real line is driven.
MAY_LOAD = {"appliance.hardware.pins": frozenset({"gpiozero"})}


@dataclass(frozen=True)
class Module:
    """One file: its dotted name, its syntax tree, what it imports (line and dotted name)."""

    name: str
    tree: ast.Module
    imports: tuple[tuple[int, str], ...] = field(default=())

    @property
    def room(self) -> str:
        return room_of(self.name)


House = Mapping[str, Module]
Rule = Callable[[House], list[str]]


def room_of(name: str) -> str:
    """`vision` of `appliance.vision.mesh`; empty for the package itself."""
    return name.split(".")[1] if "." in name else ""


def read(root: Path) -> House:
    """Every module of the package `appliance` under `root`."""
    trees: dict[str, tuple[ast.Module, bool]] = {}
    for path in sorted((root / "appliance").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if package else parts)
        trees[name] = ast.parse(path.read_text(encoding="utf-8")), package
    return {
        name: Module(name, tree, tuple(imports(name, tree, frozenset(trees), package=package)))
        for name, (tree, package) in trees.items()
    }


def imports(
    name: str, tree: ast.Module, known: frozenset[str], *, package: bool
) -> Iterator[tuple[int, str]]:
    """What a module imports anywhere in its text, also inside functions and by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = name.split(".")[: len(name.split(".")) - node.level + package]
                base = ".".join([*above, *base.split(".")]).rstrip(".")
            for alias in node.names:
                deeper = f"{base}.{alias.name}"
                yield node.lineno, deeper if deeper in known else base
        elif isinstance(node, ast.Call) and called(node) in {"import_module", "__import__"}:
            for argument in node.args[:1]:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield node.lineno, argument.value


def called(node: ast.Call) -> str:
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def inside(module: Module) -> Iterator[tuple[int, str]]:
    """Imports of the house's own modules."""
    return ((line, name) for line, name in module.imports if name.split(".")[0] == "appliance")


def every_room_has_its_layer(house: House) -> list[str]:
    rooms = {module.room for module in house.values()} - {""}
    return [f"{room} stands in no layer" for room in sorted(rooms - RANK.keys())]


def imports_go_down(house: House) -> list[str]:
    top = len(LAYERS)
    return [
        f"{module.name}:{line} imports {name}, which is not below it"
        for module in house.values()
        for line, name in inside(module)
        if room_of(name)
        and room_of(name) != module.room
        and RANK.get(room_of(name), top) >= RANK.get(module.room, top)
    ]


def the_package_itself_imports_nothing(house: House) -> list[str]:
    return [f"appliance imports {name}" for _, name in house["appliance"].imports if name]


def there_are_no_cycles(house: House) -> list[str]:
    graph = {
        module.name: {name for _, name in inside(module) if name in house} - {module.name}
        for module in house.values()
    }
    # Whoever imports only finished modules is finished; what never is stands in a cycle.
    while done := {name for name, needs in graph.items() if not needs}:
        graph = {name: needs - done for name, needs in graph.items() if name not in done}
    return [f"{name} stands in or above a cycle" for name in sorted(graph)]


def stages_do_not_know_each_other(house: House) -> list[str]:
    found = []
    for module in house.values():
        if module.room != "vision" or module.name == "appliance.vision":
            continue
        own = module.name.split(".")[2]
        if own not in STAGES | SHARED:
            found.append(f"{module.name} is neither a stage nor shared")
        found += [
            f"{module.name}:{line} imports the stage {name}"
            for line, name in inside(module)
            if name.startswith("appliance.vision.") and name.split(".")[2] in STAGES
        ]
    return found


def doorkeepers_are_asked(house: House) -> list[str]:
    return [
        f"{module.name}:{line} enters {name}"
        for module in house.values()
        for line, name in inside(module)
        for room in [room_of(name)]
        if room in DOORKEEPERS and module.room not in DOORKEEPERS[room] | {room}
    ]


def only_assemble_sees_all(house: House) -> list[str]:
    together = {"hardware", "vision", "store"}
    return [
        f"{module.name} imports hardware, vision and store"
        for module in house.values()
        if module.name != "appliance.assemble"
        and together <= {room_of(name) for _, name in inside(module)}
    ]


def a_door_loads_no_workbench(house: House) -> list[str]:
    """What the service imports, and what that imports, holds nothing that is for a desk."""
    desk = {"explanation", "tracking", "training", "workbench"}
    seen, left = set[str](), [name for name in house if room_of(name) == "daemon"]
    while left:
        name = left.pop()
        if name in house and name not in seen:
            left += [imported for _, imported in inside(house[name])]
        seen.add(name)
    return [f"the service loads {name}" for name in sorted(seen) if room_of(name) in desk]


def libraries_stay_at_home(house: House) -> list[str]:
    return [
        f"{module.name}:{line} imports {name}"
        for module in house.values()
        for line, name in module.imports
        if name.split(".")[0] in HOMES and module.room not in HOMES[name.split(".")[0]]
    ]


def nothing_imports_tests_or_tools(house: House) -> list[str]:
    return [
        f"{module.name}:{line} imports {name}"
        for module in house.values()
        for line, name in module.imports
        if name.split(".")[0] in {"models", "tests"}
    ]


def few_name_the_lock(house: House) -> list[str]:
    return [
        f"{module.name}:{line} names {name}"
        for module in house.values()
        if module.name not in LOCK_HOLDERS
        for node in ast.walk(module.tree)
        for line, name in names_of_locks(node)
    ]


def names_of_locks(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Name) and node.id in LOCK_NAMES:
        yield node.lineno, node.id
    elif isinstance(node, ast.Attribute) and node.attr in LOCK_NAMES:
        yield node.lineno, node.attr
    elif isinstance(node, ast.ImportFrom):
        # `Lock` is also the name of the standard library's; the port is the door's.
        ours = {"Lock"} if node.module == "appliance.ports" else set()
        names = (alias.name for alias in node.names)
        yield from ((node.lineno, name) for name in names if name in LOCK_NAMES | ours)


def only_the_controller_unlocks(house: House) -> list[str]:
    holders = {"appliance.door_controller", "appliance.hardware.lock"}
    # These ask the running service, whose name for it is the same; no lock is within their reach.
    holders |= {"appliance.control.app", "appliance.cli.service"}
    return [
        f"{module.name}:{node.lineno} calls unlock"
        for module in house.values()
        if module.name not in holders
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "unlock"
    ]


def every_module_says_what_it_is(house: House) -> list[str]:
    return [
        f"{module.name} has no docstring"
        for module in house.values()
        if not ast.get_docstring(module.tree)
    ]


def no_error_is_swallowed_whole(house: House) -> list[str]:
    return [
        f"{module.name}:{node.lineno} swallows errors"
        for module in house.values()
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.ExceptHandler) and handles_nothing(node))
        or (isinstance(node, ast.Call) and suppresses_everything(node))
    ]


def handles_nothing(node: ast.ExceptHandler) -> bool:
    idle = all(
        isinstance(line, ast.Pass)
        or (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
        for line in node.body
    )
    return node.type is None or idle


def suppresses_everything(node: ast.Call) -> bool:
    return called(node) == "suppress" and any(
        isinstance(argument, ast.Name) and argument.id in {"Exception", "BaseException"}
        for argument in node.args
    )


RULES: tuple[Rule, ...] = (
    every_room_has_its_layer,
    imports_go_down,
    the_package_itself_imports_nothing,
    there_are_no_cycles,
    stages_do_not_know_each_other,
    doorkeepers_are_asked,
    only_assemble_sees_all,
    a_door_loads_no_workbench,
    libraries_stay_at_home,
    nothing_imports_tests_or_tools,
    few_name_the_lock,
    only_the_controller_unlocks,
    every_module_says_what_it_is,
    no_error_is_swallowed_whole,
)


@pytest.fixture(scope="module")
def house() -> House:
    return read(ROOT)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_the_rule(house: House, rule: Rule) -> None:
    assert rule(house) == []


def test_the_house_was_found(house: House) -> None:
    assert {"appliance", "appliance.assemble", "appliance.vision.mesh"} <= house.keys()
    assert ("appliance.types" in {name for _, name in house["appliance.ports"].imports}) is True


# One bad house for each rule: which file says what, and what is complained of.
BAD: tuple[tuple[Rule, str, str, str], ...] = (
    (every_room_has_its_layer, "cellar.py", "", "cellar stands in no layer"),
    (imports_go_down, "types.py", "import appliance.ports", "types:2 imports appliance.ports"),
    (imports_go_down, "types.py", "from appliance import ports", "imports appliance.ports"),
    (imports_go_down, "types.py", "from . import ports", "imports appliance.ports"),
    (imports_go_down, "types.py", "from .ports import Lock", "imports appliance.ports"),
    (imports_go_down, "vision/warp.py", "from ..store import x", "imports appliance.store"),
    (imports_go_down, "types.py", "def f():\n import appliance.ports", ":3 imports"),
    (imports_go_down, "types.py", "import_module('appliance.ports')", "imports appliance.ports"),
    (imports_go_down, "store/x.py", "import appliance.hardware", "which is not below it"),
    (imports_go_down, "cellar.py", "import appliance.types", ""),
    (imports_go_down, "types.py", "import appliance.cellar", "which is not below it"),
    (the_package_itself_imports_nothing, "__init__.py", "import numpy", "imports numpy"),
    (there_are_no_cycles, "store/a.py", "from appliance.store import b", "appliance.store.a"),
    (there_are_no_cycles, "store/a.py", "def f():\n from . import b", "appliance.store.b"),
    (
        stages_do_not_know_each_other,
        "vision/tracker.py",
        "from appliance.vision.detector import HogDetector",
        "tracker:2 imports the stage appliance.vision.detector",
    ),
    (stages_do_not_know_each_other, "vision/warp.py", "from . import motion", "vision.motion"),
    (stages_do_not_know_each_other, "vision/new.py", "", "new is neither a stage nor shared"),
    (doorkeepers_are_asked, "attempt.py", "import appliance.hardware.lock", "enters appliance.h"),
    (
        only_assemble_sees_all,
        "doctor.py",
        "import appliance.hardware, appliance.vision, appliance.store",
        "doctor imports hardware, vision and store",
    ),
    (a_door_loads_no_workbench, "daemon.py", "import appliance.workbench", "loads appliance.w"),
    (libraries_stay_at_home, "attempt.py", "import sqlite3.dbapi2", "imports sqlite3"),
    (libraries_stay_at_home, "evaluation/x.py", "from tensorflow import keras", "tensorflow"),
    (nothing_imports_tests_or_tools, "types.py", "import models.build", "models.build"),
    (nothing_imports_tests_or_tools, "types.py", "from tests import fakes", "imports tests"),
    (few_name_the_lock, "attempt.py", "from appliance.ports import Lock", "names Lock"),
    (few_name_the_lock, "cli/x.py", "assemble.SimulatedLock()", "names SimulatedLock"),
    (few_name_the_lock, "cli/x.py", "open_gpio_lock(1)", "names open_gpio_lock"),
    (only_the_controller_unlocks, "attempt.py", "lock.unlock('now')", "attempt:2 calls unlock"),
    (no_error_is_swallowed_whole, "x.py", "try: f()\nexcept: raise", "x:3 swallows"),
    (no_error_is_swallowed_whole, "x.py", "try: f()\nexcept OSError: pass", "swallows"),
    (no_error_is_swallowed_whole, "x.py", "try: f()\nexcept OSError: ...", "swallows"),
    (no_error_is_swallowed_whole, "x.py", "with suppress(Exception): f()", "swallows"),
)


def small_house(root: Path) -> Path:
    for name in ("", "vision", "store", "hardware", "cli", "evaluation"):
        (root / "appliance" / name).mkdir(exist_ok=True, parents=True)
        (root / "appliance" / name / "__init__.py").write_text('"""A room."""\n')
    texts = {
        "ports": "from appliance.types import Box",
        "store/b": "from appliance.store import a",
        "vision/motion": "",
        "vision/detector": "",
        "types": "import threading",
    }
    for name, text in texts.items():
        (root / "appliance" / f"{name}.py").write_text(f'"""Says."""\n{text}\n')
    return root


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_small_good_house_keeps_the_rule(tmp_path: Path, rule: Rule) -> None:
    assert rule(read(small_house(tmp_path))) == []


@pytest.mark.parametrize(
    ("rule", "file", "text", "complaint"),
    BAD,
    ids=[f"{rule.__name__}-{number}" for number, (rule, *_) in enumerate(BAD)],
)
def test_a_bad_house_is_complained_of(
    tmp_path: Path, rule: Rule, file: str, text: str, complaint: str
) -> None:
    (small_house(tmp_path) / "appliance" / file).write_text(f'"""Says."""\n{text}\n')
    found = rule(read(tmp_path))
    if complaint:
        assert any(complaint in item for item in found), found
    else:
        assert found == []


def test_a_silent_module_is_complained_of(tmp_path: Path) -> None:
    (small_house(tmp_path) / "appliance" / "types.py").write_text("import os\n")
    assert every_module_says_what_it_is(read(tmp_path)) == ["appliance.types has no docstring"]


def test_every_rule_has_a_bad_house() -> None:
    assert {rule for rule, *_ in BAD} | {every_module_says_what_it_is} == set(RULES)


# Imports each module of argv[2:] in a child of its own. What did nothing there is then loaded here
# too, so that its importers need not load it anew; not what is heavy (argv[1]).
IMPORTER = """
import json, os, sys, tempfile, threading
# What many modules need anyway, and may: loaded once, before forking.
import argon2, asyncio, click, cv2, email.message, fastapi, http.client, logging.handlers, numpy
import pydantic, rich.console, rich.live, rich.progress, rich.table, sqlite3, statistics, uvicorn
import yaml
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.ciphers import aead
before = set(sys.modules)
heavy = set(sys.argv[1].split(","))
found = {}
for name in sys.argv[2:]:
    folder = tempfile.mkdtemp(dir=os.getcwd())
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        os.environ["HOME"] = folder
        output = os.open("output", os.O_CREAT | os.O_RDWR)
        os.dup2(output, 1)
        os.dup2(output, 2)
        said = {"failed": None}
        try:
            __import__(name)
        except BaseException as error:
            said["failed"] = repr(error)
        sys.stdout.flush()
        said["folder"] = os.getcwd() == os.path.realpath(folder)
        os.chdir(folder)
        said["loaded"] = sorted({loaded.split(".")[0] for loaded in set(sys.modules) - before})
        said["threads"] = threading.active_count() - 1
        said["output"] = os.path.getsize("output")
        said["files"] = sorted(set(os.listdir()) - {"output"})
        os.write(writer, json.dumps(said).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        found[name] = json.load(told)
    os.waitpid(child, 0)
    said = found[name]
    did = said["failed"] or said["threads"] or said["output"] or said["files"]
    if said["folder"] and not did and not heavy.intersection(said["loaded"]):
        __import__(name)
print(json.dumps(found))
"""


def importing(modules: list[str], folder: Path, root: Path) -> dict[str, dict[str, object]]:
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORTER, ",".join(sorted(HEAVY)), *modules],
        cwd=folder,
        env={"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, dict[str, object]] = json.loads(result.stdout)
    return found


def needed(name: str, house: House) -> set[str]:
    """The modules of ours that one imports, and those that they do."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for _, other in house[waiting.pop()].imports:
            for one in (other, other.rpartition(".")[0]):
                if one in house and one not in found:
                    found.add(one)
                    waiting.append(one)
    return found


def complaints(name: str, said: Mapping[str, object]) -> list[str]:
    loaded = said["loaded"]
    assert isinstance(loaded, list)
    heavy = sorted(HEAVY.intersection(loaded) - MAY_LOAD.get(name, frozenset()))
    quiet: dict[str, object] = {
        "failed": None,
        "threads": 0,
        "output": 0,
        "files": [],
        "folder": True,
    }
    found = [f"{name} loads {library}" for library in heavy]
    return found + [f"{name}: {key} {said[key]}" for key in quiet if said[key] != quiet[key]]


def test_importing_a_module_does_nothing(house: House, tmp_path: Path) -> None:
    # What few others are needed for comes first.
    ordered = sorted(house, key=lambda name: (len(needed(name, house)), name))
    found = importing(ordered, tmp_path, ROOT)
    assert found.keys() == house.keys()
    assert [item for name, said in found.items() for item in complaints(name, said)] == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("import sklearn", "loads sklearn"),
        ("open('x', 'w').close()", "files ['x']"),
        ("print('hello')", "output "),
        ("import os; os.chdir('/')", "folder "),
        ("1 / 0", "failed ZeroDivisionError"),
        ("import threading; threading.Event; t = threading.Timer(9, id); t.start()", "threads 1"),
    ],
)
def test_a_module_that_does_something_is_complained_of(
    tmp_path: Path, text: str, complaint: str
) -> None:
    (tmp_path / "busy.py").write_text(text + "\n")
    (tmp_path / "sklearn.py").touch()
    (folder := tmp_path / "elsewhere").mkdir()
    (item,) = complaints("busy", importing(["busy"], folder, tmp_path)["busy"])
    assert complaint in item
