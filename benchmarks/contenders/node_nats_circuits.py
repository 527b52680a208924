"""Round trips between two nodes over NATS, each in a tree of its own thread: 64 wait at any time."""

from __future__ import annotations

from measure import main, rate
from node_events import Answers, Asks
from node_nats_server import server

from circuits import Component, Manager, handler
from circuits.node import Node


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
            found = rate(lambda number: asks.ask_many(near, number, lambda: near.tick(0.01)))
        far.stop()
        far.join()
    return found


main({"round_trips": round_trips})
