#!/usr/bin/env python
"""A shop whose orders can be watched: /inspector in a browser, `circuits sniff` in a terminal.

python examples/web/inspector.py [-b ADDRESS:PORT]
"""

from __future__ import annotations

import argparse
import random

from circuits import Component, Event, Timer, sleep
from circuits.app import Attach
from circuits.web import Controller, Server
from circuits.web.apps.inspector import Inspector


class Order(Event):
    """Somebody wants something."""


class Reserve(Event):
    """It is to be put aside."""


class Charge(Event):
    """It is to be paid."""


class Root(Controller):
    def index(self):
        self.fire(Order("tea"), "shop")
        return "Ordered tea; see /inspector\n"


class Shop(Component):
    channel = "shop"

    def init(self):
        Timer(0.5, Order("coffee"), "shop", persist=True).register(self)

    def order(self, what):
        yield self.call(Reserve(what), "stock")
        yield sleep(random.random() / 5)
        yield self.call(Charge(what, random.randrange(1, 100)), "bank")


class Stock(Component):
    channel = "stock"

    def reserve(self, what):
        return True


class Bank(Component):
    channel = "bank"

    def charge(self, what, price):
        if price > 90:
            raise ValueError(f"{price} for {what} is too much")


def main():
    parser = argparse.ArgumentParser(description="A shop that can be watched.")
    parser.add_argument("-b", "--bind", default="127.0.0.1:8000", metavar="ADDRESS:PORT")
    app = Server(parser.parse_args().bind) + Root() + Shop() + Stock() + Bank()
    app += Inspector()
    app += Attach()
    print(f"Serving {app.base}/", flush=True)
    app.run()


if __name__ == "__main__":
    main()
