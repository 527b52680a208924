"""IRC: commands to lines, and lines to events (manual: circuits.net.protocols.irc).

The names of commands are those of the protocol and belong to two families of events: what is fired
to send something derives from :class:`Command` and is written in capitals, what is fired because
something came derives from :class:`Response`.
"""

from __future__ import annotations

from typing import Any

from circuits._wire import irc as wire
from circuits._wire._irc_capabilities import Negotiation
from circuits._wire._irc_capabilities import State as _Negotiating
from circuits.core.components import Component
from circuits.core.events import Event
from circuits.core.handlers import handler
from circuits.net.sockets import SocketError, Write

from . import _irc_numerics as numerics
from ._irc_events import (
    AWAY,
    CAP,
    CTCP,
    CTCPREPLY,
    INVITE,
    JOIN,
    KICK,
    MODE,
    NAMES,
    NICK,
    NOTICE,
    PART,
    PASS,
    PING,
    PONG,
    PRIVMSG,
    QUIT,
    RAW,
    TOPIC,
    USER,
    WHO,
    WHOIS,
    Cap,
    Capabilities,
    Command,
    Ctcp,
    Invite,
    Join,
    Kick,
    Message,
    Mode,
    Nick,
    Notice,
    Numeric,
    Part,
    Ping,
    Pong,
    Quit,
    Response,
    ServerError,
    Topic,
)
from ._irc_numerics import *  # noqa: F403 - documented names
from .line import LP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "AWAY",
    "CAP",
    "CTCP",
    "CTCPREPLY",
    "INVITE",
    "IRC",
    "JOIN",
    "KICK",
    "MODE",
    "NAMES",
    "NICK",
    "NOTICE",
    "PART",
    "PASS",
    "PING",
    "PONG",
    "PRIVMSG",
    "QUIT",
    "RAW",
    "TOPIC",
    "USER",
    "WHO",
    "WHOIS",
    "Cap",
    "Capabilities",
    "Command",
    "Ctcp",
    "Invite",
    "Join",
    "Kick",
    "Message",
    "Mode",
    "Nick",
    "Notice",
    "Numeric",
    "Part",
    "Ping",
    "Pong",
    "Quit",
    "Response",
    "ServerError",
    "Topic",
    "sourceJoin",
    "sourceSplit",
    "strip",
]
__all__ += [name for name in vars(numerics) if name.isupper()]

#: Longest line that is taken: a message with all the tags it may have, without CR LF.
MAX_LINE = wire.RECEIVED_TAGS_BYTES + wire.MESSAGE_BYTES - 2


# -- functions ---------------------------------------------------------------------------------


def strip(s: str, color: bool = False) -> str:
    """Drop one leading colon.

    Args:
        s: Text of a message.
        color: Whether to drop the characters 1 and 2, too: delimiters of CTCP, and bold.
    """
    text = s.removeprefix(":")
    return text.replace("\x01", "").replace("\x02", "") if color else text


def sourceJoin(nick: str, ident: str, host: str) -> str:
    """``nick!ident@host``."""
    return wire.join_source(nick, ident, host)


def sourceSplit(source: str) -> tuple[str, str | None, str | None]:
    """Split ``nick!ident@host``; anything else is returned as ``(source, None, None)``."""
    return wire.split_source(source)


# -- the component -----------------------------------------------------------------------------


def _take(rest: str) -> tuple[str, str]:
    """The first parameter, and what follows it."""
    if rest[:1] == ":":
        return rest[1:], ""
    word, _, rest = rest.partition(" ")
    return word, rest.lstrip(" ")


def _numeric(parts: wire.Parts) -> Numeric:
    target, rest = _take(parts.rest)
    arg = None
    if rest and rest[0] != ":":
        arg, rest = _take(rest)
    return Numeric(parts.source or "", target, int(parts.command), arg, rest.removeprefix(":"))


def _text(kind: type[Response]) -> Callable[[Any, str], Response | None]:
    """For messages with a target, perhaps with a second one, and text that may not be missing."""

    def make(source: Any, rest: str) -> Response | None:
        target, rest = _take(rest)
        return kind(source, target, rest.removeprefix(":")) if target and rest else None

    return make


def _one(kind: type[Response]) -> Callable[[Any, str], Response | None]:
    """For messages with one parameter."""

    def make(source: Any, rest: str) -> Response | None:
        word, _ = _take(rest)
        return kind(source, word) if word else None

    return make


