"""The vocabulary of :mod:`circuits.net.protocols.irc`: its events, and the lines they stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from circuits._wire import irc as wire
from circuits.core.events import Event

_NO_TAGS: Mapping[str, str] = MappingProxyType({})


# -- what is sent ------------------------------------------------------------------------------


#: What the arguments of a command make: the words that follow it, without each ``None``, and the
#: text that stands last behind a colon, if it is not ``None``.
Sends = Callable[..., tuple[list[Any], Any]]

#: Names of the events of commands, and what takes their arguments.
SENT: dict[str, Sends] = {}


class Command(Event):
    """Something to send. Fired at :class:`IRC`, by anyone; its name is ``command_...``.

    The handler fails with a ``ValueError``, and nothing is sent, if an argument has CR, LF or
    NUL, if one that must be a word is not, or if the line would be longer than 512 bytes.
    """

    name = "command"

    def __init_subclass__(cls, *, sends: Sends | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = f"command_{cls.__name__.lower()}"
        if sends is not None:
            sends.__qualname__ = cls.__name__  # so that a TypeError names the command
            SENT[cls.name] = sends


class RAW(Command):
    """A line as it is: ``(data)``, without its end, text or bytes. All others end in one."""


class PASS(Command, sends=lambda password: ([password], None)):
    """The password of the connection: ``(password)``."""


class USER(
    Command,
    sends=lambda ident, host, server, name: ([ident, f'"{host}"', f'"{server}"'], name),
):
    """Who we are: ``(ident, host, server, name)``."""


class NICK(Command, sends=lambda nick: ([nick], None)):
    """What we want to be called: ``(nick)``."""


class PING(Command, sends=lambda server: ([], server)):
    """Ask for a sign of life: ``(server)``."""


class PONG(Command, sends=lambda server: ([], server)):
    """Answer a PING: ``(server)``."""


class QUIT(Command, sends=lambda message="Leaving": ([], message)):
    """Leave the network: ``(message="Leaving")``."""


class JOIN(Command, sends=lambda channel, key=None: ([channel, key], None)):
    """Join a channel, or several with commas between them: ``(channel, key=None)``."""


class PART(Command, sends=lambda channel, message="Leaving": ([channel], message)):
    """Leave a channel: ``(channel, message="Leaving")``."""


class PRIVMSG(Command, sends=lambda target, message: ([target], message)):
    """Say something to a person or a channel: ``(target, message)``."""


class NOTICE(Command, sends=lambda target, message: ([target], message)):
    """As PRIVMSG, to which programs must not answer: ``(target, message)``."""


class CTCP(Command):
    """Ask a client: ``(target, type, message)``. Sent as PRIVMSG."""


class CTCPREPLY(Command):
    """Answer a CTCP: ``(target, type, message)``. Sent as NOTICE."""


class KICK(Command, sends=lambda channel, target, message="": ([channel, target], message)):
    """Throw somebody out: ``(channel, target, message="")``."""


class TOPIC(Command, sends=lambda channel, topic: ([channel], topic)):
    """Set the topic of a channel: ``(channel, topic)``."""


class MODE(Command, sends=lambda modes, channel=None: ([channel], modes)):
    """Change modes: ``(modes, channel=None)``."""


class INVITE(Command, sends=lambda target, channel: ([target, channel], None)):
    """Invite somebody: ``(target, channel)``."""


class NAMES(Command, sends=lambda channel=None: ([channel], None)):
    """Ask who is in a channel, or anywhere: ``(channel=None)``."""


class AWAY(Command, sends=lambda message=None: ([], message)):
    """We are away, or back: ``(message=None)``.

    .. versionadded:: 2.1
    """


class WHO(Command, sends=lambda mask=None: ([mask], None)):
    """Ask who matches a mask: ``(mask=None)``.

    .. versionadded:: 2.1
    """


class WHOIS(Command, sends=lambda nick: ([nick], None)):
    """Ask about somebody: ``(nick)``.

    .. versionadded:: 2.1
    """


class CAP(Command, sends=lambda subcommand, capabilities=None: ([subcommand], capabilities)):
    """Negotiate capabilities by hand: ``(subcommand, capabilities=None)``.

    .. versionadded:: 2.1
    """


# -- what is received --------------------------------------------------------------------------


class Response(Event):
    """Something that came, fired by :class:`IRC` on its channel. Return values are ignored.

    Where several peers are served, the socket precedes the arguments that are listed. A
    *source* is ``(nick, ident, host)``, of which the last two are ``None`` for a server.

    Attributes:
        tags: IRCv3 tags of the message.

            .. versionadded:: 2.1
    """

    def __init__(self, *args: Any, tags: Mapping[str, str] = _NO_TAGS) -> None:
        super().__init__(*args)
        self.tags = tags


class Ping(Response):
    """Somebody wants a sign of life: ``(text,)``. :class:`IRC` answers and stops the event."""


class Pong(Response):
    """A sign of life: ``(source, text)``.

    .. versionadded:: 2.1
    """


class Numeric(Response):
    """A numbered reply: ``(source, target, number, arg, message)``.

    ``source`` is text here. ``arg`` is the parameter after the target, ``None`` if the message
    follows at once; ``message`` is what is left, without its first colon.
    """


class Message(Response):
    """Somebody says something: ``(source, target, message)``."""


class Ctcp(Response):
    """Somebody asks our client: ``(source, target, type, message)``."""


class Notice(Response):
    """Somebody says something that must not be answered: ``(source, target, message)``."""


class Join(Response):
    """Somebody, perhaps we, joined: ``(source, channel)``."""


class Part(Response):
    """Somebody left: ``(source, channel, message)``."""


class Quit(Response):
    """Somebody left the network: ``(source, message)``."""


class Nick(Response):
    """Somebody is called otherwise now: ``(source, nick)``."""


class Mode(Response):
    """Modes were changed: ``(source, target, modes)``."""


class Topic(Response):
    """A topic was set: ``(source, channel, topic)``.

    .. versionadded:: 2.1
    """


class Kick(Response):
    """Somebody was thrown out: ``(source, channel, nick, message)``.

    .. versionadded:: 2.1
    """


class Invite(Response):
    """Somebody, usually we, was invited: ``(source, nick, channel)``.

    .. versionadded:: 2.1
    """


class ServerError(Response):
    """The server is about to close the connection: ``(message,)``. Sent as ``ERROR``.

    .. versionadded:: 2.1
    """


class Cap(Response):
    """The server speaks of capabilities: ``(source, subcommand, text)``.

    .. versionadded:: 2.1
    """


class Capabilities(Response):
    """The negotiation of capabilities is over, or its result has changed: ``(enabled,)``.

    ``enabled`` is a frozen set of names.

    .. versionadded:: 2.1
    """


if not TYPE_CHECKING:  # mypy reads no list that is put together; where there is none it takes all
    __all__ = [
        event.__name__ for base in (Command, Response) for event in (base, *base.__subclasses__())
    ]


# -- lines that make them ----------------------------------------------------------------------


def response_to(parts: wire.Parts) -> Response | None:
    """Make the event of a line; ``None`` if we know none, or something is missing in the line."""
    command = parts.command.upper()
    if len(command) == 3 and command.isascii() and command.isdigit():
        return _numeric(parts)
    make = _RESPONSES.get(command)
    return make(wire.split_source(parts.source or ""), parts.rest) if make else None


def _take(rest: str) -> tuple[str, str]:
    """The first parameter, and what follows it."""
    if rest[:1] == ":":
        return rest[1:], ""
    word, _, rest = rest.partition(" ")
    return word, rest.lstrip(" ")


def _shape(
    kind: type[Response], words: int, text: Literal["needed", "optional", "ignored"]
) -> Callable[[Any, str], Response | None]:
    """For messages of a source, some parameters that may not be empty, and a text."""

    def make(source: Any, rest: str) -> Response | None:
        params = []
        for _ in range(words):
            word, rest = _take(rest)
            params.append(word)
        if not all(params) or (text == "needed" and not rest):
            return None
        if text != "ignored":
            params.append(rest.removeprefix(":"))
        return kind(source, *params)

    return make


def _numeric(parts: wire.Parts) -> Numeric:
    target, rest = _take(parts.rest)
    arg = None
    if rest and rest[0] != ":":
        arg, rest = _take(rest)
    return Numeric(parts.source or "", target, int(parts.command), arg, rest.removeprefix(":"))


def _privmsg(source: Any, rest: str) -> Response | None:
    message = _message(source, rest)
    if message is None or message.args[2][:1] != "\x01":
        return message
    _, target, text = message.args
    kind, _, text = text.replace("\x01", "").replace("\x02", "").partition(" ")
    return Ctcp(source, target, kind, text)


def _pong(source: Any, rest: str) -> Response | None:
    params = wire.split_params(rest)
    return Pong(source, params[-1]) if params else None


def _cap(source: Any, rest: str) -> Response | None:
    _, rest = _take(rest)  # our nickname, or a star
    subcommand, rest = _take(rest)
    if not subcommand:
        return None
    return Cap(source, subcommand.upper(), " ".join(wire.split_params(rest)))


_message = _shape(Message, 1, "needed")

_RESPONSES: dict[str, Callable[[Any, str], Response | None]] = {
    "PRIVMSG": _privmsg,
    "NOTICE": _shape(Notice, 1, "needed"),
    "JOIN": _shape(Join, 1, "ignored"),
    "PART": _shape(Part, 1, "optional"),
    "QUIT": _shape(Quit, 0, "optional"),
    "NICK": _shape(Nick, 1, "ignored"),
    "MODE": _shape(Mode, 1, "needed"),
    "TOPIC": _shape(Topic, 1, "needed"),
    "KICK": _shape(Kick, 2, "optional"),
    "INVITE": _shape(Invite, 1, "needed"),
    "ERROR": lambda source, rest: ServerError(rest.removeprefix(":")),
    "PING": lambda source, rest: Ping(rest.removeprefix(":")) if rest else None,
    "PONG": _pong,
    "CAP": _cap,
}
