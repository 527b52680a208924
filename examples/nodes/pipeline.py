"""A pipeline of three steps, in one process, on two machines or on many: the components are the same.

    pipeline.py                          all in this process
    pipeline.py work HOST:PORT           the steps, for others
    pipeline.py feed HOST:PORT           the rest, with the steps over there
    pipeline.py work URL                 the steps over NATS; start as many as you like
    pipeline.py feed URL                 the rest, with the steps at whoever is free

Only the last lines know where anything runs.
"""

from __future__ import annotations

import sys

from circuits import Component, Event
from circuits.node import Node

TEXT = ["the quick brown fox", "jumps over the lazy dog", "the end"]


class Split(Event):
    line: str


class Count(Event):
    words: list[str]


class Splitter(Component):
    """The first step."""

    channel = "steps"

    def split(self, line):
        return line.split()


class Counter(Component):
    """The second step."""

    channel = "steps"

    def count(self, words):
        counts = {}
        for word in words:
            counts[word] = counts.get(word, 0) + 1
        return counts


class Report(Component):
    """Sends lines through the steps, and shows what comes out."""

    channel = "report"

    async def started(self, component):
        total = {}
        for line in TEXT:
            words = await self.call(Split(line), "steps")
            for word, number in (await self.call(Count(words), "steps")).items():
                total[word] = total.get(word, 0) + number
        for word, number in sorted(total.items(), key=lambda item: (-item[1], item[0]))[:3]:
            print(f"{number} {word}", flush=True)
        self.root.stop()


def main():
    role, *address = sys.argv[1:] or ["all"]
    app = Component()
    if role == "work" and "://" in address[0]:
        app + Node(address[0], group="worker") + Splitter() + Counter()
        print("working", flush=True)
    elif role == "feed" and "://" in address[0]:
        app + Node(address[0], forward={"worker": (Split, Count)}) + Report()
    elif role == "work":
        node = Node(address[0])
        app + node + Splitter() + Counter()
        print(f"working at {node.host}:{node.port}", flush=True)
    elif role == "feed":
        host, _, port = address[0].rpartition(":")
        node = Node()
        node.add("worker", host, int(port), forward=(Split, Count))
        app + node + Report()
    else:
        app + Splitter() + Counter() + Report()
    app.run()


if __name__ == "__main__":
    main()
