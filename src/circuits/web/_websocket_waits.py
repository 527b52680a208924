"""What handlers wait for at a WebSocket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits.core._tasks import Suspension

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


class Waiting(Suspension):
    """Something of a connection that a handler waits for."""

    __slots__ = ("_future", "_task", "_websocket")

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._task: Task | None = None
        self._future: Any = None

    def is_ready(self) -> bool:
        """Whether there is nothing to wait for."""
        raise NotImplementedError

    def take(self) -> Any:
        """The result."""
        return None

    def enter(self) -> None:
        """Have ``wake`` called."""
        websocket = self._websocket
        if websocket._waiting is None:
            websocket._waiting = []
        websocket._waiting.append(self)

    def leave(self) -> None:
        """Nobody waits any more."""
        waiting = self._websocket._waiting
        if waiting is not None and self in waiting:
            waiting.remove(self)

    def wake(self) -> None:
        """Look again."""
        if self._task is not None:
            self._resume(self._task)
        elif self._future is not None and not self._future.done():
            self._future.set_result(None)

    def _resume(self, task: Task) -> None:
        self._task = None
        self.leave()
        try:
            result = self.take()
        except BaseException as problem:
            task.resume(None, problem)
        else:
            task.resume(result)

    def attach(self, task: Task) -> None:
        if self.is_ready():
            self._resume(task)
            return
        try:
            self.enter()
        except RuntimeError as problem:  # for the handler, not for whoever runs it
            task.resume(None, problem)
        else:
            self._task = task

    def detach(self) -> None:
        self.leave()

    def __iter__(self) -> Generator[Any, Any, Any]:
        return (yield self)

    def __await__(self) -> Generator[Any, Any, Any]:
        if not self.is_ready():
            import asyncio  # whoever awaits has it loaded

            self._future = asyncio.get_running_loop().create_future()
            self.enter()
            try:
                yield from self._future.__await__()
            finally:
                self.leave()
        return self.take()


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
        websocket = self._websocket
        if not websocket._messages:
            raise StopAsyncIteration
        return websocket._take()


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
