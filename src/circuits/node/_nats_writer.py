"""What a node publishes, on its way from the handlers to the client of nats-py.

Handlers only append; a task of the asyncio loop hands that to the client, which wants to be waited
for. When too much is on its way, the server is slow, and nothing more is to be sent for a while.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ._nats_client import arrive

if TYPE_CHECKING:
    from collections.abc import Callable

    from nats.aio.client import Client

__all__ = ["Writer"]

#: With so many bytes on their way to the server nothing else is sent: it is slow.
_OUT_BYTES = 4 * 1024 * 1024
#: Seconds between two looks whether a slow server has caught up.
_LOOK_SECONDS = 0.02


class Writer:
    """Writes for one connection, in a task.

    Args:
        client: The client, connected.
        on_ready: Called when a slow server has caught up.
        on_problem: Called with what the client does not take.
    """

    def __init__(
        self,
        client: Client,
        on_ready: Callable[[], object],
        on_problem: Callable[[Exception], object],
    ) -> None:
        self._client = client
        self._on_ready = on_ready
        self._on_problem = on_problem
        self._out: list[tuple[str, bytes, str, dict[str, str] | None]] = []
        self._bytes = 0
        self._wake = asyncio.Event()
        self._is_slow = self._is_ending = self._is_over = False
        self._task = asyncio.get_running_loop().create_task(self._run())

    def is_slow(self) -> bool:
        """Whether nothing more should be sent now; ``on_ready`` tells when that has changed."""
        self._is_slow = self._bytes + self._client.pending_data_size > _OUT_BYTES
        if self._is_slow:
            self._wake.set()  # to look when that is over
        return self._is_slow

    def publish(
        self, subject: str, data: bytes, reply: str, headers: dict[str, str] | None
    ) -> None:
        """Have a message published, at the end of this turn."""
        self._out.append((subject, data, reply, headers))
        self._bytes += len(data) + len(subject)
        self._wake.set()

    async def _run(self) -> None:
        client, wake = self._client, self._wake
        while True:
            await wake.wait()
            wake.clear()
            while self._out:
                out, self._out, self._bytes = self._out, [], 0
                for subject, data, reply, headers in out:
                    if self._is_over:  # the client takes a cancellation for its own
                        return
                    try:
                        await client.publish(subject, data, reply, headers)
                    except Exception as problem:  # whatever it thinks of a subject, or is closed
                        self._on_problem(problem)
            while self._is_slow and client.is_connected and not (self._is_ending or self._is_over):
                await asyncio.sleep(_LOOK_SECONDS)
                if not self.is_slow():
                    self._on_ready()
            if self._is_ending or self._is_over:
                return

    async def finish(self) -> None:
        """Write what is left, and see it arrive."""
        self._is_ending = True
        self._wake.set()
        await self._task
        await arrive(self._client, 1)

    def cancel(self) -> None:
        """Write no more."""
        self._is_over = True
        self._task.cancel()
