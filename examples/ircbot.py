#!/usr/bin/env python
"""An IRC bot that greets who joins, and repeats what it is told.

python examples/ircbot.py [-n NICK] [-c CHANNEL] HOST [PORT]
"""

from __future__ import annotations

import argparse

from circuits import Component, Debugger, handler
from circuits.net.protocols.irc import (
    CTCPREPLY,
    ERR_NICKNAMEINUSE,
    IRC,
    JOIN,
    NICK,
    PRIVMSG,
    RPL_WELCOME,
    USER,
)
from circuits.net.sockets import Connect, TCPClient


class Bot(Component):
    channel = "ircbot"

    def init(self, host, port=6667, nick="circuits", room="#circuits"):
        self.where = (host, port)
        self.nickname = nick
        self.room = room
        # Both on our channel, and so they hear each other.
        TCPClient(channel=self.channel).register(self)
        IRC(channel=self.channel).register(self)

    def ready(self, client):
        self.fire(Connect(*self.where))

    def connected(self, host, port):
        self.fire(USER("bot", "localhost", host, "A bot made with circuits"))
        self.fire(NICK(self.nickname))

    def numeric(self, source, target, number, arg, message):
        if number == RPL_WELCOME:
            self.fire(JOIN(self.room))
        elif number == ERR_NICKNAMEINUSE:
            self.nickname += "_"
            self.fire(NICK(self.nickname))

    # Components have a method join already, so this one has another name.
    @handler("join")
    def somebody_joined(self, source, channel):
        nick = source[0]
        if nick == self.nickname:
            print(f"Joined {channel} as {nick}", flush=True)
        else:
            self.fire(PRIVMSG(channel, f"Hello, {nick}!"))

    def message(self, source, target, message):
        nick = source[0]
        if target == self.nickname:
            self.fire(PRIVMSG(nick, message))
        elif message.startswith(f"{self.nickname}:"):
            self.fire(PRIVMSG(target, f"{nick}: {message.partition(':')[2].strip()}"))

    def ctcp(self, source, target, kind, message):
        if kind == "VERSION":
            self.fire(CTCPREPLY(source[0], kind, "a bot made with circuits"))

    def socket_error(self, problem):
        print(f"Error: {problem}", flush=True)

    def unreachable(self, host, port, reason=None):
        raise SystemExit(1)

    def disconnected(self):
        raise SystemExit(0)


def main():
    parser = argparse.ArgumentParser(description="An IRC bot.")
    parser.add_argument("host")
    parser.add_argument("port", type=int, nargs="?", default=6667)
    parser.add_argument("-n", "--nick", default="circuits")
    parser.add_argument("-c", "--channel", default="#circuits")
    parser.add_argument("-d", "--debug", action="store_true", help="show all events")
    options = parser.parse_args()
    app = Bot(options.host, options.port, options.nick, options.channel)
    if options.debug:
        Debugger().register(app)
    app.run()


if __name__ == "__main__":
    main()
