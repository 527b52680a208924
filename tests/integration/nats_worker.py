"""A member of a group that takes stored events: ``python nats_worker.py URL NAME FILE``.

Appends a line for each event that it has done to the file: its number and its id.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from circuits import Component, sleep
from circuits.node import Node


class Works(Component):
    channel = "jobs"

    def init(self, path: str) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def job(self, event: Any, number: int, seconds: float = 0.0) -> Any:
        if seconds:
            yield sleep(seconds)
        os.write(self.file, f"{number} {event.id} {event.delivery}\n".encode())


def main() -> None:
    url, name, path = sys.argv[1:]
    app = Component() + Works(path)
    Node(url, name=name, group="workers", durable=True, ack_wait=2.0).register(app)
    print("ready", flush=True)
    app.run()


if __name__ == "__main__":
    main()
