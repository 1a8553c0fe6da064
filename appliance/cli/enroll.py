"""`appliance enroll`."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.cli import service
from appliance.cli.enrolled import for_people
from appliance.cli.session import Session, from_option, json_option
from appliance.errors import UsageError
from appliance.store.names import check_name


@click.command("enroll")
@click.option("--name", help="Whose face this is. Needed unless --from-folder tells.")
@from_option
@click.option(
    "--from-folder",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Enrol everybody in this folder: DIR/alice.jpg and all in DIR/alice/ are alice.",
)
@click.option("--replace", "anew", is_flag=True, help="Replace somebody's earlier template.")
@click.option("--dry-run", is_flag=True, help="With --from-folder: tell, and keep nobody.")
@json_option
@click.pass_obj
def command(  # noqa: PLR0913 - the options
    session: Session,
    *,
    name: str | None,
    sources: tuple[Path, ...],
    folder: Path | None,
    anew: bool,
    dry_run: bool,
) -> None:
    """Keep a person's face as a template.

    Five good pictures or more make a reliable template; frames that are blurred, dark, turned
    away or unlike the rest are left out and listed, and pictures of two people are refused.
    Without --from, the person at the camera is told what to do. With --from-folder, everybody in a
    folder is enrolled, one after the other: who cannot be is told with the reason and takes nothing
    from the others, and who is there already is left alone unless --replace is given.

    \b
    Example:
      appliance enroll --name alice --from photos-of-alice/
      appliance enroll --from-folder images/ --dry-run
    """
    if folder is not None:
        _require_alone(name, sources)
        from appliance.cli import enroll_folder

        enroll_folder.run(session, folder, replace=anew, dry_run=dry_run)
        return
    if name is None:
        raise click.UsageError("Missing option '--name'.")
    if dry_run:
        raise UsageError("--dry-run is for --from-folder.", hint="Leave it out.")
    name = check_name(name)
    asked = service.running(session)
    if asked is not None and not sources:
        data = service.guided(session, asked.enrol(name, replace=anew))
    else:
        from appliance.cli.enroll_here import enrolled

        data = enrolled(session, name, sources, replace=anew, service=asked)
    for warning in data["warnings"]:
        session.say(f"Warning: {warning}")
    session.result(data, lambda console: for_people(console, data))


def _require_alone(name: str | None, sources: tuple[Path, ...]) -> None:
    if name is not None or sources:
        raise UsageError(
            "--from-folder takes names and pictures from the folder.",
            hint="Leave --name and --from out.",
        )
