#!/usr/bin/env python
"""An IRC client that fills the terminal: what is said above, what is typed below.

    python examples/circ.py [-n NICK] [-c CHANNEL] HOST [PORT]

The commands are those of ``ircclient.py``; ^D leaves, too.
"""

from __future__ import annotations

import codecs
import curses
import sys
from collections import deque

from ircclient import Client, make_parser

from circuits import handler
from circuits.net.protocols.irc import QUIT
from circuits.protocols.irc import strip


class Circ(Client):
    def init(self, screen, *where):
        self.screen = screen
        self.said = deque(maxlen=1000)
        self.line = ""
        self.decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        super().init(*where)

    def _listen(self):
        """Nothing makes lines here: each key counts by itself."""

    @handler("read", channel="stdin")
    def _on_keys(self, data):
        for key in self.decode(data):
            if key in "\r\n":
                self.typed(self.line)
                self.line = ""
            elif key in "\b\x7f":
                self.line = self.line[:-1]
            elif key == "\x04":
                self.fire(QUIT("Leaving"))
            elif key.isprintable():
                self.line += key
        self._draw()

    def _show(self, text):
        plain = strip(text, color=True)
        self.said.append("".join(c for c in plain if c.isprintable()))
        self._draw()

    def _draw(self):
        screen = self.screen
        height, width = screen.getmaxyx()
        screen.erase()
        rows = height - 2
        for row, text in enumerate(list(self.said)[-rows:] if rows > 0 else ()):
            screen.addnstr(row, 0, text, width - 1)
        if rows >= 0:
            title = f" {self.nickname} in {self.room} on {self.where[0]} "
            screen.addnstr(height - 2, 0, title.ljust(width), width - 1, curses.A_REVERSE)
        # Of a long line the end is what one wants to see.
        screen.addnstr(height - 1, 0, self.line[-(width - 2) :], width - 1)
        screen.refresh()


def main():
    options = make_parser("An IRC client that fills the terminal.").parse_args()
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        sys.exit("circ.py needs a terminal; ircclient.py does without")
    # Not curses reads the keys but the loop, which also waits for the server.
    curses.wrapper(
        lambda screen: Circ(screen, options.host, options.port, options.nick, options.channel).run()
    )


if __name__ == "__main__":
    main()
