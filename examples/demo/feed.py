"""The feed of the page: server-sent events about the robot and the pulse of the server."""

from __future__ import annotations

import time
from asyncio import Queue
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Final

from circuits import Event, Timer, handler
from circuits.web import BaseController, EventStream, exceptions, expose

from .robot import Keeper
from .room import Room

LISTENERS: Final = 100
#: What waits for a page that does not keep up; what is more is dropped.
WAITING: Final = 50
NEWS: Final = 8


class Beat(Event[None]):
    """A second has passed."""


class Feed(BaseController):
    """Tells every page that listens."""

    channel = "/feed"

    def init(self, room: Room, keeper: Keeper) -> None:
        self.room = room
        self.keeper = keeper
        self.began = time.monotonic()
        self.requests = self.requests_before = 0
        self.news: deque[dict[str, Any]] = deque(maxlen=NEWS)
        self.listeners: set[Queue[dict[str, Any]]] = set()
        Timer(1, Beat(), self, persist=True).register(self)

    @expose()
    def GET(self) -> EventStream:
        if len(self.listeners) >= LISTENERS:
            raise exceptions.ServiceUnavailable("There are too many of you.")
        return EventStream(self._events())

    async def _events(self) -> AsyncIterator[dict[str, Any]]:
        queue: Queue[dict[str, Any]] = Queue(WAITING)
        self.listeners.add(queue)
        try:
            yield {"event": "robot", "data": self._robot()}
            while True:
                yield await queue.get()
        finally:
            self.listeners.discard(queue)

    @handler("news", channel="robot-news")
    def _on_news(self, text: str) -> None:
        self.news.append({"time": time.time(), "text": text})
        self._tell({"event": "robot", "data": self._robot()})

    @handler("request", channel="web", priority=20)
    def _on_request(self, *args: Any) -> None:
        self.requests += 1  # and leave it to the others

    @handler("beat")
    def _on_beat(self) -> None:
        requests, self.requests_before = self.requests - self.requests_before, self.requests
        self._tell({"event": "pulse", "data": {"requests": requests, **self.status()}})

    def _tell(self, news: dict[str, Any]) -> None:
        for queue in self.listeners:
            if not queue.full():
                queue.put_nowait(news)

    def _robot(self) -> dict[str, Any]:
        keeper = self.keeper
        return {"pid": keeper.robot_pid, "starts": keeper.starts, "news": list(self.news)}

    def status(self) -> dict[str, Any]:
        """What there is to say about the server."""
        return {
            "people": len(self.room.guests),
            "lines": self.room.lines,
            "uptime": round(time.monotonic() - self.began),
        }