def _privmsg(source: Any, rest: str) -> Response | None:
    target, rest = _take(rest)
    if not target or not rest:
        return None
    text = rest.removeprefix(":")
    if text[:1] != "\x01":
        return Message(source, target, text)
    kind, _, text = strip(text, color=True).partition(" ")
    return Ctcp(source, target, kind, text)


def _part(source: Any, rest: str) -> Response | None:
    channel, rest = _take(rest)
    return Part(source, channel, rest.removeprefix(":")) if channel else None


def _kick(source: Any, rest: str) -> Response | None:
    channel, rest = _take(rest)
    nick, rest = _take(rest)
    return Kick(source, channel, nick, rest.removeprefix(":")) if nick else None


def _cap(source: Any, rest: str) -> Response | None:
    _, rest = _take(rest)  # our nickname, or a star
    subcommand, rest = _take(rest)
    if not subcommand:
        return None
    return Cap(source, subcommand.upper(), " ".join(wire.split_params(rest)))


def _pong(source: Any, rest: str) -> Response | None:
    params = wire.split_params(rest)
    return Pong(source, params[-1]) if params else None


_RESPONSES: dict[str, Callable[[Any, str], Response | None]] = {
    "PRIVMSG": _privmsg,
    "NOTICE": _text(Notice),
    "JOIN": _one(Join),
    "PART": _part,
    "QUIT": lambda source, rest: Quit(source, rest.removeprefix(":")),
    "NICK": _one(Nick),
    "MODE": _text(Mode),
    "TOPIC": _text(Topic),
    "KICK": _kick,
    "INVITE": _text(Invite),
    "ERROR": lambda source, rest: ServerError(rest.removeprefix(":")),
    "PING": lambda source, rest: Ping(rest.removeprefix(":")) if rest else None,
    "PONG": _pong,
    "CAP": _cap,
}


