#!/usr/bin/env python
"""Timers: one that fires once, and two that go on.

    python examples/timers.py [-s SCALE]

``-s 0.1`` makes it ten times as fast. Stop it with ^C.
"""

from __future__ import annotations

import argparse

from circuits import Component, Event, Timer


class Hello(Event):
    """Fired once."""


class Foo(Event):
    """Fired every second."""


class Bar(Event):
    """Fired every three seconds."""


class App(Component):
    def hello(self):
        print("Hello World", flush=True)

    def foo(self):
        print("Foo", flush=True)

    def bar(self):
        print("Bar", flush=True)


def main():
    parser = argparse.ArgumentParser(description="Shows timers.")
    parser.add_argument("-s", "--scale", type=float, default=1.0, help="factor of all times")
    scale = parser.parse_args().scale
    app = App()
    Timer(5 * scale, Hello()).register(app)
    Timer(1 * scale, Foo(), persist=True).register(app)
    Timer(3 * scale, Bar(), persist=True).register(app)
    app.run()


if __name__ == "__main__":
    main()
