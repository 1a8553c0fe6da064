"""`appliance demo`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from appliance.cli.session import Session, json_option, printable
from appliance.cli.wording import describe_match, history_json, print_history
from appliance.demo import sheet, story
from appliance.demo.cameras import Shot
from appliance.types import Decision, Liveness

if TYPE_CHECKING:
    from rich.console import Console


@click.command("demo")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-out"),
    show_default=True,
    help="Folder for the contact sheet.",
)
@click.option("--enrol", multiple=True, type=click.Path(path_type=Path), help="Enrol from these.")
@click.option("--genuine", type=click.Path(path_type=Path), help="Shown as the same person.")
@click.option("--impostor", type=click.Path(path_type=Path), help="Shown as another person.")
@json_option
@click.pass_obj
def command(
    session: Session,
    out: Path,
    enrol: tuple[Path, ...],
    genuine: Path | None,
    impostor: Path | None,
) -> None:
    """Enrol one person, then try the door five times; the lock is simulated.

    Uses a bundled recording and pictures, or yours: a picture is judged by what it looks like
    alone, a recording must move as a head does. Everything is done by the parts that work at a
    real door, in a temporary folder; only the contact sheet stays.

    \b
    Example:
      appliance demo
      appliance demo --enrol me1.jpg --enrol me2.jpg --genuine me3.jpg --impostor you.jpg
    """
    usual = story.Cast()
    cast = story.Cast(
        [Shot(path) for path in enrol] or usual.enrolled,
        Shot(genuine) if genuine else usual.genuine,
        Shot(impostor) if impostor else usual.impostor,
    )
    with tempfile.TemporaryDirectory(prefix="appliance-demo-") as name:
        folder = Path(name)
        config = story.settings(folder / "state", session.config)
        if not session.as_json:
            _introduce(cast)
        account = story.play(config, cast, folder, lambda step: _tell(session, step))
    path = out / "contact-sheet.png"
    sheet.save(account, path)
    session.result(_as_json(account, path), lambda console: _end(console, account, path))


def _introduce(cast: story.Cast) -> None:
    names = printable(" and ".join(str(shot) for shot in cast.enrolled))
    click.echo(f"Enrolling {story.NAME!r} from {names}.")
    click.echo(
        "Then five attempts at the door. A recording plays as it is. A picture stands in for a "
        "person who stands\nstill: it is shown three times, moved by a few pixels, and judged by "
        "its appearance alone. Demo settings:\nsimulated lock, 0.5 s pulse, one good frame is "
        "enough to enrol, no wait between attempts.\n"
    )


def _tell(session: Session, step: story.Step) -> None:
    if session.as_json:
        return
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True, emoji=False)
    verdict = step.verdict
    if verdict is None:
        console.print(f"[bold red]refused[/]  {step.title}: {escape(printable(step.error))}")
        return
    style = "bold green" if verdict.decision is Decision.ACCEPT else "bold red"
    title = printable(f"{step.title} ({step.source})")
    console.print(f"[{style}]{verdict.decision.value}[/]  {escape(title)}: {verdict.reason}")
    if verdict.match is not None:
        console.print(f"    {describe_match(verdict.match)}")
    if verdict.liveness.score is not None:
        console.print(f"    liveness: {_describe(step.profile, verdict.liveness)}")
    stages = ", ".join(f"{name} {spent:.0f}" for name, spent in step.timings_ms.items())
    console.print(f"    {verdict.frames_used} frames used; ms: {stages}")


def _describe(profile: str, live: Liveness) -> str:
    text = f"{live.state.value}, score {live.score:.2f}, profile {profile}"
    reasons = ", ".join(why.value.replace("_", " ") for why in live.reasons)
    return f"{text}; against it: {reasons}" if reasons else text


def _as_json(account: story.Account, path: Path) -> dict[str, Any]:
    return {
        "enrolled": {
            "name": story.NAME,
            "frames_used": account.template.count,
            "model": account.template.model,
        },
        "steps": [_step_json(step) for step in account.steps],
        "lock_history": history_json(list(account.lock)),
        "contact_sheet": str(path),
    }


def _step_json(step: story.Step) -> dict[str, Any]:
    verdict = step.verdict
    match = verdict.match if verdict else None
    return {
        "title": step.title,
        "source": step.source,
        "decision": verdict.decision.value if verdict else None,
        "similarity": round(match.similarity, 5) if match else None,
        "threshold": round(match.threshold, 5) if match else None,
        "liveness": verdict.liveness.score if verdict else None,
        "liveness_profile": step.profile if verdict else None,
        "liveness_reasons": [why.value for why in verdict.liveness.reasons] if verdict else [],
        "error": step.error or None,
        "opened": any(event.state.value == "unlocked" for event in step.lock),
        "timings_ms": step.timings_ms,
    }


def _end(console: Console, account: story.Account, path: Path) -> None:
    console.print()
    print_history(console, list(account.lock), simulated=True)
    console.print(f"\nContact sheet: {escape(str(path))}")
