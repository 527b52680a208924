#!/usr/bin/env python
"""A channel of IRC as a page: it shows what is said there, and says what is typed.

    python examples/gallery/irc_to_web.py [-b ADDRESS:PORT] HOST PORT CHANNEL [NICK]

One component speaks IRC, the other WebSocket; between them are two events, Heard and Say.
"""

from __future__ import annotations

import argparse
from collections import deque
from pathlib import Path

from circuits import Component, Event, handler, sleep
from circuits.net.protocols import irc
from circuits.net.sockets import Connect, TCPClient
from circuits.web import Controller, Server, broadcast, expose

PAGE = Path(__file__).with_suffix(".html")


class Heard(Event): ...


class Say(Event): ...


class Relay(Component):
    channel = "irc"

    def init(self, host, port, room, nick):
        self.where, self.nickname, self.room = (host, port), nick, room
        TCPClient(channel=self.channel).register(self)
        irc.IRC(channel=self.channel).register(self)

    def ready(self, client):
        self.fire(Connect(*self.where))

    def connected(self, host, port):
        self.fire(irc.USER("bridge", "localhost", host, "A bridge to the web"))
        self.fire(irc.NICK(self.nickname))

    def numeric(self, source, target, number, arg, message):
        if number == irc.RPL_WELCOME:
            self.fire(irc.JOIN(self.room))
        elif number == irc.ERR_NICKNAMEINUSE:
            self.nickname += "_"
            self.fire(irc.NICK(self.nickname))

    def message(self, source, target, message):
        self.fire(Heard(f"<{source[0]}> {message}"), "pages")

    def say(self, text):
        # One line, and not too long: all of it has to fit into 512 bytes.
        text = " ".join(text.replace("\0", "").split()).encode()[:300].decode(errors="ignore")
        self.fire(irc.PRIVMSG(self.room, text))
        self.fire(Heard(f"<{self.nickname}> {text}"), "pages")

    @handler("disconnected", "unreachable")
    def again(self, *reason):
        yield sleep(5)
        self.fire(Connect(*self.where))


class Pages(Controller):
    def init(self):
        self.pages, self.lines = set(), deque(maxlen=50)

    def index(self):
        return PAGE.read_text(encoding="utf-8")

    @expose.websocket(max_message_bytes=2000)
    async def talk(self, websocket):
        self.pages.add(websocket)
        broadcast([websocket], "\n".join(self.lines))
        try:
            async for text in websocket:
                self.fire(Say(str(text)), "irc")
        finally:
            self.pages.discard(websocket)

    @handler("heard", channel="pages")
    def _on_heard(self, line):
        self.lines.append(line)
        broadcast(self.pages, line)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A channel of IRC as a page.")
    parser.add_argument("-b", "--bind", default="127.0.0.1:8000", metavar="ADDRESS:PORT")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("room", metavar="channel", help="such as '#circuits'")
    parser.add_argument("nick", nargs="?", default="webbridge")
    options = vars(parser.parse_args())
    app = Server(options.pop("bind"), connections=200) + Pages() + Relay(**options)
    print(f"Serving {app.base}/", flush=True)
    app.run()
