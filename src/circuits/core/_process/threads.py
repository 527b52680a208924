"""Threads that execute functions, as an executor and as the 3.x line asks for them."""

from __future__ import annotations

from concurrent import futures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Future
    from typing import Any

__all__ = ["ThreadPoolExecutor"]


class ThreadPoolExecutor(futures.ThreadPoolExecutor):
    """An executor that reads like a pool of :mod:`multiprocessing`, too."""

    def apply_async(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] | None = None,
    ) -> Future[Any]:
        """Execute a function; ``get(timeout)`` of what is returned waits for the result."""
        future = self.submit(func, *args, **(kwds or {}))
        future.get = future.result  # type: ignore[attr-defined]
        return future
