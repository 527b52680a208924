"""The body of a request, as an ASGI server gives it: message by message."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from . import exceptions
from ._limits import number
from ._request_body import BodyStream, ClientGone

if TYPE_CHECKING:
    from . import wrappers
    from ._asgi_application import ASGIConnection
    from ._asgi_hosting import Message, Receive
    from ._hosted_tree import HostedHTTP

__all__ = ["take_body", "take_rest"]


async def take_body(
    http: HostedHTTP,
    message: Message,
    request: wrappers.Request,
    receive: Receive,
    refusal: exceptions.HTTPException | None,
) -> tuple[BodyStream | None, exceptions.HTTPException | None]:
    """Give a request its body, or a stream that is still to be filled.

    Args:
        http: Who has the request.
        message: The first message of it.
        request: The request.
        receive: Gives the messages that follow.
        refusal: What is wrong with the request already; then the body is left.

    Returns:
        The stream, unless the body is complete; and what is wrong.
    """
    more, data = message.get("more_body", False), message.get("body", b"")
    has_body, limits = bool(more or data), http.limits
    if refusal is None and http.wants_stream(request, has_body):
        if len(data) > number(limits.stream_body_bytes):
            return None, exceptions.RequestEntityTooLarge()
        stream = request.body = BodyStream(number(limits.stream_buffer_bytes))
        if data:
            stream.feed(data)
        if more:
            return stream, None
        stream.end()
    elif has_body and refusal is None:
        body = request.body = http.body_file()
        size, limit = 0, number(limits.body_bytes)
        while True:
            size += len(data)
            if size > limit:
                return None, exceptions.RequestEntityTooLarge()
            body.write(data)
            if not more:
                break
            message = await receive()
            if message["type"] != "http.request":
                return None, exceptions.BadRequest()  # which nobody gets
            more, data = message.get("more_body", False), message.get("body", b"")
        body.seek(0)
    return None, refusal


async def take_rest(
    line: ASGIConnection, stream: BodyStream | None, receive: Receive, size: int = 0
) -> None:
    """Receive what is left of a body, and the end of the client.

    Args:
        line: The call, in place of a connection.
        stream: What the body goes to; ``None`` if it is here as a whole.
        receive: Gives the messages that follow.
        size: How many bytes of the body are here.
    """
    wanted = asyncio.Event()
    limit = number(line.owner.limits.stream_body_bytes)
    if stream is not None:
        stream._on_demand = wanted.set
    while True:
        if stream is not None and stream.is_full:
            wanted.clear()
            await wanted.wait()
            continue
        message = await receive()
        if message["type"] != "http.request":
            break
        if stream is None:
            return  # a server that does not wait here cannot tell when the client goes
        size += len(message.get("body", b""))
        if size > limit:
            await line.call(stream.fail, exceptions.RequestEntityTooLarge())
            return
        if message.get("body"):
            await line.call(stream.feed, message["body"])
        if not message.get("more_body", False):
            await line.call(stream.end)
            stream = None
    if stream is not None:
        await line.call(stream.fail, ClientGone())
    line.owner.later(line.lost)
