"""The events of the client."""

from __future__ import annotations

from circuits.net.protocols.stomp import (
    ack,
    client_heartbeat,
    connect,
    connected,
    connection_failed,
    disconnect,
    disconnected,
    heartbeat_timeout,
    message,
    nack,
    on_stomp_error,
    send,
    server_heartbeat,
    stomp_event,
    subscribe,
    unsubscribe,
)

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
