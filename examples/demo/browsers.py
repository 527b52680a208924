"""The door for browsers: a WebSocket for each page that is open."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Final

from circuits import handler
from circuits.web import BaseController, WebSocket, broadcast, expose

from .room import Guest, Line, Refused, Room

PAGES: Final = 200
#: Of one visitor.
TABS: Final = 8


class Browsers(BaseController):
    """Everybody may listen; who has told a name may speak.

    Pages are sent JSON: ``{"kind": "said", ...}``. What they send is what their people say.
    """

    channel = "/talk"

    def init(self, room: Room) -> None:
        self.room = room
        self.pages: set[WebSocket] = set()
        self.visitors: dict[str, tuple[Guest, set[WebSocket]]] = {}  # by what their sessions say

    @expose.websocket("index", max_message_bytes=2000, buffered_bytes=1_000_000)
    async def _talk(self, websocket: WebSocket) -> None:
        if len(self.pages) >= PAGES:
            await websocket.close(1013, "There are too many of you.")
            return
        visitor, name = self.session.get("visitor", ""), self.session.get("name")
        self.pages.add(websocket)
        try:
            guest = self._seat(visitor, name, websocket) if name else None
            self._tell(websocket, "hello", you=guest and guest.name, history=self._history())
            self._tell(websocket, "people", people=self._people())
            async for text in websocket:
                if guest is not None and isinstance(text, str):
                    self._say(websocket, guest, text)
        except Refused as problem:
            self._tell(websocket, "refused", text=str(problem))
            await websocket.close(4000, "refused")
        finally:
            self.pages.discard(websocket)
            self._rise(visitor, websocket)

    def _say(self, websocket: WebSocket, guest: Guest, text: str) -> None:
        try:
            self.room.say(guest, text)
        except Refused as problem:
            self._tell(websocket, "notice", text=str(problem))

    # -- one guest for all tabs of a visitor --

    def _seat(self, visitor: str, name: str, websocket: WebSocket) -> Guest:
        if visitor not in self.visitors:
            self.visitors[visitor] = (self.room.enter(name, "web"), set())
        guest, tabs = self.visitors[visitor]
        if len(tabs) >= TABS:
            raise Refused("That are enough windows.")
        tabs.add(websocket)
        return guest

    def _rise(self, visitor: str, websocket: WebSocket) -> None:
        guest, tabs = self.visitors.get(visitor, (None, set()))
        tabs.discard(websocket)
        if guest is not None and not tabs:
            del self.visitors[visitor]
            self.room.leave(guest)

    def guest(self, visitor: str) -> Guest | None:
        """Who a visitor is in the room, if a page of theirs is open."""
        return self.visitors[visitor][0] if visitor in self.visitors else None

    # -- what happens in the room --

    @handler("entered", channel="room")
    def _on_entered(self, guest: Guest) -> None:
        self._tell_all("entered", name=guest.name, door=guest.door, people=self._people())

    @handler("left", channel="room")
    def _on_left(self, guest: Guest) -> None:
        self._tell_all("left", name=guest.name, door=guest.door, people=self._people())

    @handler("renamed", channel="room")
    def _on_renamed(self, guest: Guest, before: str) -> None:
        self._tell_all("renamed", name=guest.name, before=before, people=self._people())

    @handler("said", channel="room")
    def _on_said(self, guest: Guest, line: Line) -> None:
        self._tell_all("said", **asdict(line))

    def _people(self) -> list[list[str]]:
        return sorted([guest.name, guest.door] for guest in self.room.guests.values())

    def _history(self) -> list[dict[str, Any]]:
        return [asdict(line) for line in self.room.history]

    def _tell(self, websocket: WebSocket, kind: str, **what: Any) -> None:
        broadcast([websocket], json.dumps({"kind": kind, **what}))

    def _tell_all(self, kind: str, **what: Any) -> None:
        broadcast(self.pages, json.dumps({"kind": kind, **what}))
