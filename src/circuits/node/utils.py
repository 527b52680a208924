"""Packets of version 1 as text (manual: circuits.node.utils)."""

from __future__ import annotations

from typing import Any

from circuits._wire import packet as wire
from circuits.core.events import BaseEvent, Event
from circuits.core.values import Value

from ._foreign import failure_of

__all__ = ["dump_event", "dump_value", "load_event", "load_value"]


def _read(text: str | bytes, kind: type[Any]) -> Any:
    data = text.encode() if isinstance(text, str) else bytes(text)
    decoder = wire.PacketDecoder()
    decoder.receive_data(data.strip() + b"\r\n\r\n")
    try:
        message = decoder.next_message()
    except wire.RemoteProtocolError as problem:
        raise ValueError(str(problem)) from None
    if not isinstance(message, kind):
        reason = message.reason if isinstance(message, wire.Malformed) else "another packet"
        raise ValueError(f"{reason}: {text[:100]!r}")
    return message


def dump_event(e: BaseEvent, id: Any) -> str:
    """The packet of an event, without its end.

    Args:
        e: The event.
        id: What its answer is to carry.

    Raises:
        TypeError: An argument does not travel.
    """
    flags = [flag for flag in ("success", "failure", "notify") if getattr(e, flag)]
    args = wire.lower([*e._event_args], "args", is_plain=True)
    kwargs = wire.lower({**(e._event_kwargs or {})}, "kwargs", is_plain=True)
    return _text(wire.request_body(1, id, e.name, args, kwargs, tuple(e.channels), flags))


def load_event(s: str) -> tuple[BaseEvent, Any]:
    """The event of a packet, and the id for its answer.

    Raises:
        ValueError: It is no such packet.
    """
    request = _read(s, wire.Request)
    event = Event.create(request.name, *_lifted(request.args))
    kwargs = _lifted(request.kwargs)
    if kwargs:
        event.kwargs = kwargs
    event.channels = request.channels
    for flag in ("success", "failure", "notify"):
        setattr(event, flag, getattr(request, flag))
    return event, request.id


def dump_value(v: Value) -> str:
    """The packet that answers an event with its value; the id is its attribute ``node_trn``.

    Raises:
        TypeError: A result does not travel.
    """
    id = getattr(v, "node_trn", None)
    if v.errors and v.exceptions:
        return _text(wire.reply_body(id, [*failure_of(v)], True))
    value = v.value
    if isinstance(value, list):
        value = [item.value if isinstance(item, Value) else item for item in value]
    return _text(wire.reply_body(id, wire.lower(value, "value", is_plain=True), bool(v.errors)))


def load_value(v: str) -> tuple[Any, Any, bool]:
    """The value of a packet, its id, and whether it tells of a failure.

    Raises:
        ValueError: It is no such packet.
    """
    reply = _read(v, wire.Reply)
    return _lifted(reply.value), reply.id, reply.errors


def _lifted(value: Any) -> Any:
    try:
        return wire.lift(value, is_plain=True)
    except wire.UnreadableError as problem:
        raise ValueError(str(problem)) from None


def _text(body: dict[str, Any]) -> str:
    return wire.encode(body, 1).decode("ascii").removesuffix("\r\n\r\n")
