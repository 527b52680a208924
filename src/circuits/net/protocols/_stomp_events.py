"""The events of :mod:`circuits.net.protocols.stomp`, where programs find them.

Their arguments are keyword arguments, as those of the 3.x line.
"""

from __future__ import annotations

from typing import Any

from circuits._wire.stomp import Frame
from circuits.core.events import Event

__all__ = [
    "ack",
    "client_heartbeat",
    "connect",
    "connected",
    "connection_failed",
    "disconnect",
    "disconnected",
    "heartbeat_timeout",
    "message",
    "nack",
    "on_stomp_error",
    "send",
    "server_heartbeat",
    "stomp_event",
    "subscribe",
    "unsubscribe",
]


class stomp_event(Event):  # noqa: N801 - documented name
    """Base of the events of a :class:`StompClient`; each has ``success`` set."""

    success = True


class connect(stomp_event):  # noqa: N801 - documented name
    """Connect the client. Fired at it by anyone.

    Args:
        subscribe: A note for handlers of ``connect_success``.
        host: Name of the virtual host at the broker; by default that of the client's ``host``.
    """

    def __init__(self, subscribe: Any = False, host: str | None = None) -> None:
        super().__init__(host=host)
        self.subscribe = subscribe


class connected(stomp_event):  # noqa: N801 - documented name
    """The broker has accepted the client. Fired by it, without arguments."""


class connection_failed(stomp_event):  # noqa: N801 - documented name
    """The broker cannot be reached, does not answer in time, or refuses.

    Fired by the client, without arguments.

    Attributes:
        reason: What went wrong.
    """

    def __init__(self, reason: Exception | None = None) -> None:
        super().__init__()
        self.reconnect = True
        self.reason = reason


class disconnect(stomp_event):  # noqa: N801 - documented name
    """Disconnect the client. Fired at it by anyone.

    Args:
        receipt: If given, the broker is asked to confirm with this text that it has got
            everything, and the connection ends then.
    """

    def __init__(self, receipt: str | None = None) -> None:
        if receipt is None:
            super().__init__()
        else:
            super().__init__(receipt=receipt)


class disconnected(stomp_event):  # noqa: N801 - documented name
    """The connection has ended. Fired by the client.

    Args:
        reconnect: Whether nobody has asked for it, so that a program may wish to connect again.
        receipt: What ``disconnect`` had as receipt, if the broker has confirmed it.
    """

    def __init__(self, reconnect: bool = True, receipt: str | None = None) -> None:
        super().__init__(receipt=receipt)
        self.reconnect = reconnect


class message(stomp_event):  # noqa: N801 - documented name
    """A message has come.

    Fired by the client with ``headers`` and ``message``, the body as bytes.

    Attributes:
        frame: The whole frame, which :class:`ack` takes.
    """

    def __init__(self, frame: Frame) -> None:
        super().__init__(headers=frame.headers, message=frame.body)
        self.frame = frame


class send(stomp_event):  # noqa: N801 - documented name
    """Send a message. Fired at the client by anyone.

    Args:
        headers: More headers.
        body: Text or bytes.
        destination: Where to.
        receipt: Ask the broker to confirm with this text.
    """

    def __init__(
        self,
        headers: dict[str, Any] | None,
        body: str | bytes,
        destination: str,
        receipt: str | None = None,
    ) -> None:
        super().__init__(headers=headers, body=body, destination=destination)
        if receipt is not None:
            self.kwargs["receipt"] = receipt


class subscribe(stomp_event):  # noqa: N801 - documented name
    """Subscribe to a destination. Fired at the client by anyone.

    Args:
        destination: Where from.
        **kwargs: ``ack``: one of ``ACK_MODES``; ``"auto"`` needs no acknowledgement.
    """

    def __init__(self, destination: str, **kwargs: Any) -> None:
        super().__init__(destination=destination, **kwargs)
        self.destination = destination


class unsubscribe(stomp_event):  # noqa: N801 - documented name
    """End the subscription of a destination. Fired at the client by anyone."""

    def __init__(self, destination: str) -> None:
        super().__init__(destination=destination)
        self.destination = destination


class ack(stomp_event):  # noqa: N801 - documented name
    """A message was processed. Fired at the client by anyone, with its ``frame``."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame=frame)
        self.frame = frame


class nack(stomp_event):  # noqa: N801 - as the others
    """A message was not processed. Fired at the client by anyone, with its ``frame``."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame=frame)
        self.frame = frame


class on_stomp_error(stomp_event):  # noqa: N801 - documented name
    """The broker reports an error; it closes the connection then.

    Fired by the client with ``headers``, ``message`` and ``error``.
    """

    def __init__(self, frame: Frame, err: Exception) -> None:
        super().__init__(headers=frame.headers, message=frame.body, error=err)
        self.frame = frame


class client_heartbeat(stomp_event):  # noqa: N801 - documented name
    """It is time for a sign of life from us. Fired by the client at itself."""


class server_heartbeat(stomp_event):  # noqa: N801 - documented name
    """It is time to see whether the broker has given a sign of life.

    Fired by the client at itself.
    """


class heartbeat_timeout(stomp_event):  # noqa: N801 - documented name
    """The broker has given no sign of life; the connection is closed. Fired by the client."""
