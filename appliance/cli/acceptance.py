"""`appliance acceptance [plan|verify|key]`."""

from __future__ import annotations

import hashlib
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import appliance
from appliance import assemble
from appliance.acceptance import answers, page, report
from appliance.acceptance.course import Course, Dialog, Script
from appliance.acceptance.plan import BY_KEY, STEPS
from appliance.acceptance.progress import Progress
from appliance.acceptance.values import Hand, Outcome, Status
from appliance.cli.acceptance_begun import alone, begun
from appliance.cli.acceptance_left import given_back
from appliance.cli.session import Session, json_option, leave, printable
from appliance.errors import ApplianceError, ExitCode, InputError
from appliance.errors import UsageError as WrongUsage
from appliance.store.device_key import DeviceKey, fingerprint, same_fingerprint
from appliance.store.exports import new_file, read_whole
from appliance.store.faults import translated
from appliance.store.files import private_folder
from appliance.store.files import replace as put
from appliance.store.names import check_name

if TYPE_CHECKING:
    from rich.console import Console

    from appliance.acceptance.values import Site
    from appliance.cli.acceptance_shown import Shown
    from appliance.control.authority import Caller
    from appliance.store.location import StoreLocation
    from appliance.store.store import Store

_MOST = 2 * report.MOST_BYTES  # a page holds the report, and says it once more
_LONGEST_BY = 100


def _number(value: float) -> float:
    """As it is; click lets "nan" through any range."""
    if math.isnan(value):
        raise click.BadParameter("nan is no number of seconds.", param_hint="--wait")
    return value


