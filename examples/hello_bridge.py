#!/usr/bin/env python
"""Call a component in another process, as if it were here.

python examples/hello_bridge.py
"""

from __future__ import annotations

import os

from circuits import Component, Event


class Hello(Event):
    """Asks for a greeting."""


class Greeter(Component):
    def hello(self):
        return f"Hello from process {os.getpid()}"


class App(Component):
    def init(self):
        # A process of its own for that component, and a bridge to it below this one.
        Greeter().start(process=True, link=self)

    def ready(self, bridge):
        greeting = yield self.call(Hello())
        print(f"{greeting}, says process {os.getpid()}", flush=True)
        raise SystemExit(0)


if __name__ == "__main__":
    App().run()
