"""The door for telnet, and for everything else that sends lines over TCP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from circuits import Component, handler, sleep
from circuits.net.protocols.line import LP
from circuits.net.sockets import Close, TCPServer, Write

from .room import Guest, Refused, Room

CONNECTIONS: Final = 100
#: Who has not told a name by then has to go.
NAME_SECONDS: Final = 60
HELP: Final = "/who tells who is here, /nick NAME renames you, /quit leaves."


class Telnet(Component):
    channel = "telnet"

    def init(self, room: Room, bind: tuple[str, int]) -> None:
        self.room = room
        self.guests: dict[Any, Guest | None] = {}  # by socket
        self.server = TCPServer(bind, channel=self.channel, max_pending=1 << 20)
        self.server.register(self)
        LP(channel=self.channel, max_line=1000).register(self)

    # -- who comes by telnet --

    def connect(self, sock: Any, host: str, port: int) -> Iterator[Any]:
        if len(self.guests) >= CONNECTIONS:
            self._tell(sock, "There are too many of you.")
            self.fire(Close(sock))
            return
        self.guests[sock] = None
        self._tell(sock, "Welcome to the circuits demo. What is your name?")
        yield sleep(NAME_SECONDS)
        if self.guests.get(sock, self) is None:
            self._tell(sock, "Come back when you have one.")
            self.fire(Close(sock))

    def line(self, sock: Any, line: str) -> None:
        if sock not in self.guests:  # there were too many
            return
        guest = self.guests[sock]
        command, _, rest = line.strip().partition(" ")
        try:
            if guest is None:
                self._enter(sock, line)
            elif command == "/who":
                names = sorted(f"{other.name} ({other.door})" for other in self._others())
                self._tell(sock, "Here are: " + ", ".join(names))
            elif command == "/nick":
                self.room.rename(guest, rest.strip())
            elif command == "/quit":
                self.fire(Close(sock))
            elif command.startswith("/"):
                self._tell(sock, HELP)
            else:
                self.room.say(guest, line)
        except Refused as problem:
            self._tell(sock, str(problem))

    def disconnect(self, sock: Any) -> None:
        guest = self.guests.pop(sock, None)
        if guest is not None:
            self.room.leave(guest)

    def socket_error(self, sock: Any, problem: Exception) -> None:
        """A line was too long, or the connection broke: of neither there is more to say."""

    def _enter(self, sock: Any, name: str) -> None:
        self.guests[sock] = self.room.enter(name, "telnet")
        self._tell(sock, f"Hello {name.strip()}! {HELP}")
        for line in list(self.room.history)[-10:]:
            self._tell(sock, f"<{line.name}> {line.text}")

    def _others(self) -> list[Guest]:
        return list(self.room.guests.values())

    # -- what happens in the room --

    @handler("entered", channel="room")
    def _on_entered(self, guest: Guest) -> None:
        self._tell_all(f"* {guest.name} has come in ({guest.door})")

    @handler("left", channel="room")
    def _on_left(self, guest: Guest) -> None:
        self._tell_all(f"* {guest.name} has left")

    @handler("renamed", channel="room")
    def _on_renamed(self, guest: Guest, before: str) -> None:
        self._tell_all(f"* {before} is called {guest.name} now")

    @handler("said", channel="room")
    def _on_said(self, guest: Guest, line: Any) -> None:
        self._tell_all(f"<{line.name}> {line.text}", but=guest)

    def _tell_all(self, text: str, but: Guest | None = None) -> None:
        for sock, guest in self.guests.items():
            if guest is not None and guest is not but:
                self._tell(sock, text)

    def _tell(self, sock: Any, text: str) -> None:
        self.fire(Write(sock, text.encode() + b"\r\n"))