@click.group("acceptance", invoke_without_command=True)
@click.option("--resume", is_flag=True, help="Go on where it was left, such as after a restart.")
@click.option("--anew", is_flag=True, help="Begin anew and forget one that was left.")
@click.option("--again", multiple=True, metavar="STEP", help="Do a step once more. Repeatable.")
@click.option(
    "--answers",
    "answers_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Step to answer, as YAML or JSON, instead of asking.",
)
@click.option("--name", help="Whom to verify: a person who is enrolled.")
@click.option("--by", default="", help="Who carries it out, for the report.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="The report: FILE.json and .html"
)
@click.option(
    "--wait",
    "wait_s",
    default=60.0,
    show_default=True,
    type=click.FloatRange(0, 3600),
    callback=lambda _context, _option, value: _number(value),
    help="Seconds that somebody has to do a thing at the door.",
)
@json_option
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Guide through a hardware acceptance and write a signed report; exits 1 if not accepted.

    Measures what it can and asks what it cannot. It says which steps need the service stopped, and
    asks before anything moves. A step's outcome is kept at once: after a restart --resume goes on.

    \b
    Example:
      sudo appliance acceptance --name alice --by "J. Doe, installer"
      sudo appliance acceptance --resume
    """
    if context.invoked_subcommand is None:
        _carry_out(context.obj, **options)


@command.command("plan")
@json_option
@click.pass_obj
def plan(session: Session) -> None:
    """List the steps for this door, and why the others do not apply.

    \b
    Example:
      appliance acceptance plan
    """
    from appliance.cli.acceptance_probes import site

    here = site(session.config)
    rows = [
        {
            "key": step.key,
            "section": step.section,
            "title": step.title,
            "applies": not step.absent(here),
            "reason": step.absent(here),
            "required": step.required,
            "service": step.needs.value,
            "consent": step.consent,
            "question": step.ask,
        }
        for step in (it.at(here) for it in STEPS)
    ]
    session.result({"steps": rows}, lambda console: _print_plan(console, rows))


@command.command("key")
@json_option
@click.pass_obj
def key(session: Session) -> None:
    """Show the fingerprint of the key that signs this device's reports.

    Note it down beside the device: it says later whether a report is of this one.

    \b
    Example:
      appliance acceptance key
    """
    public = DeviceKey.at(assemble.location(session.written).device_key).public
    data = {"fingerprint": fingerprint(public), "public": public}
    session.result(data, lambda console: console.print(data["fingerprint"]))


@command.command("verify")
@click.argument("file", metavar="REPORT", type=click.Path(path_type=Path))
@click.option("--key", "wanted", metavar="FINGERPRINT", help="Whose signature it must carry.")
@click.option("--accepted", is_flag=True, help="Exit 1, too, unless a real door was accepted.")
@json_option
@click.pass_obj
def verify(session: Session, file: Path, wanted: str | None, *, accepted: bool) -> None:
    """Check a report, as .json or .html, on whatever machine; exits 1 when it was changed.

    A genuine report may be one of a failure; --accepted asks for its outcome as well.

    \b
    Example:
      appliance acceptance verify acceptance.json --key 3f2a-91bc-...
    """
    found = _read(file)
    reason = "" if found.genuine else "It was changed after it was signed."
    if found.genuine and wanted is not None and not same_fingerprint(wanted, found.signer):
        reason = f"It was signed by the key {fingerprint(found.signer)}."
    genuine = not reason
    data: dict[str, Any] = {"file": str(file), "genuine": genuine, "reason": reason}
    if found.genuine:
        told = found.report
        data |= {"fingerprint": fingerprint(found.signer), "key_given": wanted is not None}
        data |= {key: told.get(key) for key in ("id", "outcome", "simulated", "ended", "audit")}
    good = not accepted or (data.get("outcome"), data.get("simulated")) == ("accepted", [])
    if genuine and not good:
        data["reason"] = "It is genuine, but it does not say that a real door was accepted."
    session.result(data, lambda console: _print_check(console, data))
    leave(ExitCode.OK if genuine and good else ExitCode.NO)


def _read(file: Path) -> report.Signed:
    """The report of a file, its page compared as a whole. InputError where it is none."""
    content, source = read_whole(file, _MOST), str(file)
    if not content.lstrip().startswith(b"<"):
        return report.read(content, source)
    inner = page.extract(content, source)
    found = report.read(inner, source)
    if found.genuine and page.draw(inner, found.report, fingerprint(found.signer)) != content:
        return replace(found, genuine=False)
    return found


def _carry_out(  # noqa: PLR0913 - one argument for each option
    session: Session,
    *,
    resume: bool,
    anew: bool,
    again: tuple[str, ...],
    answers_file: Path | None,
    name: str | None,
    by: str,
    out: Path | None,
    wait_s: float,
) -> None:
    from appliance.cli import acceptance_probes
    from appliance.cli.acceptance_shown import Asked, Shown

    prepared, answered_by = None, "terminal"
    if answers_file is not None:
        written = read_whole(answers_file, answers.MOST_BYTES)
        prepared = answers.parse(written, str(answers_file))
        answered_by = f"file sha256:{hashlib.sha256(written).hexdigest()}"
    elif sys.stdin is None or not sys.stdin.isatty():
        raise WrongUsage(
            "There is no terminal to ask somebody at, and no answers are given.",
            hint="Use a terminal, or --answers FILE (docs/acceptance.md).",
        )
    if resume and anew:
        raise WrongUsage("--resume and --anew exclude each other.", hint="Give one of them.")
    if name is not None:
        check_name(name)
    caller = acceptance_probes.permitted(session)
    paths = _paths(out)
    location, site = assemble.location(session.config), acceptance_probes.site(session.config)
    shown: Shown = Asked(session) if prepared is None else Shown(session)
    dialog: Dialog = shown if prepared is None else Script(prepared, shown)
    for step in again:
        _known(step)
    with alone(location.folder), assemble.store(session.config) as store:
        start = begun(session, location, store, caller, resume=resume, anew=anew)
        start = replace(
            start, by=printable(by)[:_LONGEST_BY] or start.by, person=name or start.person
        )
        for step in again:
            start = start.again(step)
        whom = _Whom(shown, start)
        around = acceptance_probes.Surroundings(shown.busy, whom, shown.told, wait_s)
        probes = acceptance_probes.CliProbes(session, store, caller, around)

        def keep(now: Progress) -> None:
            with translated(location.acceptance):
                put(location.acceptance, replace(now, person=whom.name).content())

        hand = Hand(start.by, caller.name, answered_by)
        course = Course(site, dialog, probes, keep, start, hand)
        with given_back(course, site, probes, shown), _told_where_it_stands(shown):
            outcome = course.run(STEPS)
        results = list(course.progress.results.values())
        shown.ends(outcome, results)
        data: dict[str, Any] = {"outcome": outcome.value, "report": None, "page": None}
        data |= {"simulated": list(site.twins), "open": _open_steps(course, site)}
        if outcome is not Outcome.UNFINISHED:
            signed = _written(course, site, store, location, caller, outcome, probes.now(), paths)
            data |= signed
        data["steps"] = [
            {"key": it.key, "status": it.status.value, "reason": it.reason} for it in results
        ]
    session.result(data, lambda console: _print_end(console, data))
    leave(ExitCode.OK if outcome is Outcome.ACCEPTED else ExitCode.NO)


@contextmanager
def _told_where_it_stands(shown: Shown) -> Iterator[None]:
    """Say how it goes on when somebody breaks it off, or when something keeps it from going on."""
    try:
        yield
    except (click.Abort, KeyboardInterrupt, SystemExit, ApplianceError):
        with suppress(OSError):  # the terminal may be gone
            shown.told(
                "Every step that was decided is kept: `appliance acceptance --resume` goes on."
            )
        raise


class _Whom:
    """Asks once whom to verify, and remembers it for the next steps and for --resume."""

    def __init__(self, shown: Shown, begun: Progress) -> None:
        self._shown = shown
        self.name = begun.person

    def __call__(self) -> str:
        """The name. InputError where it is none."""
        from appliance.cli.acceptance_shown import Asked

        if not self.name and isinstance(self._shown, Asked):
            self.name = check_name(self._shown.whom())
        if not self.name:
            raise InputError(
                "Nobody says whom to verify.", hint="Give --name NAME.", code="no_name"
            )
        return check_name(self.name)


def _known(step: str) -> None:
    """InputError where it is no step."""
    if step in BY_KEY:
        return
    import difflib

    near = difflib.get_close_matches(step, BY_KEY, n=1)
    meant = f" (did you mean {near[0]}?)" if near else ""
    raise InputError(
        f"{step!r} is not a step{meant}.",
        hint="`appliance acceptance plan` lists them.",
        code="unknown_step",
    )


def _open_steps(course: Course, site: Site) -> list[str]:
    done = course.progress.results
    return [
        step.key
        for step in STEPS
        if not step.absent(site) and (step.key not in done or done[step.key].status is Status.OPEN)
    ]


def _paths(out: Path | None) -> tuple[Path, Path]:
    """Where report and page go. Found out before anything is done: neither is replaced."""
    name = f"acceptance-{assemble.clock().now():%Y%m%d-%H%M%S}"
    if out is None or out.is_dir():
        out = (out or Path()) / name
    base = out.with_suffix("") if out.suffix in {".json", ".html"} else out
    if not (base.parent.is_dir() and os.access(base.parent, os.W_OK)):
        raise InputError(
            f"No report can be written into {base.parent}.",
            hint="Give --out FILE in a folder that is there and that this user may write to.",
            code="no_place",
        )
    paths = base.with_name(f"{base.name}.json"), base.with_name(f"{base.name}.html")
    for path in paths:
        if path.exists():
            raise InputError(
                f"{path} exists already.",
                hint="Give another name with --out, or move the file away.",
                code="file_exists",
            )
    return paths


def _written(  # noqa: PLR0913, PLR0917 - each is needed, in this order
    course: Course,
    site: Site,
    store: Store,
    location: StoreLocation,
    caller: Caller,
    outcome: Outcome,
    ended: str,
    paths: tuple[Path, Path],
) -> dict[str, Any]:
    """Record, sign and write the report; then forget that the acceptance was under way.

    Raises StoreError or InputError; the acceptance is then still there to be resumed.
    """
    with translated(location.device_key):
        private_folder(location.folder)
    signing = DeviceKey.at(location.device_key)
    detail = {**caller.audited, "run": course.progress.run, "outcome": outcome.value}
    record = store.audit.append("acceptance", "acceptance", detail)
    log = report.Log(store.database.identity, record.number, record.digest)
    made = report.build(
        STEPS,
        course.progress,
        site,
        outcome=outcome,
        version=appliance.__version__,
        ended=ended,
        operator={"user": caller.name, "role": caller.role.value},
        log=log,
    )
    signed, mark = report.seal(made, signing), fingerprint(signing.public)
    # Drawn from what can be read again, in the order in which it is read.
    drawn = page.draw(signed, report.read(signed, str(paths[0])).report, mark)
    with new_file(paths[0]) as file, new_file(paths[1]) as shown:  # both, or neither
        file.write(signed)
        shown.write(drawn)
    with translated(location.acceptance):
        location.acceptance.unlink(missing_ok=True)
    return {"report": str(paths[0]), "page": str(paths[1]), "fingerprint": mark}


def _print_plan(console: Console, rows: list[dict[str, Any]]) -> None:
    section = ""
    for row in rows:
        if row["section"] != section:
            section = row["section"]
            console.print(section, style="bold")
        told = "" if row["applies"] else f"  ({row['reason']})"
        style = None if row["applies"] else "dim"
        console.print(f"  {row['key']:<22} {row['title']}{told}", markup=False, style=style)


def _print_check(console: Console, data: dict[str, Any]) -> None:
    if not data["genuine"]:
        console.print("[bold red]refused[/]  ", end="")
        console.print(data["reason"], markup=False)
        return
    console.print(f"[bold green]genuine[/]  {printable(str(data['outcome']))}", end="")
    twins = " and ".join(map(str, data["simulated"] or ()))
    console.print(f", simulated: {twins}" if twins else "", markup=False)
    if data["reason"]:
        console.print(f"  {data['reason']}", markup=False)
    console.print(f"  signed by the key {data['fingerprint']}")
    if not data["key_given"]:
        console.print(
            "  Whose key that is, only a comparison tells: --key FINGERPRINT, as `appliance "
            "acceptance key` shows it on the device."
        )


def _print_end(console: Console, data: dict[str, Any]) -> None:
    if data["report"] is None:
        console.print(f"Open: {', '.join(data['open'])}.", markup=False)
        console.print("`appliance acceptance --resume` goes on.")
        return
    console.print(f"{data['report']}, and {data['page']} for people.", markup=False)
    console.print(f"Signed by the key {data['fingerprint']}.")
