"""Commands: functions that make a :class:`~circuits.protocols.irc.events.request`."""

from __future__ import annotations

from typing import Any

from .events import request
from .message import Message

__all__ = [
    "AWAY",
    "INVITE",
    "JOIN",
    "KICK",
    "MODE",
    "NAMES",
    "NICK",
    "NOTICE",
    "PART",
    "PASS",
    "PONG",
    "PRIVMSG",
    "QUIT",
    "TOPIC",
    "USER",
    "WHO",
    "WHOIS",
]

# Several names, of channels or receivers: one text with commas between them, or a list.
Names = str | list[str] | tuple[str, ...]


def _request(command: str, *args: Any) -> request:
    return request(Message(command, *args))


def _joined(names: Names | None) -> str | None:
    return ",".join(names) if isinstance(names, list | tuple) else names


def AWAY(message: str | None = None) -> request:
    """We are away, or back without a message."""
    return _request("AWAY", message)


def NICK(nickname: str, hopcount: int | None = None) -> request:
    """What we want to be called."""
    return _request("NICK", nickname, hopcount)


def USER(user: str, host: str, server: str, name: str) -> request:
    """Who we are."""
    return _request("USER", user, host, server, name)


def PASS(password: str) -> request:
    """The password of the connection."""
    return _request("PASS", password)


def PONG(daemon1: str, daemon2: str | None = None) -> request:
    """Answer a PING."""
    return _request("PONG", daemon1, daemon2)


def QUIT(message: str | None = None) -> request:
    """Leave the network."""
    return _request("QUIT", message)


def JOIN(channels: Names, keys: Names | None = None) -> request:
    """Join channels."""
    return _request("JOIN", _joined(channels), _joined(keys))


def PART(channels: Names, message: str | None = None) -> request:
    """Leave channels."""
    return _request("PART", _joined(channels), message)


def PRIVMSG(receivers: Names, message: str) -> request:
    """Say something to persons or channels."""
    return _request("PRIVMSG", _joined(receivers), message)


def NOTICE(receivers: Names, message: str) -> request:
    """As PRIVMSG, to which programs must not answer."""
    return _request("NOTICE", _joined(receivers), message)


def KICK(channel: str, user: str, comment: str | None = None) -> request:
    """Throw somebody out."""
    return _request("KICK", channel, user, comment)


def TOPIC(channel: str, topic: str | None = None) -> request:
    """Set the topic of a channel; ``""`` clears it, ``None`` asks for it."""
    return _request("TOPIC", channel, topic)


def MODE(target: str, *args: str) -> request:
    """Change modes, or ask for them."""
    return _request("MODE", target, *args)


def INVITE(nickname: str, channel: str) -> request:
    """Invite somebody."""
    return _request("INVITE", nickname, channel)


def NAMES(channels: Names | None = None) -> request:
    """Ask who is in channels, or anywhere."""
    return _request("NAMES", _joined(channels))


def WHOIS(nickmasks: Names, server: str | None = None) -> request:
    """Ask about somebody, perhaps a certain server."""
    return _request("WHOIS", server, _joined(nickmasks))


def WHO(name: str | None = None, o: str | None = None) -> request:
    """Ask who matches a mask; with ``o="o"`` only operators."""
    return _request("WHO", name, o)
