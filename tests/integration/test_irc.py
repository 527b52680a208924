"""The IRC components and examples against a real server."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from typing import Any

import pytest

from circuits import Component
from circuits.net.protocols import irc
from circuits.net.sockets import Connect, TCPClient
from circuits.protocols import irc as irc3
from tests.integration.example_support import EXAMPLES, example
from tests.integration.irc_support import ngircd
from tests.integration.net_support import Journal, Running, running


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with ngircd(tmp_path_factory.mktemp("ngircd")) as port:
        yield port


class User:
    """One client: its components, on a channel that is its name, and what it has seen."""

    def __init__(self, name: str, **options: Any) -> None:
        self.name = name
        self.component = irc.IRC(channel=name, **options)
        self.journal = Journal(name)
        self.components = [TCPClient(channel=name), self.component, self.journal]
        self.program: Running

    def says(self, *events: Any) -> None:
        for event in events:
            self.program.app.fire(event, self.name)

    def registers(self, program: Running, port: int) -> None:
        self.program = program
        self.says(Connect("127.0.0.1", port))
        self.journal.expect("connected")
        self.says(irc.USER("me", "host", "server", "A Name"), irc.NICK(self.name))
        while True:
            count = len(self.journal.of("numeric"))
            if any(args[2] == irc.RPL_WELCOME for args in self.journal.of("numeric")):
                return
            self.journal.expect("numeric", count + 1)

    def expect_numeric(self, number: int) -> tuple[Any, ...]:
        count = 0
        while True:
            count += 1
            args = self.journal.expect("numeric", count)
            if args[2] == number:
                return args


@pytest.fixture
def users(port: int) -> Iterator[tuple[User, User]]:
    ann, bob = User("ann", capabilities=("multi-prefix", "nothing")), User("bob")
    with running(*ann.components, *bob.components) as program:
        ann.registers(program, port)
        bob.registers(program, port)
        yield ann, bob
        for user in (ann, bob):
            if "disconnected" not in user.journal.names:
                user.says(irc.QUIT("end of test"))
                user.journal.expect("disconnected")


def meet(ann: User, bob: User, room: str) -> None:
    """Have both in a channel, first Ann."""
    ann.says(irc.JOIN(room))
    ann.journal.expect("join")
    bob.says(irc.JOIN(room))
    bob.journal.expect("join")
    ann.journal.expect("join", 2)


def test_talking(users: tuple[User, User]) -> None:
    ann, bob = users
    meet(ann, bob, "#talk")
    source, room = ann.journal.expect("join", 2)
    assert (source[0], room) == ("bob", "#talk")
    assert ann.expect_numeric(irc.RPL_NAMREPLY)[3:] == ("=", "#talk :@ann")
    ann.says(irc.PRIVMSG("#talk", ":) grüße  an alle"))
    source, target, text = bob.journal.expect("message")
    assert (source[0], target, text) == ("ann", "#talk", ":) grüße  an alle")
    bob.says(irc.NOTICE("ann", "psst"))
    assert ann.journal.expect("notice", len(ann.journal.of("notice")) or 1)
    ann.says(irc.CTCP("bob", "PING", "12 34"))
    source, target, kind, text = bob.journal.expect("ctcp")
    assert (source[0], target, kind, text) == ("ann", "bob", "PING", "12 34")


def test_a_channel(users: tuple[User, User]) -> None:
    ann, bob = users
    meet(ann, bob, "#room")
    ann.says(irc.TOPIC("#room", "A new topic"))
    assert bob.journal.expect("topic")[1:] == ("#room", "A new topic")
    ann.says(irc.MODE("+v bob", "#room"))
    ann.says(irc.KICK("#room", "bob", "why not"))
    assert bob.journal.expect("kick")[1:] == ("#room", "bob", "why not")
    ann.says(irc.INVITE("bob", "#room"))
    assert bob.journal.expect("invite")[1:] == ("bob", "#room")
    bob.says(irc.NICK("robert"))
    bob.journal.expect("nick")
    bob.says(irc.JOIN("#room"))
    assert ann.journal.expect("join", 3)[0][0] == "robert"
    bob.says(irc.PART("#room", "so long"))
    source, room, text = ann.journal.expect("part")
    assert (source[0], room) == ("robert", "#room")
    assert "so long" in text
    ann.says(irc.WHOIS("robert"))
    assert ann.expect_numeric(irc.RPL_WHOISUSER)[3] == "robert"


def test_a_name_that_is_taken(users: tuple[User, User]) -> None:
    _, bob = users
    bob.says(irc.NICK("ann"))
    _, target, _, arg, _ = bob.expect_numeric(irc.ERR_NICKNAMEINUSE)
    assert (target, arg) == ("bob", "ann")


def test_signs_of_life_and_the_end(users: tuple[User, User]) -> None:
    ann, _ = users
    ann.says(irc.PING("anybody"))
    assert ann.journal.expect("pong")[1] == "anybody"
    ann.says(irc.QUIT("bye"))
    ann.journal.expect("server_error")
    ann.journal.expect("disconnected")


def test_capabilities(users: tuple[User, User]) -> None:
    ann, bob = users
    assert ann.journal.expect("capabilities") == (frozenset({"multi-prefix"}),)
    assert ann.component.capabilities == {"multi-prefix"}
    assert "capabilities" not in bob.journal.names


def test_nothing_is_injected(users: tuple[User, User]) -> None:
    ann, bob = users
    ann.says(irc.PRIVMSG("bob", "x\r\nQUIT :gone"), irc.PRIVMSG("bob", "still here"))
    assert bob.journal.expect("message")[2] == "still here"
    assert "disconnected" not in ann.journal.names


def test_as_the_3x_line_has_it(port: int) -> None:
    class Client(Component):
        channel = "carol"

        def connected(self, host: str, port: int) -> None:
            self.fire(irc3.USER("carol", "host", "server", "Carol"))
            self.fire(irc3.NICK("carol"))

        def numeric(self, source: Any, number: int, *args: str) -> None:
            if number == irc3.RPL_WELCOME:
                self.fire(irc3.JOIN("#new"))

    journal = Journal("carol")
    client = TCPClient(channel="carol")
    with running(client, irc3.IRC(channel="carol"), Client(), journal) as program:
        program.app.fire(Connect("127.0.0.1", port), "carol")
        source, room = journal.expect("join")
        assert (source[0], room) == ("carol", "#new")
        program.app.fire(irc3.PRIVMSG("carol", "to myself"), "carol")
        source, target, text = journal.expect("privmsg")
        assert (source[0], target, text) == ("carol", "carol", "to myself")
        program.app.fire(irc3.QUIT("bye"), "carol")
        journal.expect("irc_error")
        journal.expect("disconnected")


# -- examples ----------------------------------------------------------------------------------


#: The server may not have noticed yet that a bot of an earlier test has gone.
_numbers = itertools.count()


@pytest.fixture
def robot(port: int) -> Iterator[str]:
    """The name of a bot that runs."""
    name = f"robot{next(_numbers)}"
    with example("ircbot.py", "-n", name, "-c", "#bots", "127.0.0.1", port) as script:
        script.hear(f"Joined #bots as {name}\n")
        yield name
        assert script.interrupt() == 0


def test_the_examples_talk_to_each_other(port: int, robot: str) -> None:
    with example("ircclient.py", "-n", "dave", "-c", "#bots", "127.0.0.1", port) as client:
        client.hear("Welcome to")
        client.hear(f"<{robot}> Hello, dave!")
        client.type(f"{robot}: say it again")
        client.hear(f"<{robot}> dave: say it again")
        client.type("/nick david")
        client.hear("dave is now known as david")
        client.type("/join #other")
        client.hear("david has joined #other")
        client.type("/quit so long")
        assert client.wait() == 0
        assert "The server says:" in client.output


def test_a_second_bot_takes_another_name(port: int, robot: str) -> None:
    with example("ircbot.py", "-n", robot, "-c", "#bots", "127.0.0.1", port) as other:
        other.hear(f"Joined #bots as {robot}_\n")
        assert other.interrupt() == 0


def test_the_client_ends_with_its_input(port: int) -> None:
    with example("ircclient.py", "-n", "eve", "127.0.0.1", port) as client:
        client.hear("eve has joined #circuits")
        assert client.finish() == 0


def _hear(terminal: int, text: bytes) -> None:
    seen = b""
    while text not in seen:
        ready, _, _ = select.select([terminal], [], [], 20)
        assert ready, seen
        seen += os.read(terminal, 65536)


def test_the_client_that_fills_the_terminal(port: int, robot: str) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    client = subprocess.Popen(
        [
            *(sys.executable, "-W", "error", EXAMPLES / "circ.py"),
            *("-n", "frank", "-c", "#bots", "127.0.0.1", str(port)),
        ],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "PYTHONDONTWRITEBYTECODE": "1"},
        start_new_session=True,
    )
    os.close(theirs)
    try:
        _hear(ours, f"<{robot}> Hello, frank!".encode())
        os.write(ours, f"{robot}: tell mx\x7fe\r".encode())
        _hear(ours, b"frank: tell me")
        os.write(ours, b"/quit so long\r")
        with contextlib.suppress(OSError):  # the terminal is gone when the client is
            while os.read(ours, 65536):
                pass
        assert client.wait(20) == 0
    finally:
        client.kill()
        client.wait()
        os.close(ours)


def test_it_needs_a_terminal() -> None:
    with example("circ.py", "127.0.0.1") as client:
        assert client.finish() == 1
        assert "needs a terminal" in client.output
