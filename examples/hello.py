#!/usr/bin/env python
"""The smallest program: an event, a handler, an end.

python examples/hello.py
"""

from __future__ import annotations

from circuits import Component, Event


class Hello(Event):
    """Somebody shall be greeted."""


class App(Component):
    def started(self, component):
        self.fire(Hello())

    def hello(self):
        print("Hello World!")
        raise SystemExit(0)


if __name__ == "__main__":
    App().run()
