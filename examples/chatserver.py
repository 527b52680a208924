#!/usr/bin/env python
"""Chat server: everybody hears what somebody says.

    python examples/chatserver.py [-b ADDRESS:PORT] [-d]

Join with ``telnet 127.0.0.1 8000``, twice. ``-d`` shows all events.
"""

from __future__ import annotations

import argparse

from circuits import Component, Debugger
from circuits.net.protocols.line import LP
from circuits.net.sockets import Close, TCPServer, Write


class Guest:
    """Somebody who is connected. Who has not told a name yet is heard by nobody."""

    def __init__(self, sock, host, port):
        self.sock = sock
        self.where = f"{host}:{port}"
        self.nick = None


class ChatServer(Component):
    channel = "server"

    def init(self, bind):
        self.guests = {}  # by socket
        TCPServer(bind, channel=self.channel).register(self)
        LP(channel=self.channel, max_line=1000).register(self)

    def _tell_others(self, guest, text):
        for other in self.guests.values():
            if other is not guest and other.nick is not None:
                self.fire(Write(other.sock, text.encode() + b"\n"))

    def ready(self, server, bind):
        print(f"Listening on {bind[0]}:{bind[1]}", flush=True)

    def connect(self, sock, host, port):
        self.guests[sock] = Guest(sock, host, port)
        self.fire(Write(sock, b"Welcome to the circuits chat!\nPlease enter your nickname: "))

    def line(self, sock, line):
        guest = self.guests[sock]
        text = "".join(letter for letter in line if letter.isprintable()).strip()
        if guest.nick is None:
            self._introduce(guest, text)
        elif text == "/quit":
            self.fire(Close(sock))
        elif text:
            self._tell_others(guest, f"<{guest.nick}> {text}")

    def _introduce(self, guest, nick):
        taken = {other.nick for other in self.guests.values()}
        if not nick or len(nick) > 20 or nick in taken:
            self.fire(Write(guest.sock, b"Please enter another nickname: "))
            return
        guest.nick = nick
        self.fire(Write(guest.sock, f"Hello {nick}! Leave with /quit.\n".encode()))
        self._tell_others(guest, f"!!! {nick} has joined !!!")

    def disconnect(self, sock):
        guest = self.guests.pop(sock, None)
        if guest is not None and guest.nick is not None:
            self._tell_others(guest, f"!!! {guest.nick} has left !!!")

    def socket_error(self, sock, problem):
        print(f"{sock}: {problem}", flush=True)


def main():
    parser = argparse.ArgumentParser(description="Everybody hears what somebody says.")
    parser.add_argument("-b", "--bind", default="0.0.0.0:8000", metavar="ADDRESS:PORT")
    parser.add_argument("-d", "--debug", action="store_true", help="show all events")
    options = parser.parse_args()
    app = ChatServer(options.bind)
    if options.debug:
        Debugger().register(app)
    app.run()


if __name__ == "__main__":
    main()
