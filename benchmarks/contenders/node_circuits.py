"""Round trips between two nodes over TCP, each in a tree of its own: 64 wait at any time."""

from __future__ import annotations

import sys

from measure import main, rate
from node_events import Answers, Asks

from circuits import Component
from circuits.node import Node


def round_trips() -> float:
    if "json" in sys.argv:
        sys.modules["msgspec"] = None  # type: ignore[assignment]  # as if it were not installed
    far = Component() + Answers()
    node = Node(0).register(far)
    near = Component()
    asks = Asks().register(near)
    Node().register(near).add("far", "127.0.0.1", node.port)
    with far.running(), near.running():

        def turn() -> None:
            near.tick(0)
            far.tick(0)

        return rate(lambda number: asks.ask_many(near, number, turn))


main({"round_trips": round_trips})
