"""`python -m tests.board.suite`: the default tests, and what vision sees, on ARM64 by emulation.

    sudo python -m tests.board.suite [--out FOLDER] [--slice NAME]... [--cpu cortex-a76]
        [--workers 2] [--patience 20] [--limit-s 3600] [--data FOLDER] [--root FOLDER] [--list]
        [--keep-earlier]

Programs of a Debian for ARM64 run one by one through qemu-aarch64 (see `emulated`), ten to thirty
times slower than on the host. What is tested is the checkout's last commit, never what is changed
beside it. The tests go in slices, a folder or a handful of files each. What came of a slice is
written to OUT/SLICE.outcome.json when it ends, with its log and JUnit file beside it, and that
slice is not run again for this commit and processor: an interrupted run goes on where it was.
--keep-earlier takes what another commit or processor gave as well; the table then says that it
is not one run. Exit code 0 when what was asked for (all, where nothing is named) ran, everything
in the table is one run and none of it failed; else 1.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.board.emulated import PROCESSORS, RESULTS, Emulated, build, install
from tests.board.host import BoardError, run
from tests.board.image import cache_folder

PROJECT = Path(__file__).resolve().parents[2]
EMBEDDINGS = "embeddings"
# The files that lie directly in tests/ go together by so many.
HANDFUL = 8
_PATIENCE = "APPLIANCE_TEST_PATIENCE"
# pytest's exit code where nothing was left to run, such as where every test is slow.
_NONE_TO_RUN = 5
# As pytest -v names what became of a test, where a slice did not live to write its report.
_BECAME = "(PASSED|FAILED|ERROR|SKIPPED)"
# The names of tests may hold blanks.
_TOLD = re.compile(rf"{_BECAME} (tests/.+\S)|(tests/.+?) {_BECAME}\b")


@dataclass(frozen=True)
class Slice:
    """Some of the tests. paths: relative to the project."""

    name: str
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What came of a slice.

    failed: the tests that failed or broke. skipped: reasons, and how many tests gave each.
    finished: False where the slice ran out of time or was killed: then the rest is what it told.
    idle: it holds no default test at all, such as where each of them is slow. worked: seconds of
    the host's processors, which tell more than `seconds` does where others have them too.
    """

    name: str
    passed: int
    failed: tuple[str, ...]
    skipped: Mapping[str, int]
    seconds: float
    finished: bool
    cpu: str
    commit: str
    idle: bool = False
    worked: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the slice ran to its end, none of its tests failed and some passed."""
        return self.finished and not self.failed and (self.passed > 0 or self.idle)

    @property
    def verdict(self) -> str:
        """In a word or three."""
        if not self.finished:
            return "cut short"
        if self.failed:
            return "failed"
        if self.idle:
            return "no default test"
        return "ok" if self.ok else "nothing passed"


def one_run(found: Sequence[Outcome]) -> bool:
    """Whether all of it was tested at one commit, on one processor."""
    return len({(item.commit, item.cpu) for item in found}) == 1


def slices(project: Path) -> list[Slice]:
    """All default tests, each in exactly one slice."""
    tests = project / "tests"
    found = []
    loose = sorted(path.name for path in tests.glob("test_*.py"))
    for at in range(0, len(loose), HANDFUL):
        few = loose[at : at + HANDFUL]
        found.append(Slice(f"tests-{at // HANDFUL + 1}", tuple(f"tests/{name}" for name in few)))
    folders = sorted({path.parent.name for path in tests.glob("*/test_*.py")})
    return [*found, *(Slice(name, (f"tests/{name}",)) for name in folders)]


@dataclass(frozen=True)
class Way:
    """How slices are run. limit_s: the longest that one may take, in seconds."""

    system: Emulated
    commit: str
    workers: int
    patience: float
    limit_s: float


def run_slice(way: Way, part: Slice) -> Outcome:
    """Run some tests in there. Their log and report stay in the results' folder."""
    report = way.system.results / f"{part.name}.xml"
    log = way.system.results / f"{part.name}.log"
    for old in (report, log):
        old.unlink(missing_ok=True)
    words = [
        *("timeout", "--kill-after=30", f"{way.limit_s:.0f}"),
        *("python", "-m", "pytest", "-v", "-ra", "-m", "not slow", "-p", "no:cacheprovider"),
        *("-n", str(way.workers), "--dist", "worksteal"),
        *("--junit-xml", f"{RESULTS}/{report.name}", *part.paths),
    ]
    began, worked = time.monotonic(), _worked()
    code = way.system.run(words, {_PATIENCE: f"{way.patience:g}"}, log)
    took, worked = time.monotonic() - began, _worked() - worked
    # 0: all passed. 1: some failed.
    finished = code in {0, 1, _NONE_TO_RUN} and report.exists()
    passed, failed, skipped = (
        _reported(report) if finished else _told(log.read_text(encoding="utf-8", errors="replace"))
    )
    return Outcome(
        part.name,
        passed,
        failed,
        skipped,
        round(took, 1),
        finished,
        way.system.cpu,
        way.commit,
        idle=code == _NONE_TO_RUN,
        worked=round(worked, 1),
    )


