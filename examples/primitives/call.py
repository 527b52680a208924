#!/usr/bin/env python
"""Fire an event, and go on with its result: in a generator and in a coroutine.

python examples/primitives/call.py
"""

from __future__ import annotations

from circuits import Component, Event


class Add(Event):
    """Asks for a sum."""


class Both(Event):
    """Asks for two sums."""


class App(Component):
    def add(self, one, other):
        return one + other

    def both(self):
        value = yield self.call(Add(1, 2))
        print("a generator gets", value.value)
        value = yield self.call(Add(value.value, 4))
        yield value.value  # what it yields itself is its result

    async def started(self, component):
        result = await self.call(Both())
        print("a coroutine gets", result)
        raise SystemExit(0)


if __name__ == "__main__":
    App().run()
