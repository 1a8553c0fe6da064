"""A process that builds the pipeline, embeds one face and says so: what a cold start costs.

`appliance bench` starts it with the config as JSON on standard input, and stops its clock when that
has ended, which it does at once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from appliance.config import Config
from appliance.errors import ApplianceError, BadDataError

# Far above what any board takes; a child that hangs must not hang the command.
LONGEST_S = 120.0
# Isolated, and then with the parent's own search path: `python -m` would look into the working
# folder first, which may hold somebody else's files.
_CHILD = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from appliance.cold_start import main; sys.exit(main(sys.argv[1]))"
)


@dataclass(frozen=True)
class ColdStart:
    """ms: from the start of the process to its first embedding. rss_mb: its peak memory, MB."""

    ms: float
    rss_mb: float | None


def measure(config: Config, picture: Path) -> ColdStart:
    """Start a fresh process and wait for its first answer. BadDataError where it gives none.

    config: with a model's name, not `auto`. Its secrets stay here: the child needs none.
    """
    started = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - this very module
        [sys.executable, "-I", "-c", _CHILD, str(picture), *sys.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            out, err = child.communicate(config.model_dump_json(), timeout=LONGEST_S)
        except subprocess.TimeoutExpired:
            child.kill()
            raise _failed(f"gave no answer in {LONGEST_S:.0f} s") from None
    ms = (time.perf_counter() - started) * 1000
    if child.returncode != 0:
        last = err.strip().splitlines()[-1:]
        raise _failed(f"ended with exit code {child.returncode}: {' '.join(last)}".rstrip(".: "))
    return ColdStart(round(ms, 1), json.loads(out)["rss_mb"])


def _failed(what: str) -> BadDataError:
    return BadDataError(
        f"The process whose start is timed {what}.",
        hint="`appliance verify` with the same config shows what is amiss.",
        code="cold_start",
    )


def main(picture: str) -> int:
    """The child: one embedding of the picture's face, then a line of JSON."""
    from appliance import assemble
    from appliance.host import peak_memory_mb

    config = Config.model_validate_json(sys.stdin.read())
    try:
        perception = assemble.perception(config)
        with closing(assemble.file_camera([Path(picture)])) as camera:
            seen = perception.look(next(iter(camera.frames())))
    except ApplianceError as error:
        sys.stderr.write(f"{error.message}\n")
        return int(error.exit_code)
    if seen.embedding is None:
        sys.stderr.write(f"{seen.faults[0].value} in {picture}\n")
        return 1
    sys.stdout.write(json.dumps({"rss_mb": peak_memory_mb()}) + "\n")
    sys.stdout.flush()
    os._exit(0)  # tidying up is no part of the start that is timed
