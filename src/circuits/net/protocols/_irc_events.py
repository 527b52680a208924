"""The events of :mod:`circuits.net.protocols.irc`, where programs find them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from circuits.core.events import Event

__all__ = [
    "AWAY",
    "CAP",
    "CTCP",
    "CTCPREPLY",
    "Cap",
    "Capabilities",
    "Command",
    "Ctcp",
    "INVITE",
    "Invite",
    "JOIN",
    "Join",
    "KICK",
    "Kick",
    "MODE",
    "Message",
    "Mode",
    "NAMES",
    "NICK",
    "NOTICE",
    "Nick",
    "Notice",
    "Numeric",
    "PART",
    "PASS",
    "PING",
    "PONG",
    "PRIVMSG",
    "Part",
    "Ping",
    "Pong",
    "QUIT",
    "Quit",
    "RAW",
    "Response",
    "ServerError",
    "TOPIC",
    "Topic",
    "USER",
    "WHO",
    "WHOIS",
]

_NO_TAGS: Mapping[str, str] = MappingProxyType({})


# -- what is sent ------------------------------------------------------------------------------


class Command(Event):
    """Something to send. Fired at :class:`IRC`, by anyone; its name is ``command_...``.

    The handler fails with a ``ValueError``, and nothing is sent, if an argument has CR, LF or
    NUL, if one that must be a word is not, or if the line would be longer than 512 bytes.
    """

    name = "command"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = f"command_{cls.__name__.lower()}"


class RAW(Command):
    """A line as it is: ``(data)``, without its end, text or bytes. All others end in one."""


class PASS(Command):
    """The password of the connection: ``(password)``."""


class USER(Command):
    """Who we are: ``(ident, host, server, name)``."""


class NICK(Command):
    """What we want to be called: ``(nick)``."""


class PING(Command):
    """Ask for a sign of life: ``(server)``."""


class PONG(Command):
    """Answer a PING: ``(server)``."""


class QUIT(Command):
    """Leave the network: ``(message="Leaving")``."""


class JOIN(Command):
    """Join a channel, or several with commas between them: ``(channel, key=None)``."""


class PART(Command):
    """Leave a channel: ``(channel, message="Leaving")``."""


class PRIVMSG(Command):
    """Say something to a person or a channel: ``(target, message)``."""


class NOTICE(Command):
    """As PRIVMSG, to which programs must not answer: ``(target, message)``."""


class CTCP(Command):
    """Ask a client: ``(target, type, message)``. Sent as PRIVMSG."""


class CTCPREPLY(Command):
    """Answer a CTCP: ``(target, type, message)``. Sent as NOTICE."""


class KICK(Command):
    """Throw somebody out: ``(channel, target, message="")``."""


class TOPIC(Command):
    """Set the topic of a channel: ``(channel, topic)``."""


class MODE(Command):
    """Change modes: ``(modes, channel=None)``."""


class INVITE(Command):
    """Invite somebody: ``(target, channel)``."""


class NAMES(Command):
    """Ask who is in a channel, or anywhere: ``(channel=None)``."""


class AWAY(Command):
    """We are away, or back: ``(message=None)``.

    .. versionadded:: 2.1
    """


class WHO(Command):
    """Ask who matches a mask: ``(mask=None)``.

    .. versionadded:: 2.1
    """


class WHOIS(Command):
    """Ask about somebody: ``(nick)``.

    .. versionadded:: 2.1
    """


class CAP(Command):
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
