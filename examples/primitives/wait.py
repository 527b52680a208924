#!/usr/bin/env python
"""Wait for an event that somebody else fires, but not for ever.

python examples/primitives/wait.py
"""

from __future__ import annotations

from circuits import Component, Event, TimeoutError, Timer


class Ring(Event):
    """The bell rings."""


class App(Component):
    def init(self):
        Timer(0.2, Ring()).register(self)

    def started(self, component):
        yield self.wait("ring")
        print("It rings.")
        try:
            yield self.wait("ring", timeout=0.2)
        except TimeoutError:
            print("It does not ring again.")
        raise SystemExit(0)


if __name__ == "__main__":
    App().run()
