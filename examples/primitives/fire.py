#!/usr/bin/env python
"""Fire an event, and hear of its result.

python examples/primitives/fire.py
"""

from __future__ import annotations

from circuits import Component, Event


class Add(Event):
    """Asks for a sum."""

    success = True  # tell, by add_success, when the handlers are done


class App(Component):
    def started(self, component):
        self.fire(Add(1, 2))

    def add(self, one, other):
        return one + other

    def add_success(self, source, result):
        print(f"{source.args[0]} + {source.args[1]} = {result}")
        raise SystemExit(0)


if __name__ == "__main__":
    App().run()
