"""What handlers wait for at a WebSocket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits.core._suspension import Awaited

if TYPE_CHECKING:
    from collections.abc import Generator

    from circuits.core._tasks import Task

    from ._websocket import WebSocket

__all__ = ["SENT", "Draining", "Ending", "Handled", "Next", "Opening", "Receiving", "Waiting"]


class Handled:
    """Gets to know when the handlers of an event are done."""

    __slots__ = ("_size", "_websocket")

    is_awaited = False

    def __init__(self, websocket: WebSocket, size: int) -> None:
        self._websocket = websocket
        self._size = size

    def resolve(self, event: Any, value: Any) -> None:
        """The engine tells."""
        self._websocket._release(1, self._size)


class Waiting(Awaited):
    """Something of a connection that a handler waits for."""

    __slots__ = ("_websocket",)

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._task = None  # as the base has it, without the call: there is one for each message
        self._future = None

    def enter(self) -> None:
        websocket = self._websocket
        if websocket._waiting is None:
            websocket._waiting = []
        websocket._waiting.append(self)

    def leave(self) -> None:
        waiting = self._websocket._waiting
        if waiting is not None and self in waiting:
            waiting.remove(self)


class Receiving(Waiting):
    """A message."""

    __slots__ = ()

    def is_ready(self) -> bool:
        websocket = self._websocket
        return bool(websocket._messages) or websocket._is_ended or websocket._conversation is None

    def take(self) -> str | bytes:
        return self._websocket._take()

    def enter(self) -> None:
        if self._websocket._receiving is not None:
            raise RuntimeError("another handler is receiving from this WebSocket")
        self._websocket._receiving = self

    def leave(self) -> None:
        if self._websocket._receiving is self:
            self._websocket._receiving = None


class Next(Receiving):
    """A message for ``async for``."""

    __slots__ = ()

    def take(self) -> str | bytes:
        if not self._websocket._messages:
            raise StopAsyncIteration
        return self._websocket._take()


class Draining(Waiting):
    """What was written is on its way."""

    __slots__ = ()

    def is_ready(self) -> bool:
        link = self._websocket._link
        return self._websocket._is_ended or link is None or not link.must_pause()

    def take(self) -> None:
        if self._websocket._is_ended:
            raise self._websocket._closed_error()


class Ending(Waiting):
    """The connection is over."""

    __slots__ = ()

    def is_ready(self) -> bool:
        return self._websocket._is_ended


class Opening(Waiting):
    """The connection of a client is open; gives the WebSocket."""

    __slots__ = ()

    def is_ready(self) -> bool:
        return self._websocket._conversation is not None or self._websocket._is_ended

    def take(self) -> WebSocket:
        if self._websocket._conversation is None:
            raise self._websocket._closed_error()
        return self._websocket


class _Sent(Waiting):
    """Nothing to wait for."""

    __slots__ = ()

    def __init__(self) -> None:
        pass  # one for all

    def attach(self, task: Task) -> None:
        task.resume()

    def detach(self) -> None:
        pass

    def __await__(self) -> Generator[Any, Any, None]:
        return iter(())  # type: ignore[return-value]  # what is awaited has to be an iterator


SENT = _Sent()