def _worked() -> float:
    """Seconds of the processors that programs started here had, as far as they have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


_Counts = tuple[int, tuple[str, ...], Mapping[str, int]]


def _reported(report: Path) -> _Counts:
    """What pytest's JUnit file tells: passed, the names of the failed, reasons of the skipped."""
    failed, skipped, passed = [], Counter[str](), 0
    for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314 - our own pytest's
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(f"{case.get('classname', '')}.{case.get('name', '')}")
        elif skip is not None:
            skipped[skip.get("message", "")] += 1
        else:
            passed += 1
    return passed, tuple(sorted(failed)), dict(skipped)


def _told(log: str) -> _Counts:
    """What pytest's verbose lines tell of a run that was cut short."""
    became: dict[str, str] = {}
    for line in log.splitlines():
        told = _TOLD.search(line)
        if told is not None:
            became[told.group(2) or told.group(3)] = told.group(1) or told.group(4)
    failed = sorted(test for test, word in became.items() if word in {"FAILED", "ERROR"})
    skipped = sum(word == "SKIPPED" for word in became.values())
    passed = sum(word == "PASSED" for word in became.values())
    return passed, tuple(failed), {"(cut short)": skipped} if skipped else {}


def run_embeddings(way: Way) -> Outcome:
    """Compare what vision makes of the bundled pictures there with what it makes of them here."""
    record = way.system.results / "host.npz"
    log = way.system.results / f"{EMBEDDINGS}.log"
    log.unlink(missing_ok=True)
    run([sys.executable, "-m", "tests.board.embeddings", "--write", str(record)], cwd=PROJECT)
    began, worked = time.monotonic(), _worked()
    words = ["python", "-m", "tests.board.embeddings", "--compare", f"{RESULTS}/{record.name}"]
    table = f"{RESULTS}/{EMBEDDINGS}.rows.json"
    code = way.system.run([*words, "--json", table], {}, log)
    took, worked = time.monotonic() - began, _worked() - worked
    path = way.system.results / f"{EMBEDDINGS}.rows.json"
    rows = json.loads(path.read_text(encoding="utf-8")) if code in {0, 1} else []
    bad = tuple(f"{row['stage']} ({row['way']})" for row in rows if not row["ok"])
    return Outcome(
        EMBEDDINGS,
        len(rows) - len(bad),
        bad,
        {},
        round(took, 1),
        bool(rows),
        way.system.cpu,
        way.commit,
        worked=round(worked, 1),
    )


def outcomes(results: Path) -> list[Outcome]:
    """What came of the slices that ran so far."""
    return list(_outcomes(results))


def _outcomes(results: Path) -> Iterator[Outcome]:
    for path in sorted(results.glob("*.outcome.json")):
        kept = json.loads(path.read_text(encoding="utf-8"))
        yield Outcome(**{**kept, "failed": tuple(kept["failed"])})


def _keep(results: Path, outcome: Outcome) -> None:
    path = results / f"{outcome.name}.outcome.json"
    path.write_text(json.dumps(asdict(outcome), indent=1) + "\n", encoding="utf-8")


_HEADINGS = ("slice", "passed", "failed", "skipped", "seconds", "worked", "cpu", "commit", "")


