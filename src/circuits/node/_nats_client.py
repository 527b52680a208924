"""The client of nats-py where its documented interface ends: what else is used of it is here alone.

Each of these has a test that says what is missing, should a later nats-py be without it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from typing import Any, Final

from nats.aio.client import Client

__all__ = ["Denial", "SturdyClient", "abandon", "arrive", "denial_in", "server_name", "when_deaf"]

#: Seconds that the end of a connection may take.
_CLOSE_SECONDS: Final = 1.0
_DENIAL: Final = re.compile(r'permissions violation for (publish|subscription) to "([^"]*)"', re.I)


class SturdyClient(Client):
    """One that reads on, whatever others have published.

    A server passes on headers and subjects as they are. Where nats-py cannot decode them, it
    stops reading for good, tells nobody, and keeps the connection.
    """

    # What another version hands over beside the data is none of our business.
    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, *others: Any
    ) -> None:
        try:
            await super()._process_msg(sid, subject, reply, data, *others)
        except Exception as problem:
            await self._error_cb(ValueError(f"a message that cannot be read: {problem}"))
            try:  # without its headers, and with a subject that is none of ours
                readable = subject.decode("utf-8", "replace").encode()
                await super()._process_msg(sid, readable, _decodable(reply), data, b"")
            except Exception as trouble:
                await self._error_cb(trouble)


def _decodable(reply: bytes) -> bytes:
    """Where to answer, if that can be said."""
    return reply if reply.isascii() else b""


def when_deaf(client: Client, callback: Callable[[], object]) -> None:
    """Have a function called when a client, connected, reads no more, for whatever reason.

    It has to be asked for: the client tells nobody if that was a mistake of its own, and its
    ``flush`` asks the server for nothing then.
    """
    reading = client._reading_task
    if reading is None:
        callback()
    else:
        reading.add_done_callback(lambda _: callback())


def server_name(client: Client) -> str | None:
    """What the server calls itself: there is no public name for what it has told of itself."""
    info: dict[str, Any] = client._server_info
    return info.get("server_name") or info.get("server_id")


async def arrive(client: Client, seconds: float) -> None:
    """See what was sent arrive at the server; at most twice so many seconds.

    The first ``flush`` of nats-py may ask before the last of it is written, and be answered before
    that is read.
    """
    await client.flush(seconds)  # type: ignore[arg-type]  # of seconds it says that they are whole
    await client.flush(seconds)  # type: ignore[arg-type]


async def abandon(client: Client) -> None:
    """Close a client, whatever state it is in, and whoever is cancelled meanwhile.

    Its own ``close`` waits until all is written, for ever if nobody reads. What is left of it then
    are the tasks of its subscriptions, and a socket, which only its transport can end.
    """
    try:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(client.close(), _CLOSE_SECONDS)
    finally:
        for subscription in client._subs.values():
            if subscription._wait_for_msgs_task is not None:
                subscription._wait_for_msgs_task.cancel()
        transport: Any = client._transport
        writer = getattr(transport, "_io_writer", None)  # one over WebSockets has none
        if writer is not None:
            with contextlib.suppress(Exception):
                writer.transport.abort()


class Denial(tuple[bool, str]):
    """What a server does not let us do: whether that is to publish, and the subject."""

    __slots__ = ()


def denial_in(problem: Exception) -> Denial | None:
    """What an error of the client says that we must not do.

    nats-py has no type for it, and makes the whole text lower-case, the subject included.
    """
    found = _DENIAL.search(str(problem))
    return None if found is None else Denial((found[1].lower() == "publish", found[2].lower()))
