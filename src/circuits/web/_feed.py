"""From threads to the loop: pieces of a body, and the threads that make them."""

from __future__ import annotations

import threading
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from ._async_pieces import NOT_YET

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Feed", "Threads"]

#: With more than this waiting for the client, a thread waits, too, in bytes.
_FEED_BYTES = 256 * 1024

#: With more than this, what is pushed by events breaks off, as a connection of ours would.
_MAX_BYTES = 64 * 1024 * 1024


class Feed:
    """Pieces of a body from a thread to the loop, or the other way; at most so many bytes.

    Who iterates waits for pieces, unless it has attached a function to be called instead.

    Args:
        limit_bytes: With more than this, who puts waits.
        call: Calls a function in the loop.
    """

    def __init__(
        self,
        limit_bytes: int = _FEED_BYTES,
        call: Callable[[Callable[[], object]], object] | None = None,
    ) -> None:
        self._limit_bytes = limit_bytes
        self._condition = threading.Condition()
        self._pieces: deque[bytes] = deque()
        self._held_bytes = 0
        self._is_over = False
        self._problem: BaseException | None = None
        self._resume: Callable[[], object] | None = None
        self._call = call
        self._is_awaited = False
        self._tell_room: Callable[[], object] | None = None  # the task of ``fill`` waits for it
        self.is_closed = False

    # -- who has the pieces --

    def put(self, data: bytes, wait: bool = True) -> None:
        """Add a piece; with ``wait``, when there is room.

        Raises:
            ConnectionResetError: Nobody wants it any more.
        """
        with self._condition:
            while wait and self._held_bytes > self._limit_bytes and not self.is_closed:
                self._condition.wait()
            if self.is_closed:
                raise ConnectionResetError("the client has gone in the middle of its response")
            self._pieces.append(data)
            self._held_bytes += len(data)
            self._tell()

    def push(self, data: bytes) -> None:
        """Add a piece of who cannot wait; it breaks off if far too much is there."""
        with self._condition:
            if self._held_bytes > _MAX_BYTES:
                self._pieces.clear()
                self._held_bytes = 0
                self.end(BufferError("the response breaks off: too much of it was not taken"))
            elif not self._is_over:
                self.put(data, wait=False)

    def end(self, problem: BaseException | None = None) -> None:
        """Nothing else will come; with a ``problem``, what should have."""
        with self._condition:
            self._is_over = True
            self._problem = problem
            self._tell()

    async def fill(self, source: Any, encode: Callable[[Any], bytes]) -> None:
        """Put what an asynchronous iterator gives, as far as there is room."""
        iterator = aiter(source)
        problem: BaseException | None = None
        try:
            async for piece in iterator:
                await self._room()
                self.put(encode(piece), wait=False)
        except ConnectionResetError:
            pass
        except BaseException as found:
            problem = found  # also when it is cancelled: what has come is not all
            if not isinstance(found, Exception):
                raise
        finally:
            self.end(problem)
            close = getattr(iterator, "aclose", None)
            if close is not None:
                await close()

    async def _room(self) -> None:
        """Wait until who takes the pieces, in another thread, has taken enough of them."""
        if self._held_bytes <= self._limit_bytes:
            return
        import asyncio  # whoever has an asynchronous iterator has it loaded

        has_room = asyncio.Event()
        loop = asyncio.get_running_loop()
        with self._condition:
            if self._has_no_room():
                self._tell_room = lambda: loop.call_soon_threadsafe(has_room.set)
            else:
                has_room.set()
        try:
            await has_room.wait()
        finally:
            with self._condition:
                self._tell_room = None

    def _has_no_room(self) -> bool:
        # Not before half of it is taken: each time, threads take turns.
        return self._held_bytes > self._limit_bytes // 2 and not self.is_closed

    def _tell(self) -> None:
        self._condition.notify_all()
        if self._is_awaited and self._call is not None and self._resume is not None:
            self._is_awaited = False
            self._call(self._resume)

    # -- who takes them --

    def attach(self, resume: Callable[[], object]) -> None:
        """Have a function called when there is something after ``NOT_YET``."""
        if self._call is not None:
            self._resume = resume

    def __iter__(self) -> Feed:
        return self

    def __next__(self) -> bytes:
        with self._condition:
            while not self._pieces:
                if self.is_closed:
                    raise StopIteration
                if self._is_over:
                    if self._problem is not None:
                        raise self._problem
                    raise StopIteration
                if self._resume is not None:
                    self._is_awaited = True
                    return NOT_YET  # type: ignore[no-any-return]
                self._condition.wait()
            data = self._pieces.popleft()
            self._held_bytes -= len(data)
            self._taken()
            return data

    def close(self) -> None:
        """Nobody wants the rest."""
        with self._condition:
            self.is_closed = True
            self._pieces.clear()
            self._taken()

    def _taken(self) -> None:
        self._condition.notify_all()
        if self._tell_room is not None and not self._has_no_room():
            self._tell_room()
            self._tell_room = None


class Threads:
    """Threads for calls that may block; they are started when they are needed.

    Args:
        limit: How many there are at most. More calls wait.
        name: What their names begin with.
    """

    def __init__(self, limit: int, name: str) -> None:
        self.limit = limit
        self._name = name
        self._jobs: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._count = 0
        self._unfinished = 0

    def submit(self, job: Callable[[], object]) -> None:
        """Have something done; it must not raise."""
        with self._lock:
            self._unfinished += 1
            self._jobs.put(job)
            if self._count >= min(self.limit, self._unfinished):
                return
            self._count += 1
            number = self._count
        # Daemons: a call that never ends must not keep the program from ending.
        threading.Thread(target=self._work, name=f"{self._name}-{number}", daemon=True).start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            del job
            with self._lock:
                self._unfinished -= 1

    def close(self) -> None:
        """End the threads when they have done what was submitted."""
        with self._lock:
            for _ in range(self._count):
                self._jobs.put(None)
            self._count = 0
