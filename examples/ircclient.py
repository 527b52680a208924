#!/usr/bin/env python
"""An IRC client without comfort: what is typed is said in the channel.

    python examples/ircclient.py [-n NICK] [-c CHANNEL] HOST [PORT]

``/join CHANNEL`` goes to another channel, ``/nick NICK`` changes the name, ``/quit`` leaves.
"""

from __future__ import annotations

import argparse
import getpass

from circuits import Component, Debugger, handler
from circuits.io import stdin
from circuits.net.protocols import LP
from circuits.net.protocols.irc import (
    ERR_NICKNAMEINUSE,
    IRC,
    JOIN,
    NICK,
    PRIVMSG,
    QUIT,
    RPL_WELCOME,
    USER,
)
from circuits.net.sockets import Connect, TCPClient
from circuits.protocols.irc import irc_color_to_ansi


class Client(Component):
    channel = "irc"

    def init(self, host, port, nick, room):
        self.where = (host, port)
        self.nickname = nick
        self.room = room
        TCPClient(channel=self.channel).register(self)
        IRC(channel=self.channel).register(self)
        self._listen()

    def _listen(self):
        LP(channel="stdin").register(self)  # lines out of what is typed

    def _show(self, text):
        # Colours are kept; but nobody shall send other commands to our terminal.
        print(irc_color_to_ansi(text), flush=True)

    def ready(self, client):
        self.fire(Connect(*self.where))

    def connected(self, host, port):
        self._show(f"Connected to {host}:{port}")
        stdin.register(self)
        self.fire(USER(self.nickname, "localhost", host, self.nickname))
        self.fire(NICK(self.nickname))

    def numeric(self, source, target, number, arg, message):
        self._show(f"{number:03} {arg or ''} {message}")
        if number == RPL_WELCOME:
            self.fire(JOIN(self.room))
        elif number == ERR_NICKNAMEINUSE:
            self.nickname += "_"
            self.fire(NICK(self.nickname))

    # Components have a method join already, so this one has another name.
    @handler("join")
    def somebody_joined(self, source, channel):
        self._show(f"--> {source[0]} has joined {channel}")

    def part(self, source, channel, message):
        self._show(f"<-- {source[0]} has left {channel} ({message})")

    def quit(self, source, message):
        self._show(f"<-- {source[0]} has quit ({message})")

    def nick(self, source, nick):
        self._show(f"--- {source[0]} is now known as {nick}")
        if source[0] == self.nickname:
            self.nickname = nick

    def message(self, source, target, message):
        self._show(f"<{source[0]}> {message}")

    def notice(self, source, target, message):
        self._show(f"-{source[0]}- {message}")

    def server_error(self, message):
        self._show(f"The server says: {message}")

    @handler("line", channel="stdin")
    def typed(self, line):
        command, _, argument = line.partition(" ")
        if command == "/join":
            self.room = argument
            self.fire(JOIN(argument))
        elif command == "/nick":
            self.fire(NICK(argument))
        elif command == "/quit":
            self.fire(QUIT(argument or "Leaving"))
        elif line:
            self.fire(PRIVMSG(self.room, line))

    @handler("eof", channel="stdin")
    def input_ended(self):
        self.fire(QUIT())

    def socket_error(self, problem):
        self._show(f"Error: {problem}")

    def unreachable(self, host, port, reason=None):
        raise SystemExit(1)

    def disconnected(self):
        raise SystemExit(0)


def make_parser(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("host")
    parser.add_argument("port", type=int, nargs="?", default=6667)
    parser.add_argument("-n", "--nick", default=getpass.getuser())
    parser.add_argument("-c", "--channel", default="#circuits")
    return parser


def main():
    parser = make_parser("A simple IRC client.")
    parser.add_argument("-d", "--debug", action="store_true", help="show all events")
    options = parser.parse_args()
    app = Client(options.host, options.port, options.nick, options.channel)
    if options.debug:
        Debugger().register(app)
    app.run()


if __name__ == "__main__":
    main()
