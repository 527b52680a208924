"""Threads for calls that may block, started when they are needed."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Threads"]


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
