"""The `appliance` command: its global options, and what becomes of errors."""

from __future__ import annotations

import signal
import sys
import traceback
from importlib import import_module
from pathlib import Path
from types import FrameType

import click

import appliance
from appliance.cli.session import (
    Session,
    drop_output,
    flush_output,
    json_option,
    report,
    settle_streams,
)
from appliance.errors import ApplianceError, ExitCode, UsageError

# Command → module that holds a click command of that name. Loaded when called: `--help` and a
# typo should not wait for OpenCV.
COMMANDS = {
    "enroll": "enroll",
    "verify": "verify",
    "identify": "identify",
    "people": "people",
    "door": "door",
    "audit": "audit",
    "backup": "backup",
    "run": "run",
    "status": "status",
    "unlock": "unlock",
    "doctor": "doctor",
    "acceptance": "acceptance",
    "models": "models",
    "config": "settings",
    "explain": "explain",
    "evaluate": "evaluate",
    "calibrate": "calibrate",
    "bench": "bench",
    "classifier": "classifier",
    "dataset": "dataset",
    "train": "train",
    "demo": "demo",
    "annotate": "annotate",
    "greet": "greet",
}

INTERRUPTED = 130


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """In the order in which a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - likewise
        """Load one command."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"appliance.cli.{COMMANDS[cmd_name]}")
        command: click.Command = module.command
        return command


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 yes or done, 1 a clean no, 2 wrong usage, 3 bad input, config, model "
    "or data, 4 hardware missing or failing, 5 daemon unreachable, 70 a bug.",
)
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="config.yaml to use. Default: $APPLIANCE_CONFIG, else /etc/appliance/config.yaml.",
)
@json_option
@click.version_option(appliance.__version__, "-V", "--version", prog_name="appliance")
@click.pass_context
def cli(context: click.Context, config_path: Path | None) -> None:
    """A door that recognises the person who claims to be Alice.

    \b
    Example:
      appliance enroll --name alice --from alice1.jpg --from alice2.jpg
      appliance verify --name alice --from door.jpg
    """
    as_json = context.obj.as_json if isinstance(context.obj, Session) else False
    context.obj = Session(config_path, as_json=as_json)


def main() -> None:
    """Run, and leave with the documented exit code."""
    settle_streams()
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Also when an installer's connection breaks in the middle of a pulse; not under nohup.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _terminated)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; the exit code."""
    as_json = "--json" in arguments
    try:
        outcome = cli.main(args=arguments, prog_name="appliance", standalone_mode=False)
        flush_output()
    except ApplianceError as error:
        report(error, as_json=as_json)
        return int(error.exit_code)
    except click.UsageError as error:
        _misused(error, as_json=as_json)
        return int(ExitCode.USAGE)
    except (click.Abort, KeyboardInterrupt):
        report(ApplianceError("Interrupted.", code="interrupted"), as_json=as_json)
        return INTERRUPTED
    except BrokenPipeError:
        drop_output()
        return int(ExitCode.OK)
    except Exception as error:  # noqa: BLE001 - the edge: what nobody foresaw is a bug
        _bug(error, as_json=as_json)
        return int(ExitCode.BUG)
    return outcome if isinstance(outcome, int) else int(ExitCode.OK)


def _misused(error: click.UsageError, *, as_json: bool) -> None:
    if type(error).__name__ == "NoArgsIsHelpError" and not as_json:  # from click 8.2 on
        click.echo(error.format_message(), err=True)
        return
    command = error.ctx.command_path if error.ctx else "appliance"
    message = "; ".join(error.format_message().splitlines())
    hint = f"`{command} --help` shows how it is used."
    report(UsageError(message, hint=hint), as_json=as_json)


def _bug(error: Exception, *, as_json: bool) -> None:
    traceback.print_exc()
    text = f"{type(error).__name__}: {error}"
    hint = "This is a bug of the appliance; please report it with the lines above."
    report(ApplianceError(text, hint=hint), as_json=as_json)


def _terminated(number: int, _frame: FrameType | None) -> None:
    # As an exception, so that every `finally` runs and a door in a pulse is locked; a second
    # signal must not interrupt that.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(128 + number)
