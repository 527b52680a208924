"""Round trips between two nodes over NATS, each in a tree of its own thread: 64 wait at any time."""

from __future__ import annotations

from measure import check, main, rate
from node_nats_server import server

from circuits import Component, Event, Manager, handler
from circuits.node import Node, Remote

CONCURRENT = 64


class Ask(Event): ...


class Batch(Event): ...


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


class Ready(Component):
    channel = "*"

    def init(self) -> None:
        self.is_ready = False

    @handler("connected_to", channel="*")
    def _on_connected_to(self, *args: object) -> None:
        self.is_ready = True


def tree(url: str, name: str, *components: Component) -> tuple[Manager, Ready]:
    app = Component()
    for component in components:
        component.register(app)
    ready = Ready().register(app)
    Node(url, name=name).register(app)
    return app, ready


def round_trips() -> float:
    with server() as url:
        far, far_ready = tree(url, "far", Answers())
        asks = Asks()
        near, near_ready = tree(url, "near", asks)
        far.start()
        with near.running():
            while not (near_ready.is_ready and far_ready.is_ready):
                near.tick(0.01)

            def batch(number: int) -> None:
                asks.left, asks.sum = number, 0
                for _ in range(CONCURRENT):
                    near.fire(Work(), "near")
                near.tick(0)
                while asks.left > 0 or asks.busy:
                    near.tick(0.01)
                check(asks.sum == 2 * number, "wrong answers")

            found = rate(batch)
        far.stop()
        far.join()
    return found


main({"round_trips": round_trips})
