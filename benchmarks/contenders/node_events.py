"""What both nodes of a measurement consist of, whatever is between them."""

from __future__ import annotations

from collections.abc import Callable

from measure import check

from circuits import Component, Event, Manager
from circuits.node import Remote

__all__ = ["Answers", "Asks"]

CONCURRENT = 64


class Ask(Event): ...


class Work(Event): ...


class Answers(Component):
    channel = "far"

    def ask(self, number: int) -> int:
        return number + 1


class Asks(Component):
    """Asks the node ``far`` from many handlers at once, each for one answer after the other."""

    channel = "near"

    def init(self) -> None:
        self.left = self.sum = self.busy = 0

    async def work(self) -> None:
        self.busy += 1
        while self.left > 0:
            self.left -= 1
            answer = await self.call(Remote(Ask(1), "far", "far", timeout=30))
            self.sum += answer
        self.busy -= 1

    def ask_many(self, near: Manager, number: int, turn: Callable[[], object]) -> None:
        """Ask so many times; ``turn`` has all trees go on that run in this thread."""
        self.left, self.sum = number, 0
        for _ in range(CONCURRENT):
            near.fire(Work(), "near")
        near.tick(0)
        while self.left > 0 or self.busy:
            turn()
        check(self.sum == 2 * number, "wrong answers")
