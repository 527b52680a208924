"""The door for IRC: a small server of one channel, ``#circuits``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from circuits import Component, __version__, handler, sleep
from circuits.net.sockets import Close, TCPServer, Write
from circuits.protocols.irc import IRC, Message, replies

from .room import Guest, Line, Refused, Room

SERVER: Final = "demo.circuits"
CHANNEL: Final = "#circuits"
TOPIC: Final = "Some are here by IRC, some by telnet, some in a browser"
CONNECTIONS: Final = 100
#: Who has not registered by then has to go.
REGISTER_SECONDS: Final = 60


class Client:
    """A connection: registered when it has a name and an account, in the room when it has joined."""

    def __init__(self, sock: Any) -> None:
        self.sock = sock
        self.nick = ""
        self.account = ""
        self.is_negotiating = False
        self.is_registered = False
        self.guest: Guest | None = None


class IRCServer(Component):
    """Commands of a client are events, called after them, that begin with its socket.

    Each takes ``*rest``, since a client may send more parameters than it should, and has
    defaults, since it may send fewer.
    """

    channel = "irc"

    def init(self, room: Room, bind: tuple[str, int]) -> None:
        self.room = room
        self.clients: dict[Any, Client] = {}  # by socket
        self.server = TCPServer(bind, channel=self.channel, max_pending=1 << 20)
        self.server.register(self)
        IRC(channel=self.channel).register(self)

    # -- connections --

    def connect(self, sock: Any, host: str, port: int) -> Iterator[Any]:
        client = Client(sock)
        if len(self.clients) >= CONNECTIONS:
            self._hang_up(client, "There are too many of you")
            return
        self.clients[sock] = client
        yield sleep(REGISTER_SECONDS)
        if self.clients.get(sock) is client and not client.is_registered:
            self._hang_up(client, "You did not register")

    def disconnect(self, sock: Any) -> None:
        client = self.clients.pop(sock, None)
        if client is not None and client.guest is not None:
            self.room.leave(client.guest)

    def socket_error(self, sock: Any, problem: Exception) -> None:
        """A line was too long, or the connection broke: of neither there is more to say."""

    def _hang_up(self, client: Client, reason: str) -> None:
        self._send(client, replies.ERROR(SERVER, reason))
        self.fire(Close(client.sock))

    # -- who somebody is --

    def cap(self, sock: Any, source: Any, command: str = "", *rest: str) -> None:
        """There are no capabilities; but a client that asks must be waited for."""
        client = self.clients.get(sock)
        if client is None:
            return
        match command.upper():
            case "LS" | "LIST":
                client.is_negotiating = not client.is_registered
                self._send(client, Message("CAP", client.nick or "*", command.upper(), ""))
            case "REQ":
                wanted = _cut(" ".join(rest))
                self._send(client, Message("CAP", client.nick or "*", "NAK", wanted))
            case "END":
                client.is_negotiating = False
                self._register(client)

    def nick(self, sock: Any, source: Any, name: str = "", *rest: str) -> None:
        client = self.clients.get(sock)
        if client is None:
            return
        try:
            if client.guest is not None:
                self.room.rename(client.guest, name)  # the event tells everybody
                return
            name = self.room.check(name)
        except Refused:
            taken = name.lower() in self.room.guests
            refusal = replies.ERR_NICKNAMEINUSE if taken else replies.ERR_ERRONEUSNICKNAME
            self._send(client, refusal(_word(name)))
            return
        if client.is_registered:
            self._send(client, Message("NICK", name, prefix=_source(client.nick, "IRC")))
        client.nick = name
        self._register(client)

    def user(self, sock: Any, source: Any, account: str = "", *rest: str) -> None:
        client = self.clients.get(sock)
        if client is not None and not client.account:
            client.account = account
            self._register(client)

    def _register(self, client: Client) -> None:
        if client.is_registered or client.is_negotiating:
            return
        if client.nick and client.account:
            client.is_registered = True
            self._send(client, replies.RPL_WELCOME("circuits"))
            self._send(client, replies.RPL_YOURHOST(SERVER, f"circuits-{__version__}"))
            self._send(client, replies.RPL_MOTDSTART(SERVER))
            self._send(client, replies.RPL_MOTD(f"Say /join {CHANNEL}"))
            self._send(client, replies.RPL_ENDOFMOTD())

    def ping(self, sock: Any, source: Any, text: str = "", *rest: str) -> None:
        client = self.clients.get(sock)
        if client is not None:
            self._send(client, replies.PONG(SERVER, _cut(text)))

    def quit(self, sock: Any, source: Any, *rest: str) -> None:
        client = self.clients.get(sock)
        if client is not None:
            self._hang_up(client, "Bye")

    # -- in the room --

    @handler("join")  # a component has a method of that name
    def _on_join(self, sock: Any, source: Any, channels: str = "", *rest: str) -> None:
        client = self._registered(sock)
        if client is None or client.guest is not None:
            return
        if CHANNEL not in channels.split(","):
            self._send(client, replies.ERR_NOSUCHCHANNEL(_word(channels)))
            return
        try:
            client.guest = self.room.enter(client.nick, "IRC")
        except Refused:
            self._send(client, replies.ERR_NICKNAMEINUSE(client.nick))

    def part(self, sock: Any, source: Any, *rest: str) -> None:
        client = self._registered(sock)
        if client is not None and client.guest is not None:
            self.room.leave(client.guest)

    def privmsg(self, sock: Any, source: Any, target: str = "", text: str = "", *rest: str) -> None:
        client = self._registered(sock)
        if client is None:
            return
        if client.guest is None or target != CHANNEL:
            self._send(client, replies.ERR_CANNOTSENDTOCHAN(_word(target)))
            return
        try:
            self.room.say(client.guest, text)
        except Refused as problem:
            self._send(client, Message("NOTICE", client.nick, str(problem)))

    def names(self, sock: Any, source: Any, *rest: str) -> None:
        client = self._registered(sock)
        if client is not None:
            names = sorted(guest.name for guest in self.room.guests.values())
            for begin in range(0, len(names), 20):  # so that a line is not too long
                self._send(client, replies.RPL_NAMEREPLY(CHANNEL, names[begin : begin + 20]))
            self._send(client, replies.RPL_ENDOFNAMES(CHANNEL))

    def who(self, sock: Any, source: Any, mask: str = CHANNEL, *rest: str) -> None:
        client = self._registered(sock)
        if client is None:
            return
        for guest in self.room.guests.values():
            if mask.lower() in (CHANNEL, guest.name.lower()):
                self._send(
                    client,
                    replies.RPL_WHOREPLY(
                        CHANNEL, guest.door, SERVER, SERVER, guest.name, "H", 0, guest.name
                    ),
                )
        self._send(client, replies.RPL_ENDOFWHO(_word(mask)))

    def topic(self, sock: Any, source: Any, *rest: str) -> None:
        client = self._registered(sock)
        if client is not None:
            self._send(client, replies.RPL_TOPIC(CHANNEL, TOPIC))

    def mode(self, sock: Any, source: Any, target: str = "", *rest: str) -> None:
        client = self._registered(sock)
        if client is not None and target == CHANNEL and not rest:
            self._send(client, replies.RPL_CHANNELMODEIS(CHANNEL, "+t"))

    def _registered(self, sock: Any) -> Client | None:
        client = self.clients.get(sock)
        if client is not None and not client.is_registered:
            self._send(client, replies.ERR_NOTREGISTERED())
            return None
        return client

    # -- what happens in the room --

    @handler("entered", channel="room")
    def _on_entered(self, guest: Guest) -> None:
        self._send_all(Message("JOIN", CHANNEL, prefix=_source(guest.name, guest.door)))
        for client in self.clients.values():
            if client.guest is guest:
                self.topic(client.sock, None)
                self.names(client.sock, None)

    @handler("left", channel="room")
    def _on_left(self, guest: Guest) -> None:
        self._send_all(Message("PART", CHANNEL, prefix=_source(guest.name, guest.door)))
        for client in self.clients.values():
            if client.guest is guest:
                client.guest = None

    @handler("renamed", channel="room")
    def _on_renamed(self, guest: Guest, before: str) -> None:
        self._send_all(Message("NICK", guest.name, prefix=_source(before, guest.door)))
        for client in self.clients.values():
            if client.guest is guest:
                client.nick = guest.name

    @handler("said", channel="room")
    def _on_said(self, guest: Guest, line: Line) -> None:
        source = _source(line.name, line.door)
        self._send_all(Message("PRIVMSG", CHANNEL, line.text, prefix=source), but=guest)

    def _send_all(self, message: Message, but: Guest | None = None) -> None:
        for client in self.clients.values():
            if client.guest is not None and client.guest is not but:
                self._send(client, message)

    def _send(self, client: Client, message: Message) -> None:
        if message.add_nick:
            message.args.insert(0, client.nick or "*")
        if message.prefix is None and message.command != "ERROR":
            message.prefix = SERVER
        self.fire(Write(client.sock, bytes(message)))


def _source(name: str, door: str) -> str:
    return f"{name}!{door}@{SERVER}"


def _cut(text: str) -> str:
    """What a client has sent, so that it fits into the line of an answer."""
    return text[:100]


def _word(text: str) -> str:
    """The same, as a parameter before others."""
    return _cut(text.partition(" ")[0].lstrip(":")) or "*"
