"""`python -m tests.patient_service …`: the program, with more time for its end on a slow machine.

Its own bound is for a board that keeps up. Tests that look at how it ends must not find it killed
by that where everything takes ten times as long.
"""

from __future__ import annotations

from tests.patience import FACTOR, patient

# What comes after the name of the interpreter.
WORDS = ("-m", "appliance") if FACTOR == 1 else ("-m", "tests.patient_service")


def stretch() -> None:
    """Let the service of this process end as slowly as tests here are patient."""
    from appliance.daemon import supervisor

    supervisor.STOP_WITHIN_S = patient(supervisor.STOP_WITHIN_S)


if __name__ == "__main__":
    from appliance.__main__ import main

    stretch()
    main()
