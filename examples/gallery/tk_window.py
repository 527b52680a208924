#!/usr/bin/env python
"""A window of Tk with circuits inside: it shows who asks the web server that runs in it.

    python examples/gallery/tk_window.py [-b ADDRESS:PORT]

Tk keeps its main loop. Fifty times a second that lets circuits take turns: with 0 seconds to wait,
a turn does what there is to do and comes back. The button fires an event, as anybody may.
"""

from __future__ import annotations

import argparse
import tkinter

from circuits import Component, Event, handler
from circuits.web import Controller, Server

MILLISECONDS, TURNS = 20, 50


class Reset(Event):
    """Count from 0 again."""


class Counted(Event):
    """There was one more visit, or a reset: ``(visits, path)``."""


class Site(Controller):
    def init(self):
        self.visits = 0

    def index(self, *path):
        self.visits += 1
        self.fire(Counted(self.visits, self.request.path), "window")
        return f"You are visitor {self.visits}.\n"

    @handler("reset", channel="site")
    def _on_reset(self):
        self.visits = 0
        self.fire(Counted(0, "-"), "window")


class Window(Component):
    channel = "window"

    def init(self, tk, base):
        tk.title("circuits in Tk")
        tkinter.Label(tk, text=f"Ask {base}/").pack(padx=40, pady=10)
        self.number = tkinter.Label(tk, text="0", font=("", 60))
        self.number.pack()
        self.path = tkinter.Label(tk, text="-")
        self.path.pack(pady=10)
        reset = tkinter.Button(tk, text="Reset", command=lambda: self.fire(Reset(), "site"))
        reset.pack(pady=10)

    def counted(self, visits, path):
        self.number["text"] = visits
        self.path["text"] = path[:60]


def main():
    parser = argparse.ArgumentParser(description="A window of Tk with circuits inside.")
    parser.add_argument("-b", "--bind", default="127.0.0.1:8000", metavar="ADDRESS:PORT")
    app = Server(parser.parse_args().bind) + Site()
    tk = tkinter.Tk()
    tk.protocol("WM_DELETE_WINDOW", app.stop)
    app += Window(tk, app.base)

    def turn():
        for _ in range(TURNS):  # some at once, as one request takes several
            app.tick(0)
        if app.running:
            tk.after(MILLISECONDS, turn)
        else:
            tk.quit()

    print(f"Serving {app.base}/", flush=True)
    with app.running():
        turn()
        tk.mainloop()


if __name__ == "__main__":
    main()
