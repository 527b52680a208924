"""Two nodes of one name over NATS: each asks, when it connects, whether there is another one."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ._nats_link import NatsLink

__all__ = ["Presence"]

#: How long a node waits for another one of its name to say so.
_SECONDS: Final = 0.5


class Presence:
    """Asks for our name over one connection, and answers others who ask for it.

    Args:
        link: The connection.
        name: Our name, or ``None``.
    """

    def __init__(self, link: NatsLink, name: str | None) -> None:
        self._link = link
        self._name = name
        self._subject = "" if name is None else link.nats.subjects.presence(name)
        self._is_asking = True
        self._answered = asyncio.Event()

    async def listen(self) -> None:
        """Subscribe; nobody is asked yet."""
        if self._name is not None:
            self._link.special["presence"] = self._hear
            await self._link.client.subscribe(self._subject, cb=self._on_question)

    async def is_taken(self) -> bool:
        """Ask whether another node has our name."""
        if self._name is None:
            return False
        link = self._link
        await link.client.flush(5)  # the server knows that we listen
        link.publish(self._subject, self._instance(), f"{link.inbox}.presence")
        try:
            await asyncio.wait_for(self._answered.wait(), _SECONDS)
        except TimeoutError:
            return False
        finally:
            self._is_asking = False
            link.special.pop("presence", None)
        return True

    async def _on_question(self, message: Any) -> None:
        other, instance = _instance_in(message.data), self._link.nats.instance
        if other is None or other == instance or not message.reply:
            return
        if not self._is_asking or instance < other:
            self._link.publish(message.reply, self._instance())
        else:
            self._hear(message)  # it has asked later than we have: it is not to be answered

    def _hear(self, message: Any) -> None:
        other = _instance_in(message.data)
        if other is not None and other != self._link.nats.instance:
            self._answered.set()

    def _instance(self) -> bytes:
        return json.dumps({"instance": self._link.nats.instance}).encode()


def _instance_in(data: bytes) -> str | None:
    try:
        body = json.loads(data)
    except ValueError:
        return None
    found = body.get("instance") if isinstance(body, dict) else None
    return found if isinstance(found, str) and len(found) == 32 else None
