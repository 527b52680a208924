"""The events of nodes (manual: circuits.node.events)."""

from __future__ import annotations

from typing import Any

from circuits.core._clock import check_seconds
from circuits.core.events import BaseEvent, Event

__all__ = [
    "ConnectedTo", "DeadLetter", "DisconnectedFrom", "Packet", "Remote", "connected_to",
    "disconnected_from", "remote",
]  # fmt: skip


class Packet(Event):
    """A packet. Kept for programs of the 2.1.0 release; nothing fires it."""


class Remote(Event):
    """Fire an event at another node.

    Fired by anyone, on the channel of a node or on any other. Its value is that of the event over
    there: what the handlers returned, or the failure. A node that is not known fails it with
    ``KeyError``, one that cannot be reached or does not answer with
    :class:`~circuits.node.errors.Unreachable`.

    Args:
        event: What to fire there.
        node: The name of the node; over NATS also that of a group, or ``"*"`` for all.
        channel: Where; else on the channels of the event, else on the channel of that node.
        timeout: Seconds until an answer must have come; ``None`` is 30. The ``timeout`` of a
            ``call`` counts as well; the other side hears of the shorter one, and abandons the
            event when it has passed.
        durable: Over NATS: store the event before it counts as sent, until a member of the group
            has done it. The value is its number in the stream.
    """

    def __init__(
        self,
        event: BaseEvent,
        node: str,
        channel: Any = None,
        *,
        timeout: float | None = None,
        durable: bool = False,
    ) -> None:
        if not isinstance(event, BaseEvent):
            raise TypeError(f"an event is needed, not {event!r}")
        super().__init__(event, node, channel=channel)
        if timeout is not None and not 0 <= check_seconds(timeout, "timeout") < float("inf"):
            raise ValueError(f"timeout must be a number of seconds with an end, not {timeout!r}")
        self.timeout = timeout
        self.durable = bool(durable)


remote = Remote


class SendTo(Remote):
    """What ``send`` of a client or server fires at itself."""

    name = "_send_to"


class ConnectedTo(Event):
    """A node has been reached, or has connected; both sides have agreed on how to speak.

    Fired by the node on its channel.

    Args:
        name: Of the other node; ``None`` if it has none.
        host, port: Where it is.

    .. versionadded:: 2.1
    """

    def __init__(self, name: str | None, host: Any, port: Any) -> None:
        super().__init__(name, host, port)


connected_to = ConnectedTo


class DisconnectedFrom(Event):
    """The connection to a node has ended. Fired by the node on its channel.

    Args:
        name, host, port: As of ``connected_to``.
        reason: In words; ``"silent"`` if nothing was heard for three heartbeats.

    .. versionadded:: 2.1
    """

    def __init__(self, name: str | None, host: Any, port: Any, reason: str) -> None:
        super().__init__(name, host, port, reason)


disconnected_from = DisconnectedFrom


class DeadLetter(Event):
    """A durable event has been given up. Fired by a node over NATS on its channel.

    Args:
        event: The event.
        reason: Why.
        deliveries: How often it was tried.

    .. versionadded:: 2.1
    """

    def __init__(self, event: BaseEvent, reason: str, deliveries: int) -> None:
        super().__init__(event, reason, deliveries)
