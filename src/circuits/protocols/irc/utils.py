"""Functions on text."""

from __future__ import annotations

from circuits._wire import _irc_text
from circuits._wire import irc as wire

__all__ = [
    "irc_color_to_ansi",
    "joinprefix",
    "parsemsg",
    "parseprefix",
    "sourceJoin",
    "sourceSplit",
    "strip",
]

Prefix = tuple[str | None, str | None, str | None]


def strip(s: str, color: bool = False) -> str:
    """Drop one leading colon; with ``color`` also all codes of formatting."""
    text = s.removeprefix(":")
    return _irc_text.strip_formatting(text) if color else text


def joinprefix(nick: str, user: str, host: str) -> str:
    """``nick!user@host``."""
    return wire.join_source(nick, user, host)


def parseprefix(prefix: str) -> Prefix:
    """Split ``nick!user@host``; anything else is ``(prefix, None, None)``."""
    return wire.split_source(prefix) if prefix else (None, None, None)


def parsemsg(s: bytes, encoding: str = "utf-8") -> tuple[Prefix, str | None, list[str]]:
    """Parse a line without its end; IRCv3 tags are skipped.

    Args:
        s: The line.
        encoding: Of the line; what cannot be decoded is replaced.

    Returns:
        ``(nick, user, host)``, the command or ``None`` if there is none, the parameters.
    """
    parts = wire.split_parts(s.decode(encoding, "replace"))
    return (
        parseprefix(parts.source or ""),
        parts.command or None,
        wire.split_params(parts.rest),
    )


def irc_color_to_ansi(data: str, reset: bool = True) -> str:
    """Turn codes of formatting into escape sequences of terminals.

    Args:
        data: Text of a message.
        reset: Whether to end with a reset, if anything was switched on.
    """
    return _irc_text.color_to_ansi(data, reset)


sourceJoin = joinprefix  # noqa: N816 - documented name
sourceSplit = parseprefix  # noqa: N816 - documented name
