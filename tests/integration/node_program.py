"""A program with a node, for tests: ``python node_program.py '{"bind": 0, "name": "far"}'``.

It prints the port that it listens at, if it does. Options besides those of ``Node``: ``add``, a list of
pairs of a name and a port to connect to.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from circuits import Component, handler, sleep
from circuits.node import Node


class Answers(Component):
    channel = "far"

    def init(self) -> None:
        self.count = 0

    def greet(self, who: str = "you") -> str:
        return f"hello {who}"

    def process(self) -> int:
        return os.getpid()

    def echo(self, thing: Any) -> Any:
        self.count += 1
        return thing

    def counted(self) -> int:
        return self.count

    def bad(self) -> None:
        raise ValueError("no such account")

    def slow(self, seconds: float) -> Any:
        yield sleep(seconds)
        return "slept"

    def memory(self) -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def leave(self) -> None:
        self.root.stop()

    @handler("error", channel="*")
    def _on_error(self, kind: Any, problem: Any, *args: Any) -> None:
        print("error", type(problem).__name__, problem, flush=True)


def main() -> None:
    options = json.loads(sys.argv[1])
    others = options.pop("add", [])
    app = Component() + Answers()
    node = Node(**options).register(app)
    for name, port in others:
        node.add(name, "127.0.0.1", port)
    if node.port is not None:
        print(node.port, flush=True)
    app.run()


if __name__ == "__main__":
    main()
