"""The room of the chat: who is there, and what they say.

What people ask of it are calls, since they want to know at once. What happens in it are events on its
channel, since it need not know who wants to hear of that: it has never heard of browsers or IRC.
"""

from __future__ import annotations

import re
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from circuits import BaseComponent, Event

PEOPLE: Final = 200
HISTORY: Final = 50
#: So that a line of IRC, which has 512 bytes, has room for it and for who says it.
TEXT_BYTES: Final = 360
#: So many lines somebody may say in so many seconds.
LINES, SECONDS = 8, 10.0

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,15}")


class Refused(Exception):
    """Something is not possible; the text is for the one who asked."""


@dataclass(eq=False)
class Guest:
    """Somebody who is in the room.

    Attributes:
        name: What the others call them.
        door: How they came: ``"web"``, ``"telnet"``, ``"IRC"`` ...
    """

    name: str
    door: str
    spoke: deque[float] = field(default_factory=lambda: deque(maxlen=LINES), repr=False)


@dataclass(frozen=True)
class Line:
    """What somebody said; ``picture`` is the path of one, if they showed it."""

    name: str
    door: str
    text: str
    picture: str | None = None
    time: float = field(default_factory=time.time)


class Entered(Event[None]):
    """Somebody has come in."""

    guest: Guest


class Left(Event[None]):
    """Somebody has gone."""

    guest: Guest


class Renamed(Event[None]):
    """Somebody is called otherwise now."""

    guest: Guest
    before: str


class Said(Event[None]):
    """Somebody has said something."""

    guest: Guest
    line: Line


class Room(BaseComponent):
    """Keeps names apart, remembers the last lines, and tells everybody."""

    channel = "room"

    def init(self) -> None:
        self.guests: dict[str, Guest] = {}  # by name, in lower case
        self.history: deque[Line] = deque(maxlen=HISTORY)
        self.lines = 0

    def check(self, name: str) -> str:
        """The name, if somebody may come in with it."""
        name = name.strip()
        if not _NAME.fullmatch(name):
            raise Refused("A name is a letter and up to 15 more letters, digits, _ or -.")
        if name.lower() in self.guests:
            raise Refused(f"Somebody here is called {name} already.")
        return name

    def enter(self, name: str, door: str) -> Guest:
        name = self.check(name)
        if len(self.guests) >= PEOPLE:
            raise Refused("The room is full.")
        guest = self.guests[name.lower()] = Guest(name, door)
        self.fire(Entered(guest))
        return guest

    def rename(self, guest: Guest, name: str) -> None:
        if name.lower() != guest.name.lower():
            name = self.check(name)
        before, guest.name = guest.name, name
        del self.guests[before.lower()]
        self.guests[name.lower()] = guest
        self.fire(Renamed(guest, before))

    def say(self, guest: Guest, text: str, picture: str | None = None) -> None:
        text = _plain(text)
        if not text:
            return
        now = time.monotonic()
        if len(guest.spoke) == LINES and now - guest.spoke[0] < SECONDS:
            raise Refused("Not so fast, please.")
        guest.spoke.append(now)
        line = Line(guest.name, guest.door, text, picture)
        self.history.append(line)
        self.lines += 1
        self.fire(Said(guest, line))

    def leave(self, guest: Guest) -> None:
        if self.guests.pop(guest.name.lower(), None) is not None:
            self.fire(Left(guest))


def _plain(text: str) -> str:
    """One line that commands no terminal and turns no text around, and is not too long."""
    text = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    return text.encode()[:TEXT_BYTES].decode(errors="ignore")
