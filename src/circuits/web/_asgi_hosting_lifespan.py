"""The lifespan of a hosted ASGI application: what it does before its first request, and last."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._asgi_hosting import App, Message

__all__ = ["Lifespan"]

_log = logging.getLogger("circuits.web")


class Lifespan:
    """One application, from start to end. One that knows nothing of this is served without.

    Args:
        app: The application.
        report: Tells of an exception.

    Attributes:
        state: What the application shares with its requests.
        failure: Why it cannot start; ``None`` if it can.
        is_over: Whether the application has ended this, or never began.
    """

    def __init__(self, app: App, report: Callable[[BaseException], object]) -> None:
        self.state: dict[str, Any] = {}
        self.failure: str | None = None
        self.is_over = False
        self._app = app
        self._report = report
        self._messages: asyncio.Queue[str] = asyncio.Queue()
        self._messages.put_nowait("lifespan.startup")
        self._started = asyncio.Event()
        self._stopped = asyncio.Event()

    @property
    def has_started(self) -> bool:
        """Whether the application can be called now."""
        return self._started.is_set() and self.failure is None

    async def run(self) -> None:
        """Call the application."""
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self._app(scope, self._receive, self._send)
        except Exception as problem:
            if self.failure is None and self._started.is_set():
                self._report(problem)
            elif self.failure is None:
                _log.info("%r has no lifespan: %r", self._app, problem)
        finally:
            self.is_over = True
            self._started.set()
            self._stopped.set()

    async def _receive(self) -> Message:
        return {"type": await self._messages.get()}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.complete":
            self._started.set()
        elif kind == "lifespan.startup.failed":
            self.failure = message.get("message") or "it does not say why"
            self._started.set()
        elif kind == "lifespan.shutdown.complete":
            self._stopped.set()
        elif kind == "lifespan.shutdown.failed":
            _log.error("an application failed to shut down: %s", message.get("message", ""))
            self._stopped.set()
        else:
            raise RuntimeError(f"a lifespan has no message {kind!r:.80}")

    async def start(self) -> str | None:
        """Wait until the application can be called; gives why it cannot."""
        await self._started.wait()
        return self.failure

    async def stop(self) -> None:
        """Have the application end; wait for it."""
        if not self.is_over:
            self._messages.put_nowait("lifespan.shutdown")
            await self._stopped.wait()
