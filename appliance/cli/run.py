"""`appliance run`."""

from __future__ import annotations

import os

import click

from appliance import assemble
from appliance.cli.session import Session, json_option
from appliance.journal import logging_to
from appliance.sdnotify import ServiceManager


@click.command("run")
@json_option
@click.pass_obj
def command(session: Session) -> None:
    """Serve the door until SIGTERM: what the system service runs.

    Owns the camera and the lock, answers the other commands on the socket of control.socket, and
    writes its log to standard error. SIGHUP reads the configuration anew; a faulty one is refused
    and the old one stays.

    \b
    Example:
      appliance --config config.yaml run
    """
    written = session.written
    clock = assemble.clock()
    manager = ServiceManager.of(os.environ, clock, pid=os.getpid())
    # What was imported until here takes a slow card the longest.
    manager.advanced("the libraries are loaded")
    from appliance.daemon.supervisor import Supervisor

    with logging_to(os.environ, level=written.log.level):
        Supervisor(session.config_path, written, manager).run()