class IRC(Component):
    """The IRC protocol, on the channel of a socket.

    Handles ``read``, ``line`` and the commands above; fires ``line``, the responses above,
    ``write``, and ``socket_error`` once for each message that is not acted upon because it
    contains NUL (:class:`~circuits._wire.irc.RemoteProtocolError`) or is longer than the
    protocol allows. Other lines that it does not understand are ``line`` events only. A PING is
    answered by itself.

    Args:
        *args: For :class:`~circuits.net.protocols.line.LP`, and for ``init``.
        encoding: Of all text, both ways.
        capabilities: IRCv3 capabilities to ask for when the client has connected. The event
            ``capabilities`` tells the result. Without any, the server is not asked.

            .. versionadded:: 2.1
        **kwargs: As ``*args``: ``channel``, ``max_line`` and so on.

    Attributes:
        capabilities: The names of those that are enabled.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # A handler that is defined again usually joins the inherited one; but who overrides this
        # is asked to call it, and then each line would be handled twice.
        own = cls.__dict__.get("line")
        if own is not None and not hasattr(own, "handler"):
            handler("line", override=True)(own)

    def __init__(
        self,
        *args: Any,
        encoding: str = "utf-8",
        capabilities: Iterable[str] = (),
        **kwargs: Any,
    ) -> None:
        self.encoding = encoding
        self._negotiation = Negotiation(capabilities)
        super().__init__(*args, **kwargs)
        options = {"max_line": MAX_LINE, **kwargs, "channel": self.channel}
        LP(*args, encoding=encoding, **options).register(self)

    @property
    def capabilities(self) -> frozenset[str]:
        """The names of the capabilities that are enabled."""
        return frozenset(self._negotiation.enabled)

    # -- incoming --

    def line(self, *args: Any) -> None:
        """Make the event of a line: ``line(line)`` or ``line(sock, line)``.

        A subclass that overrides this must call it. Other components may handle ``line`` as
        well, for what is not known here.
        """
        *sock, line = args
        try:
            wire.check_line(line, self.encoding)
        except wire.RemoteProtocolError as problem:
            self.fire(SocketError(*sock, problem))
            return
        parts = wire.split_parts(line)
        command = parts.command.upper()
        if len(command) == 3 and command.isascii() and command.isdigit():
            response: Response | None = _numeric(parts)
        else:
            make = _RESPONSES.get(command)
            if make is None:
                return
            response = make(sourceSplit(parts.source or ""), parts.rest)
        if response is None:
            return
        if parts.tags:
            response.tags = wire.parse_tags(parts.tags)
        if sock:
            response.args[:0] = sock
        self.fire(response)
        if not sock and command in ("CAP", "001", "421") and self._negotiation.wanted:
            params = tuple(wire.split_params(parts.rest))
            self._negotiate(wire.Message(command, params, parts.source))

    @handler("ping")
    def _on_ping(self, event: Event, *args: Any) -> None:
        if not isinstance(event, Ping):
            return  # many things are called ping
        *sock, text = args
        if sock:
            answer = wire.format_command("PONG", trailing=text)
            self.fire(Write(*sock, wire.encode_line(answer, self.encoding)))
        else:
            self.fire(PONG(text))
        event.stop()

    @handler("connected", priority=1)
    def _on_connected(self, *args: Any) -> None:
        """Ask for capabilities before anybody tells the server who we are."""
        if self._negotiation.wanted:
            self._send(self._negotiation.begin())

    def _negotiate(self, message: wire.Message) -> None:
        negotiation = self._negotiation
        before = (negotiation.state, self.capabilities)
        self._send(negotiation.receive(message))
        if (
            negotiation.state is _Negotiating.DONE
            and (negotiation.state, self.capabilities) != before
        ):
            self.fire(Capabilities(self.capabilities))

    def _send(self, messages: list[wire.Message]) -> None:
        for message in messages:
            self.fire(RAW(wire.format_message(message)))

    # -- outgoing --

    def _command(self, name: str, *words: Any, text: Any = None) -> None:
        """Fire a line; the last parameter may have spaces."""
        params = [self._str(word) for word in words if word is not None]
        trailing = None if text is None else self._str(text)
        self.fire(RAW(wire.format_command(name, *params, trailing=trailing)))

    def _str(self, value: Any) -> str:
        return value.decode(self.encoding) if isinstance(value, bytes) else str(value)

    @handler("command_raw")
    def _on_raw(self, data: str | bytes) -> None:
        self.fire(Write(wire.encode_line(data, self.encoding)))

    @handler("command_pass")
    def _on_pass(self, password: str) -> None:
        self._command("PASS", password)

    @handler("command_user")
    def _on_user(self, ident: str, host: str, server: str, name: str) -> None:
        self._command("USER", ident, f'"{host}"', f'"{server}"', text=name)

    @handler("command_nick")
    def _on_nick(self, nick: str) -> None:
        self._command("NICK", nick)

    @handler("command_ping")
    def _on_command_ping(self, server: str) -> None:
        self._command("PING", text=server)

    @handler("command_pong")
    def _on_pong(self, server: str) -> None:
        self._command("PONG", text=server)

    @handler("command_quit")
    def _on_quit(self, message: str = "Leaving") -> None:
        self._command("QUIT", text=message)

    @handler("command_join")
    def _on_join(self, channel: str, key: str | None = None) -> None:
        self._command("JOIN", channel, key)

    @handler("command_part")
    def _on_part(self, channel: str, message: str = "Leaving") -> None:
        self._command("PART", channel, text=message)

    @handler("command_privmsg")
    def _on_privmsg(self, target: str, message: str) -> None:
        self._command("PRIVMSG", target, text=message)

    @handler("command_notice")
    def _on_notice(self, target: str, message: str) -> None:
        self._command("NOTICE", target, text=message)

    @handler("command_ctcp")
    def _on_ctcp(self, target: str, type: str, message: str = "") -> None:  # noqa: A002
        self.fire(PRIVMSG(target, wire.format_ctcp(type.upper(), message)))

    @handler("command_ctcpreply")
    def _on_ctcpreply(self, target: str, type: str, message: str = "") -> None:  # noqa: A002
        self.fire(NOTICE(target, wire.format_ctcp(type.upper(), message)))

    @handler("command_kick")
    def _on_kick(self, channel: str, target: str, message: str = "") -> None:
        self._command("KICK", channel, target, text=message)

    @handler("command_topic")
    def _on_topic(self, channel: str, topic: str) -> None:
        self._command("TOPIC", channel, text=topic)

    @handler("command_mode")
    def _on_mode(self, modes: str, channel: str | None = None) -> None:
        self._command("MODE", channel, text=modes)

    @handler("command_invite")
    def _on_invite(self, target: str, channel: str) -> None:
        self._command("INVITE", target, channel)

    @handler("command_names")
    def _on_names(self, channel: str | None = None) -> None:
        self._command("NAMES", channel)

    @handler("command_away")
    def _on_away(self, message: str | None = None) -> None:
        self._command("AWAY", text=message)

    @handler("command_who")
    def _on_who(self, mask: str | None = None) -> None:
        self._command("WHO", mask)

    @handler("command_whois")
    def _on_whois(self, nick: str) -> None:
        self._command("WHOIS", nick)

    @handler("command_cap")
    def _on_cap(self, subcommand: str, capabilities: str | None = None) -> None:
        self._command("CAP", subcommand, text=capabilities)
