"""Round trips between two nodes over TCP, each in a tree of its own: 64 wait at any time."""

from __future__ import annotations

import sys

from measure import check, main, rate

from circuits import Component, Event
from circuits.node import Node, Remote

CONCURRENT = 64


class Ask(Event): ...


class Work(Event): ...


class Answers(Component):
    channel = "far"

    def ask(self, number: int) -> int:
        return number + 1


class Asks(Component):
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


def round_trips() -> float:
    if "json" in sys.argv:
        sys.modules["msgspec"] = None  # type: ignore[assignment]  # as if it were not installed
    far = Component() + Answers()
    node = Node(0).register(far)
    near = Component()
    asks = Asks().register(near)
    Node().register(near).add("far", "127.0.0.1", node.port)
    with far.running(), near.running():

        def batch(number: int) -> None:
            asks.left, asks.sum = number, 0
            for _ in range(CONCURRENT):
                near.fire(Work(), "near")
            near.tick(0)
            while asks.left > 0 or asks.busy:
                near.tick(0)
                far.tick(0)
            check(asks.sum == 2 * number, "wrong answers")

        return rate(batch)


main({"round_trips": round_trips})
