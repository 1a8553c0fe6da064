"""The API in a thread of its own, on the Unix socket."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from appliance.config import ControlConfig
from appliance.control.authority import Rulers
from appliance.control.limits import Gate, Limits
from appliance.control.listening import BACKLOG, Listener
from appliance.control.peers import rulers
from appliance.control.service import Service
from appliance.errors import ApplianceError

if TYPE_CHECKING:
    import uvicorn

    from appliance.control.desk import Desk

_log = logging.getLogger(__name__)
_BEAT_S = 1.0
# Seconds between two looks, while it starts and while it serves: a door idles for years.
_LOOK_AGAIN_S = 0.02
_SERVING_S = 0.25
# Streams hear of the end at once; what else runs has so long.
_GRACE_S = 1.0


class ControlServer:
    """Serves `service` from `start` to `stop`.

    beat: called every second by the event loop, for the watchdog. known: who has which role,
    asked for every request, so that a reloaded config counts; by default what `config` names.
    """

    def __init__(
        self,
        config: ControlConfig,
        service: Service,
        *,
        known: Callable[[], Rulers] | None = None,
        beat: Callable[[], None] = lambda: None,
        limits: Limits | None = None,
    ) -> None:
        self._config, self._service, self._beat = config, service, beat
        self._known = known or (lambda: rulers(config))
        self._limits = limits or Limits()
        self._listener: Listener | None = None
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._ready = threading.Event()
        self._failed: BaseException | None = None

    @property
    def alive(self) -> bool:
        """Whether it serves, or is about to."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def shared(self) -> bool:
        """Whether the group of the config may connect, and not only the service's own user."""
        return self._listener is not None and self._listener.shared

    def start(self) -> None:
        """Listen, and begin to serve in a thread; requests wait until it does.

        Raises ConfigError where the socket's path cannot be used, DeviceBusyError where another
        service answers there.
        """
        self._listener = Listener(self._config.socket, self._config.group)
        if not self._listener.shared:
            _log.warning(
                "only the service's own user and root may use %s: there is no group %s, or this "
                "user is not in it",
                self._config.socket,
                self._config.group,
            )
        self._thread = threading.Thread(target=self._run, name="api", daemon=True)
        self._thread.start()

    def wait_ready(self, timeout_s: float = 10.0) -> None:
        """Return once requests are answered. ApplianceError when that does not come about."""
        if self._ready.wait(timeout_s) and self._failed is None:
            return
        raise ApplianceError(
            f"The API did not start: {self._failed or f'not within {timeout_s:g} s'}.",
            hint="This is a bug of the appliance; its log has the details.",
        )

    def stop(self, timeout_s: float = 3.0) -> None:
        """End all streams, answer what was asked, and take the socket away; may be called twice."""
        self._ending.set()
        if self._listener is not None:
            self._listener.remove()
        if self._thread is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                _log.warning("the API did not end within %g s", timeout_s)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - this thread's edge: told by wait_ready
            self._failed = error
            _log.exception("the API has ended")
        finally:
            self._ready.set()
            if self._listener is not None:
                self._listener.socket.close()

    async def _serve(self) -> None:
        server, desk = self._built()
        if self._listener is None:
            raise RuntimeError("the API was run before it was started")
        serving = asyncio.ensure_future(server.serve(sockets=[self._listener.socket]))
        beating = asyncio.ensure_future(self._beats())
        try:
            while not self._ending.is_set() and not serving.done():
                await asyncio.sleep(_SERVING_S if self._ready.is_set() else _LOOK_AGAIN_S)
                if server.started:
                    self._ready.set()
            desk.close()
            server.should_exit = True
            await serving
        finally:
            beating.cancel()

    def _built(self) -> tuple[uvicorn.Server, Desk]:
        # Loaded here: a second of work on a small board, beside the rest of the start.
        import uvicorn

        from appliance.control.app import make_app
        from appliance.control.connection import bounded

        limits = self._limits
        app, desk = make_app(self._service, self._known, limits, time.monotonic)
        settings = uvicorn.Config(
            app,
            http=bounded(limits, Gate(limits)),
            loop="asyncio",
            ws="none",
            lifespan="off",
            # As many are accepted in one go, before any of them can be turned away: each takes a
            # file descriptor from the camera and the database.
            backlog=BACKLOG,
            log_config=None,
            log_level=logging.ERROR,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            h11_max_incomplete_event_size=limits.head_bytes,
            timeout_keep_alive=round(limits.idle_s),
            timeout_graceful_shutdown=round(_GRACE_S),
        )
        return uvicorn.Server(settings), desk

    async def _beats(self) -> None:
        while True:
            self._beat()
            await asyncio.sleep(_BEAT_S)