def show(found: Sequence[Outcome], missing: Sequence[str], console: Console) -> None:
    """Print the table, what failed, and why something was skipped."""
    table = Table(title="The default tests on ARM64 (user emulation)")
    for heading in _HEADINGS:
        table.add_column(heading, justify="left" if heading in {"slice", ""} else "right")
    for item in found:
        counts = item.passed, len(item.failed), sum(item.skipped.values())
        table.add_row(
            item.name,
            *(str(count) for count in counts),
            f"{item.seconds:.0f}",
            f"{item.worked:.0f}" if item.worked else "",
            item.cpu,
            item.commit[:7],
            item.verdict,
        )
    whole = (
        sum(item.passed for item in found),
        sum(len(item.failed) for item in found),
        sum(sum(item.skipped.values()) for item in found),
    )
    table.add_section()
    seconds = sum(item.seconds for item in found)
    told = "all" if one_run(found) else "all, not one run"
    table.add_row(told, *(str(count) for count in whole), f"{seconds:.0f}", "", "", "", "")
    console.print(table)
    kinds = Counter((item.commit[:7], item.cpu) for item in found)
    if len(kinds) > 1:
        each = ", ".join(f"{commit} on {cpu} ({n})" for (commit, cpu), n in kinds.most_common())
        console.print(f"not one run, but slices of: {each}", markup=False)
    for item in found:
        for test in item.failed:
            console.print(f"failed: {item.name}: {test}", markup=False)
    reasons = Counter[str]()
    for item in found:
        reasons.update(item.skipped)
    for reason, count in reasons.most_common():
        console.print(f"skipped {count}: {reason}", markup=False)
    if missing:
        console.print(f"did not run: {', '.join(missing)}", markup=False)


def main(words: Sequence[str], console: Console | None = None) -> int:
    """Do what is asked for; the exit code. console: what the table is printed on."""
    asked = _asked(words)
    console = console or Console(width=120)
    parts = slices(PROJECT)
    names = [EMBEDDINGS, *(part.name for part in parts)]
    if asked.list:
        console.print("\n".join(names), markup=False)
        return 0
    unknown = [name for name in asked.slice if name not in names]
    if unknown:
        sys.stderr.write(f"There is no slice {', '.join(unknown)}; --list shows all.\n")
        return 2
    wanted = list(dict.fromkeys(asked.slice)) or names
    asked.out.mkdir(parents=True, exist_ok=True)
    try:
        _run(asked, wanted, console)
    except BoardError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    found = outcomes(asked.out)
    missing = [name for name in names if name not in {item.name for item in found}]
    show(found, missing, console)
    whole = not set(wanted).intersection(missing) and one_run(found)
    return 0 if whole and all(item.ok for item in found) else 1


def _run(asked: argparse.Namespace, wanted: Sequence[str], console: Console) -> None:
    def say(text: str) -> None:
        console.print(f"{time.strftime('%H:%M:%S')} {text}", markup=False)

    system = Emulated(asked.root, asked.out.resolve(), asked.data, asked.cpu)
    commit = run(["git", "-C", str(PROJECT), "rev-parse", "HEAD"]).strip()
    build(asked.root, asked.out / "build.log", say)
    install(system, PROJECT, commit, say)
    done = {
        item.name
        for item in outcomes(asked.out)
        if asked.keep_earlier or (item.commit, item.cpu) == (commit, asked.cpu)
    }
    way = Way(system, commit, asked.workers, asked.patience, asked.limit_s)
    # Those of the commit, which may not be those that lie in the folder.
    by_name = {part.name: part for part in slices(system.checkout)}
    for name in wanted:
        if name in done or (name != EMBEDDINGS and name not in by_name):
            continue
        say(name)
        _keep(
            asked.out,
            run_embeddings(way) if name == EMBEDDINGS else run_slice(way, by_name[name]),
        )


def _asked(words: Sequence[str]) -> argparse.Namespace:
    cache = cache_folder()
    parser = argparse.ArgumentParser(prog="python -m tests.board.suite")
    parser.add_argument("--out", type=Path, default=cache / "suite")
    parser.add_argument("--root", type=Path, default=cache / "emulated")
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--slice", action="append", default=[], metavar="NAME")
    parser.add_argument("--cpu", choices=sorted(PROCESSORS), default="cortex-a76")
    parser.add_argument("--workers", type=int, default=min(os.cpu_count() or 1, 4))
    parser.add_argument("--patience", type=float, default=20.0)
    parser.add_argument("--limit-s", type=float, default=3600.0)
    parser.add_argument("--keep-earlier", action="store_true")
    parser.add_argument("--list", action="store_true")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
