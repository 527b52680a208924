"""Capability negotiation of IRCv3, the client's side, as a state machine."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from enum import Enum
from typing import Final

from circuits._wire.irc import Message

__all__ = ["Negotiation", "State"]

#: Capabilities that are remembered. Servers have a few dozen; one could list them for ever.
CAPABILITIES_LIMIT: Final = 512

#: Names in one request: with the command around them they must fit into a message.
_REQUEST_BYTES: Final = 400


class State(Enum):
    """How far the negotiation is."""

    IDLE = "not begun"
    LISTING = "the server tells what it has"
    REQUESTING = "some were asked for"
    DONE = "over; changes may still be announced"


class Negotiation:
    """Asks a server for capabilities; the server holds the registration until it is over.

    Feed it with every message of the server, and send what it returns.

    Args:
        wanted: Names of the capabilities to ask for, of those that the server has.

    Attributes:
        state: How far it is.
        available: What the server has, with the values it tells.
        enabled: What was asked for and granted.
    """

    __slots__ = ("_pending", "available", "enabled", "state", "wanted")

    def __init__(self, wanted: Iterable[str]) -> None:
        self.wanted = tuple(dict.fromkeys(wanted))
        self.state = State.IDLE
        self.available: dict[str, str] = {}
        self.enabled: set[str] = set()
        self._pending: deque[list[str]] = deque()

    def begin(self) -> list[Message]:
        """Begin anew, on a new connection. To be sent before anything else."""
        self.state = State.LISTING
        self.available.clear()
        self.enabled.clear()
        self._pending.clear()
        return [Message("CAP", ("LS", "302"))]

    def receive(self, message: Message) -> list[Message]:
        """Take a message of the server into account; what to send now."""
        command = message.command.upper()
        if command == "CAP" and len(message.params) >= 3:
            verb = message.params[1].upper()
            more = message.params[2] == "*" and len(message.params) > 3
            return self._receive(verb, message.params[-1].split(), more)
        if self.state in (State.LISTING, State.REQUESTING):
            # A server that knows no capabilities says so, or goes on without a word.
            if command == "001" or (command == "421" and "CAP" in message.params[1:2]):
                self.state = State.DONE
        return []

    def _receive(self, verb: str, names: list[str], more: bool) -> list[Message]:
        if verb in ("LS", "NEW"):
            for name in names:
                key, _, value = name.partition("=")
                if len(self.available) < CAPABILITIES_LIMIT:
                    self.available[key] = value
            if more or (verb == "LS" and self.state is not State.LISTING):
                return []
            return self._request([n for n in self.wanted if n in self.available])
        if verb == "DEL":
            for name in names:
                self.available.pop(name, None)
                self.enabled.discard(name)
        elif verb == "ACK":
            for name in names:
                if name.startswith("-"):
                    self.enabled.discard(name[1:])
                else:
                    self.enabled.add(name)
                for batch in self._pending:
                    if name in batch:
                        batch.remove(name)
            self._pending = deque(batch for batch in self._pending if batch)
            return self._end()
        elif verb == "NAK" and self._pending:
            # The server grants all or none, and may cut off what it repeats: so it is the first.
            refused = self._pending.popleft()
            if len(refused) > 1:
                self._pending.extend([name] for name in refused)
                return [_request([name]) for name in refused]
            return self._end()
        return []

    def _request(self, names: list[str]) -> list[Message]:
        batches: list[list[str]] = []
        size = _REQUEST_BYTES
        for name in names:
            if name in self.enabled:
                continue
            size += len(name) + 1
            if size > _REQUEST_BYTES:
                batches.append([])
                size = len(name) + 1
            batches[-1].append(name)
        if self.state is State.LISTING:
            self.state = State.REQUESTING
        self._pending.extend(list(batch) for batch in batches)
        return [_request(batch) for batch in batches] or self._end()

    def _end(self) -> list[Message]:
        if self._pending or self.state is not State.REQUESTING:
            return []
        self.state = State.DONE
        return [Message("CAP", ("END",))]


def _request(names: list[str]) -> Message:
    return Message("CAP", ("REQ", " ".join(names)))
