"""Server-sent events: a response that goes on, in which a page hears of what happens.

A handler returns an :class:`EventStream` of what it has to tell. The client reconnects by itself,
and says then which event it has seen last: ``request.last_event_id``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import _json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from ._response import Response

__all__ = ["EventStream", "ServerSentEvent"]

_LINE_END = re.compile(r"\r\n|\r|\n")
_KEYS = frozenset({"data", "event", "id", "retry", "comment"})


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event.

    Attributes:
        data: Text, perhaps of several lines; anything else is written as JSON. ``None`` is none,
            and then the client only takes note of the rest.
        event: Name of the event; without one, the page hears it as ``message``.
        id: What the client shows as ``Last-Event-ID`` when it comes back.
        retry: Milliseconds after which it comes back.
        comment: Text that nobody hears.

    .. versionadded:: 2.1
    """

    data: Any = None
    event: str | None = None
    id: str | int | None = None
    retry: int | None = None
    comment: str | None = None

    def encode(self) -> bytes:
        """The event as it is sent.

        Raises:
            ValueError: A name or an id holds CR, LF or NUL.
        """
        lines = []
        if self.comment is not None:
            lines += [f": {line}" for line in _LINE_END.split(self.comment)]
        for field, value in (("event", self.event), ("id", self.id)):
            if value is not None:
                text = str(value)
                if any(character in text for character in "\r\n\0"):
                    raise ValueError(f"{field} of an event cannot be {text!r:.80}")
                lines.append(f"{field}: {text}")
        if self.retry is not None:
            lines.append(f"retry: {int(self.retry)}")
        if self.data is not None:
            text = self.data if isinstance(self.data, str) else _json.encode(self.data)
            lines += [f"data: {line}" for line in _LINE_END.split(text)]
        return ("\n".join(lines) + "\n\n").encode()


def _encoded(item: Any) -> bytes:
    if isinstance(item, str):
        item = ServerSentEvent(item)
    elif isinstance(item, dict):
        unknown = item.keys() - _KEYS
        if unknown:
            raise ValueError(
                f"an event has {', '.join(sorted(_KEYS))}, not {sorted(unknown)!r:.80}; "
                "put what is data under 'data'"
            )
        item = ServerSentEvent(**item)
    if not isinstance(item, ServerSentEvent):
        raise TypeError(
            f"an event is text, a dict or a ServerSentEvent, not {type(item).__name__}: {item!r:.80}"
        )
    return item.encode()


class EventStream:
    """A response of events, for ``EventSource`` in a browser; to be returned by a handler.

    The next event is asked for when the client has room for it. When it leaves, the source is
    closed: an asynchronous generator sees ``CancelledError`` or ``GeneratorExit``, and its
    ``finally`` runs. So it is when the application stops; a browser comes back by itself.

    Args:
        source: Gives the events: an asynchronous iterable or generator, or a plain one that
            never waits. An event is text, a dict of ``data``, ``event``, ``id``, ``retry``, or a
            :class:`ServerSentEvent`.
        heartbeat: After so many seconds without an event a comment is sent, so that nobody in
            between takes the connection for dead, and it is noticed when the client is; ``None``
            is never.

    .. versionadded:: 2.1
    """

    def __init__(self, source: Any, heartbeat: float | None = 15.0) -> None:
        if not hasattr(source, "__aiter__") and not hasattr(source, "__iter__"):
            raise TypeError(f"events come from an iterable, not from {source!r:.80}")
        if heartbeat is not None and heartbeat <= 0:
            raise ValueError(f"heartbeat must be a time in seconds, not {heartbeat!r}")
        self.source = source
        self.heartbeat = heartbeat

    def prepare(self, response: Response) -> None:
        """Make a response send the events."""
        headers = response.headers
        headers["Content-Type"] = "text/event-stream; charset=utf-8"
        headers["Cache-Control"] = "no-store"
        headers["X-Accel-Buffering"] = "no"  # nginx would keep events until it has many
        response.stream = True
        if hasattr(self.source, "__aiter__"):
            response.body = _AsyncEvents(self.source, self.heartbeat)
        else:
            response.body = _Events(self.source)


class _Events:
    def __init__(self, source: Any) -> None:
        self._source = source
        self._iterator = iter(source)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return _encoded(next(self._iterator))

    def close(self) -> None:
        close = getattr(self._source, "close", None)
        if close is not None:
            close()


class _AsyncEvents:
    def __init__(self, source: Any, heartbeat: float | None) -> None:
        self._source = source
        #: What is sent while there is no event.
        self.idle = None if heartbeat is None else (heartbeat, b":\n\n")

    async def _encode(self) -> AsyncIterator[bytes]:
        iterator = aiter(self._source)
        try:
            async for item in iterator:
                yield _encoded(item)
        finally:
            close = getattr(iterator, "aclose", None)
            if close is not None:
                await close()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._encode()
