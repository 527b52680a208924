"""What supervisors want to know: whether a server is well, and wants requests."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from circuits.core.components import BaseComponent
from circuits.core.events import Event
from circuits.core.handlers import handler

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from circuits.core.manager import Manager

    from .wrappers import Request, Response

__all__ = ["Draining", "Health"]

_log = logging.getLogger("circuits.web.health")


class Draining(Event):
    """A server is about to close, and wants no new clients; what it has it still answers.

    Fired by who stops it, in time for load balancers to notice. Return values are ignored.

    .. versionadded:: 2.1
    """


class Health(BaseComponent):
    """Answers whether the process is alive, and whether it wants requests.

    Liveness is always 200. Readiness is 503 from the event :class:`Draining` on, from when the
    application is stopped, and as long as a check fails. Handles ``request`` (priority 30),
    ``draining``, ``stopped`` and ``started``, which makes it ready again.

    Args:
        path: Where liveness is asked for; ``None`` for nowhere.
        ready: Where readiness is asked for; ``None`` for nowhere.
        checks: By name, functions that say whether something that is needed is there. They are
            called on the loop, for each question, and must not wait. One that raises has failed.
        channel: The channel of the server.

    Attributes:
        is_draining: Whether no new clients are wanted.

    .. versionadded:: 2.1
    """

    channel = "web"

    def __init__(
        self,
        path: str | None = "/healthz",
        ready: str | None = "/readyz",
        *,
        checks: Mapping[str, Callable[[], object]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.ready = ready
        self.checks = dict(checks or {})
        self.is_draining = False

    @handler("draining", channel="*")
    def _on_draining(self) -> None:
        self.is_draining = True

    @handler("stopped", channel="*")
    def _on_stopped(self, component: Manager) -> None:
        self.is_draining = True

    @handler("started", channel="*")
    def _on_started(self, component: Manager) -> None:
        self.is_draining = False

    @handler("request", priority=30, filter=True)
    def _on_request(self, request: Request, response: Response, *peer_cert: Any) -> Any:
        if request.path not in (self.path, self.ready):
            return None
        headers = response.headers
        if request.method not in ("GET", "HEAD"):
            headers["Allow"] = "GET, HEAD"
            response.code = 405
            return response
        headers["Content-Type"] = "text/plain; charset=utf-8"
        headers["Cache-Control"] = "no-store"
        problem = self._problem() if request.path == self.ready else None
        if problem is not None:
            response.code = 503
        response.body = f"{problem or 'ok'}\n"
        return response

    def _problem(self) -> str | None:
        if self.is_draining:
            return "draining"
        failed = []
        for name, check in self.checks.items():
            try:
                is_well = bool(check())
            except Exception:  # of an application: the log has it, the client need not know
                _log.exception("the check %r failed", name)
                is_well = False
            if not is_well:
                failed.append(name)
        return f"not ready: {', '.join(failed)}" if failed else None
