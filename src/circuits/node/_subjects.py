"""Subjects of NATS and names of streams: what an address becomes, and back. Nothing here does I/O.

A name is one token of a subject. Whatever is not a letter, a digit, ``-`` or ``_`` of ASCII is
written as ``%XX`` of its UTF-8 bytes, so a name can hold neither a separator nor a wildcard. A
leading ``_`` is written so, too: the tokens that begin with one are ours, and no name becomes one.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

from circuits._wire import packet as wire

__all__ = ["Address", "Subjects", "decode_token", "encode_token"]

_TOKEN: Final = re.compile(r"%|(?:[A-Za-z0-9_-]|%[0-9A-F]{2})+")
_ESCAPED: Final = re.compile(r"[^A-Za-z0-9_-]")
#: Servers close a connection whose command is longer than 4096 bytes; the rest of it needs room.
_SUBJECT_CHARACTERS: Final = 3000
#: How many subjects are remembered, of each kind.
_MOST_KNOWN: Final = 1000


def _escape(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode())


def encode_token(text: str) -> str:
    """A name as a token of a subject.

    Raises:
        ValueError: It is no UTF-8.
    """
    if not text:
        return "%"
    token = _ESCAPED.sub(_escape, text)
    return f"%5F{token[1:]}" if token[0] == "_" else token


def decode_token(token: str) -> str:
    """The name that a token stands for.

    Raises:
        ValueError: No name becomes such a token.
    """
    if _TOKEN.fullmatch(token):
        text = "" if token == "%" else unquote_to_bytes(token).decode("utf-8", "replace")
        if encode_token(text) == token:
            return text
    raise ValueError(f"{token[:100]!r} is no name in a subject")


def _strict(text: str) -> str:
    """A part of the name of a stream, which separates them by ``-``."""
    return encode_token(text).replace("-", "%2D").replace("_", "%5F")


class Address(NamedTuple):
    """What a subject tells of an event."""

    channels: tuple[str, ...]
    name: str


class Subjects:
    """The subjects of the nodes that share a prefix.

    Args:
        prefix: The prefix; a name like others.
    """

    def __init__(self, prefix: str = "circuits") -> None:
        self.prefix = wire.check_name(prefix, "the prefix")
        self._first = encode_token(prefix)
        # The same few come again and again.
        self._known: dict[Any, str] = {}
        self._addresses: dict[str, Address] = {}

    def _event(self, middle: str, channels: tuple[str, ...], name: str) -> str:
        key = (middle, channels, name)
        subject = self._known.get(key)
        if subject is None:
            subject = self._make_event(middle, channels, name)
            if len(self._known) < _MOST_KNOWN:
                self._known[key] = subject
        return subject

    def _make_event(self, middle: str, channels: tuple[str, ...], name: str) -> str:
        where = ",".join(map(encode_token, channels)) if channels else "_"
        subject = f"{self._first}.{middle}.{where}.{encode_token(name)}"
        if len(subject) > _SUBJECT_CHARACTERS:
            raise ValueError(
                f"a subject of {len(subject)} characters, {_SUBJECT_CHARACTERS} at most"
            )
        return subject

    def event(self, node: str, channels: tuple[str, ...], name: str) -> str:
        """Of an event for a node, or for one of a group.

        Raises:
            ValueError: It would be too long.
        """
        return self._event(encode_token(node), channels, name)

    def broadcast(self, channels: tuple[str, ...], name: str) -> str:
        """Of an event for all."""
        return self._event("_all", channels, name)

    def durable(self, group: str, channels: tuple[str, ...], name: str) -> str:
        """Of an event that is stored for a group."""
        return self._event(f"_durable.{encode_token(group)}", channels, name)

    def dead(self, group: str, subject: str) -> str:
        """Where a stored event goes when it is given up."""
        channel, name = subject.split(".")[-2:]
        return f"{self._first}._dead.{encode_token(group)}.{channel}.{name}"

    def presence(self, name: str) -> str:
        """Where a node of a name is asked whether it is there."""
        return f"{self._first}._presence.{encode_token(name)}"

    def for_node(self, node: str) -> str:
        """All events for a node, or for a group."""
        return f"{self._first}.{encode_token(node)}.*.*"

    def for_all(self) -> str:
        """All broadcasts."""
        return f"{self._first}._all.*.*"

    def all_durable(self, group: str) -> str:
        """All that is stored for a group."""
        return f"{self._first}._durable.{encode_token(group)}.>"

    def all_dead(self, group: str) -> str:
        """All that a group has given up."""
        return f"{self._first}._dead.{encode_token(group)}.>"

    def address(self, subject: str) -> Address:
        """What is fired where, as a subject says.

        Raises:
            ValueError: No event has such a subject.
        """
        found = self._addresses.get(subject)
        if found is None:
            found = self._read(subject)
            if len(self._addresses) < _MOST_KNOWN:  # they come from outside
                self._addresses[subject] = found
        return found

    def _read(self, subject: str) -> Address:
        parts = subject.split(".")
        if len(parts) != (5 if parts[1:2] == ["_durable"] else 4):
            raise ValueError(f"{subject[:100]!r} is the subject of no event")
        where, event = parts[-2:]
        channels = () if where == "_" else tuple(map(decode_token, where.split(",")))
        for channel in channels:
            wire.check_name(channel, "a channel")
        return Address(channels, wire.check_name(decode_token(event), "the name of an event"))

    def stream(self, group: str) -> str:
        """The stream of what is stored for a group."""
        return f"circuits-durable-{_strict(self.prefix)}-{_strict(group)}"

    def dead_stream(self, group: str) -> str:
        """The stream of what a group has given up."""
        return f"circuits-dead-{_strict(self.prefix)}-{_strict(group)}"

    def consumer(self, group: str) -> str:
        """The consumer of a group."""
        return _strict(group)
