"""The IRC component: commands to lines, lines to events."""

from __future__ import annotations

from typing import Any

import pytest

from circuits import Component, Event, handler
from circuits.core.values import Value
from circuits.net.protocols import irc
from circuits.net.protocols.irc import IRC, RAW
from circuits.net.sockets import Connected, Read, Write

from .protocol_support import Bench, shown

BOB = ("bob", "b", "host.example")


@pytest.fixture
def bench() -> Bench:
    return Bench(IRC(channel="x"))


# -- outgoing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (irc.PASS("secret"), "PASS secret"),
        (irc.USER("i", "h", "s", "A Name"), 'USER i "h" "s" :A Name'),
        (irc.NICK("nick"), "NICK nick"),
        (irc.PING("server"), "PING :server"),
        (irc.PONG("server"), "PONG :server"),
        (irc.QUIT(), "QUIT :Leaving"),
        (irc.QUIT("so long"), "QUIT :so long"),
        (irc.JOIN("#c"), "JOIN #c"),
        (irc.JOIN("#c", "key"), "JOIN #c key"),
        (irc.PART("#c"), "PART #c :Leaving"),
        (irc.PART("#c", "bye"), "PART #c :bye"),
        (irc.PRIVMSG("#c", "hello there"), "PRIVMSG #c :hello there"),
        (irc.NOTICE("#c", ""), "NOTICE #c :"),
        (irc.KICK("#c", "bob"), "KICK #c bob :"),
        (irc.KICK("#c", "bob", "why not"), "KICK #c bob :why not"),
        (irc.TOPIC("#c", "a topic"), "TOPIC #c :a topic"),
        (irc.MODE("+i"), "MODE :+i"),
        (irc.MODE("+o bob", "#c"), "MODE #c :+o bob"),
        (irc.INVITE("bob", "#c"), "INVITE bob #c"),
        (irc.NAMES(), "NAMES"),
        (irc.NAMES("#c"), "NAMES #c"),
        (irc.AWAY(), "AWAY"),
        (irc.AWAY("for lunch"), "AWAY :for lunch"),
        (irc.WHO("*.org"), "WHO *.org"),
        (irc.WHOIS("bob"), "WHOIS bob"),
        (irc.CAP("REQ", "a b"), "CAP REQ :a b"),
        (irc.PRIVMSG(b"#c", b"gr\xc3\xbc"), "PRIVMSG #c :grü"),
        (irc.NICK(5), "NICK 5"),
    ],
)
def test_commands(bench: Bench, command: Event, line: str) -> None:
    name = f"command_{type(command).__name__.lower()}"
    args = tuple(command.args)
    assert bench.feed(command) == [
        (name, *args),
        ("command_raw", line),
        ("write", line.encode() + b"\r\n"),
    ]


def test_a_line_as_it_is(bench: Bench) -> None:
    assert bench.feed(RAW("ANY thing :ü"))[-1] == ("write", "ANY thing :ü\r\n".encode())
    assert bench.feed(RAW(b"\xff"))[-1] == ("write", b"\xff\r\n")


@pytest.mark.parametrize(
    ("command", "then"),
    [
        (irc.CTCP("bob", "ping", "1 2"), ("command_privmsg", "bob", "\x01PING 1 2\x01")),
        (irc.CTCP("bob", "VERSION", ""), ("command_privmsg", "bob", "\x01VERSION\x01")),
        (irc.CTCPREPLY("bob", "TIME", "now"), ("command_notice", "bob", "\x01TIME now\x01")),
    ],
)
def test_ctcp_goes_in_messages(bench: Bench, command: Event, then: tuple[Any, ...]) -> None:
    told = bench.feed(command)
    assert told[1] == then
    assert [entry[0] for entry in told[2:]] == ["command_raw", "write"]


BAD = ["x\r\nQUIT", "x\nQUIT", "x\rQUIT", "x\0"]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize(
    ("command", "count"),
    [
        (irc.RAW, 1),
        (irc.PASS, 1),
        (irc.USER, 4),
        (irc.NICK, 1),
        (irc.PING, 1),
        (irc.PONG, 1),
        (irc.QUIT, 1),
        (irc.JOIN, 2),
        (irc.PART, 2),
        (irc.PRIVMSG, 2),
        (irc.NOTICE, 2),
        (irc.CTCP, 3),
        (irc.CTCPREPLY, 3),
        (irc.KICK, 3),
        (irc.TOPIC, 2),
        (irc.MODE, 2),
        (irc.INVITE, 2),
        (irc.NAMES, 1),
        (irc.AWAY, 1),
        (irc.WHO, 1),
        (irc.WHOIS, 1),
        (irc.CAP, 2),
    ],
)
def test_no_argument_reaches_the_wire_with_a_line_break(
    bench: Bench, command: type[Event], count: int, bad: str
) -> None:
    for place in range(count):
        args = ["a"] * count
        args[place] = bad
        told = bench.feed(command(*args))
        assert "write" not in [entry[0] for entry in told]
        problems = [entry[2] for entry in told if entry[0] == "error"]
        assert [type(problem) for problem in problems] != []
        assert all(isinstance(problem, ValueError) for problem in problems)


@pytest.mark.parametrize(
    "command", [irc.JOIN("#a b"), irc.NICK(""), irc.PRIVMSG("#c :x", "y"), irc.KICK("#c", ":x")]
)
def test_no_argument_becomes_another(bench: Bench, command: Event) -> None:
    assert [entry[0] for entry in bench.feed(command)][1:] == ["error"]


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (irc.NICK(), "NICK() missing 1 required positional argument: 'nick'"),
        (
            irc.JOIN("#a", "b", "c"),
            "JOIN() takes from 1 to 2 positional arguments but 3 were given",
        ),
        (irc.NICK(name="x"), "NICK() got an unexpected keyword argument 'name'"),
    ],
)
def test_arguments_must_fit_the_command(bench: Bench, command: Event, problem: str) -> None:
    told = bench.feed(command)
    assert [entry[0] for entry in told][1:] == ["error"]
    assert isinstance(told[-1][2], TypeError)
    assert str(told[-1][2]) == problem


def test_arguments_may_be_named(bench: Bench) -> None:
    assert bench.feed(irc.PART(channel="#c", message="bye"))[-1] == ("write", b"PART #c :bye\r\n")
    assert bench.feed(Event.create("command_nick", "x"))[-1] == ("write", b"NICK x\r\n")


def test_long_lines_are_refused(bench: Bench) -> None:
    fits = "x" * (510 - len("PRIVMSG #c :"))
    assert len(bench.feed(irc.PRIVMSG("#c", fits))[-1][1]) == 512
    told = bench.feed(irc.PRIVMSG("#c", fits + "x"))
    assert [entry[0] for entry in told] == ["command_privmsg", "command_raw", "error"]
    assert "split the text" in str(told[-1][2])


def test_the_encoding_works_both_ways() -> None:
    bench = Bench(IRC(channel="x", encoding="latin-1"))
    assert bench.feed(irc.AWAY("ü"))[-1] == ("write", b"AWAY :\xfc\r\n")
    assert bench.feed(Read(b":bob!b@host.example NICK \xfc\r\n"))[-1] == ("nick", BOB, "ü")
    assert bench.feed(irc.AWAY("\u20ac"))[-1][0] == "error"


# -- incoming ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (":s 353 me = #x :a b", ("numeric", "s", "me", 353, "=", "#x :a b")),
        (":s 001 me :Welcome here", ("numeric", "s", "me", 1, None, "Welcome here")),
        (":s 433 * nick :in use", ("numeric", "s", "*", 433, "nick", "in use")),
        (":s 001 me", ("numeric", "s", "me", 1, None, "")),
        (":s 001", ("numeric", "s", "", 1, None, "")),
        (":s 001 me arg", ("numeric", "s", "me", 1, "arg", "")),
        ("001 me :x", ("numeric", "", "me", 1, None, "x")),
        (":bob!b@host.example PRIVMSG #c :hello  there", ("message", BOB, "#c", "hello  there")),
        (":bob!b@host.example PRIVMSG #c hello there", ("message", BOB, "#c", "hello there")),
        (":bob!b@host.example PRIVMSG #c :", ("message", BOB, "#c", "")),
        (":bob!b@host.example PRIVMSG me :\x01VERSION\x01", ("ctcp", BOB, "me", "VERSION", "")),
        (":bob!b@host.example PRIVMSG me :\x01PING 1 2\x01", ("ctcp", BOB, "me", "PING", "1 2")),
        (
            ":bob!b@host.example PRIVMSG me :\x01ACTION \x02waves",
            ("ctcp", BOB, "me", "ACTION", "waves"),
        ),
        (":s NOTICE * :*** hello", ("notice", ("s", None, None), "*", "*** hello")),
        (":bob!b@host.example JOIN :#c", ("join", BOB, "#c")),
        (":bob!b@host.example JOIN #c", ("join", BOB, "#c")),
        (":bob!b@host.example PART #c", ("part", BOB, "#c", "")),
        (":bob!b@host.example PART #c :so long", ("part", BOB, "#c", "so long")),
        (":bob!b@host.example QUIT :so long", ("quit", BOB, "so long")),
        (":bob!b@host.example QUIT", ("quit", BOB, "")),
        (":bob!b@host.example NICK :rob", ("nick", BOB, "rob")),
        (":bob!b@host.example MODE #c +ov a b", ("mode", BOB, "#c", "+ov a b")),
        (":me MODE me :+i", ("mode", ("me", None, None), "me", "+i")),
        (":bob!b@host.example TOPIC #c :new", ("topic", BOB, "#c", "new")),
        (":bob!b@host.example KICK #c me :why not", ("kick", BOB, "#c", "me", "why not")),
        (":bob!b@host.example KICK #c me", ("kick", BOB, "#c", "me", "")),
        (":bob!b@host.example INVITE me :#c", ("invite", BOB, "me", "#c")),
        ("ERROR :Closing link", ("server_error", "Closing link")),
        (":s PONG s :x y", ("pong", ("s", None, None), "x y")),
        (":s CAP me LS :a b", ("cap", ("s", None, None), "LS", "a b")),
        ("PRIVMSG #c :without a source", ("message", ("", None, None), "#c", "without a source")),
        ("privmsg #c :x", ("message", ("", None, None), "#c", "x")),
        ("@a=b :bob!b@host.example JOIN  #c ", ("join", BOB, "#c")),
    ],
)
def test_messages(bench: Bench, line: str, event: tuple[Any, ...]) -> None:
    assert bench.feed(Read(line.encode() + b"\r\n")) == [("line", line), event]
    assert bench.feed(Read("sock", line.encode() + b"\r\n")) == [
        ("line", "sock", line),
        (event[0], "sock", *event[1:]),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "",
        " ",
        ":",
        ":source",
        "@tags",
        "PING",
        "PRIVMSG",
        "PRIVMSG #c",
        "NOTICE x",
        "JOIN",
        "PART",
        "NICK",
        "MODE",
        "MODE #c",
        "KICK #c",
        "INVITE me",
        "TOPIC #c",
        "CAP",
        "CAP *",
        "PONG",
        "WHATEVER x",
        "12 x",
        "1234 x",
        "\u0661\u0662\u0663 x",
    ],
)
def test_what_is_not_understood_is_a_line_only(bench: Bench, line: str) -> None:
    assert bench.feed(Read(line.encode() + b"\n")) == [("line", line)]


def test_tags_are_told(bench: Bench) -> None:
    bench.feed(Read(b"@time=1;msgid=a\\sb :bob JOIN #c\n:bob JOIN #c\n"))
    bench.recorder.clear()
    bench.fire(Read(b"@time=1;msgid=a\\sb :bob JOIN #c\n:bob JOIN #c\n"), "x")
    bench.flush()
    bench.flush()
    bench.flush()
    tagged, plain = (record.event for record in bench.recorder.named("join"))
    assert isinstance(tagged, irc.Join)
    assert isinstance(plain, irc.Join)
    assert tagged.tags == {"time": "1", "msgid": "a b"}
    assert plain.tags == {}


def test_a_ping_is_answered_and_seen_by_nobody_else() -> None:
    seen = []

    class Curious(Component):
        channel = "x"

        @handler("ping", priority=-1)
        def _on_ping(self, *args: Any) -> None:
            seen.append(args)

    bench = Bench(IRC(channel="x"), Curious())
    for line in (b"PING :a b\r\n", b":server PING :a b\r\n"):
        assert bench.feed(Read(line))[1:] == [
            ("ping", "a b"),
            ("command_pong", "a b"),
            ("command_raw", "PONG :a b"),
            ("write", b"PONG :a b\r\n"),
        ]
    assert bench.feed(Read("sock", b"PING :x\r\n"))[1:] == [
        ("ping", "sock", "x"),
        ("write", "sock", b"PONG :x\r\n"),
    ]
    assert seen == []


def test_other_pings_are_left_alone(bench: Bench) -> None:
    assert bench.feed(Event.create("ping", "x")) == [("ping", "x")]


@pytest.mark.parametrize("sock", [(), ("sock",)])
@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"PRIVMSG #c :a\0b", "message contains NUL or a bare CR or LF"),
        (b"PRIVMSG #c :a\rQUIT", "message contains NUL or a bare CR or LF"),
        (b"PRIVMSG #c :" + b"x" * 600, "message of 612 bytes, limit 510"),
        (b"@" + b"t" * 8200 + b" JOIN #c", "tags of 8202 bytes, limit 8191"),
    ],
)
def test_bad_messages_are_one_event_each(
    bench: Bench, sock: tuple[Any, ...], line: bytes, problem: str
) -> None:
    told = bench.feed(Read(*sock, line + b"\r\n"), Read(*sock, b":bob JOIN #c\r\n"))
    text = line.decode()
    assert shown(told) == [
        ("line", *sock, text),
        ("line", *sock, ":bob JOIN #c"),
        ("socket_error", *sock, problem),
        ("join", *sock, ("bob", None, None), "#c"),
    ]


def test_an_endless_line_is_one_event(bench: Bench) -> None:
    told = bench.feed(*[Read(b"x" * 4096)] * 50, Read(b"\nPING :x\n"))
    assert [entry[0] for entry in told[:3]] == ["socket_error", "line", "ping"]


# -- subclasses --------------------------------------------------------------------------------


def test_a_subclass_that_overrides_line_must_call_it() -> None:
    seen = []

    class Bot(IRC):
        channel = "x"

        def line(self, line: str) -> None:
            seen.append(line)
            super().line(line)

    class Deaf(IRC):
        channel = "x"

        def line(self, line: str) -> None:
            seen.append(line)

    assert Bench(Bot()).feed(Read(b":bob JOIN #c\n"))[1:] == [("join", ("bob", None, None), "#c")]
    assert Bench(Deaf()).feed(Read(b":bob JOIN #c\n"))[1:] == []
    assert seen == [":bob JOIN #c"] * 2


def test_a_line_may_be_given_by_hand() -> None:
    component = IRC(channel="x")
    bench = Bench(component)
    component.line(":bob JOIN #c")
    component.line(line=":bob JOIN #d")
    component.line("sock", ":bob JOIN #c")
    assert bench.told() == [
        ("join", ("bob", None, None), "#c"),
        ("join", ("bob", None, None), "#d"),
        ("join", "sock", ("bob", None, None), "#c"),
    ]


# -- capabilities ------------------------------------------------------------------------------


def sent(told: list[tuple[Any, ...]]) -> list[bytes]:
    return [entry[1] for entry in told if entry[0] == "write"]


class Introduction(Component):
    channel = "x"

    def connected(self, host: str, port: int) -> None:
        self.fire(irc.NICK("me"))


def test_capabilities_are_negotiated_before_anything_else() -> None:
    component = IRC(channel="x", capabilities=("server-time", "sasl"))
    bench = Bench(Introduction(), component)
    assert sent(bench.feed(Connected("h", 1))) == [b"CAP LS 302\r\n", b"NICK me\r\n"]
    assert sent(bench.feed(Read(b":s CAP * LS :server-time x\r\n"))) == [b"CAP REQ server-time\r\n"]
    told = bench.feed(Read(b":s CAP * ACK :server-time\r\n"))
    assert sent(told) == [b"CAP END\r\n"]
    assert ("capabilities", frozenset({"server-time"})) in told
    assert component.capabilities == {"server-time"}
    told = bench.feed(Read(b":s CAP me DEL :server-time\r\n"))
    assert told[-1] == ("capabilities", frozenset())


def test_without_wishes_the_server_is_not_asked(bench: Bench) -> None:
    assert bench.feed(Connected("h", 1)) == [("connected", "h", 1)]
    assert [entry[0] for entry in bench.feed(Read(b":s CAP * LS :a\n"))] == ["line", "cap"]


# -- functions ---------------------------------------------------------------------------------


def test_functions() -> None:
    assert irc.strip(":abc") == "abc"
    assert irc.strip("::abc") == ":abc"  # noqa: B005 - not that of strings
    assert irc.strip(":\x01\x02a\x02\x01", True) == "a"
    assert irc.strip("\x01a") == "\x01a"
    assert irc.sourceJoin("n", "i", "h") == "n!i@h"
    assert irc.sourceSplit("n!i@h") == ("n", "i", "h")
    assert irc.sourceSplit("a!b!c@d@e") == ("a!b", "c@d", "e")
    assert irc.sourceSplit("server") == ("server", None, None)


def test_failures_are_told_to_who_fires(bench: Bench) -> None:
    value = bench.fire(irc.NICK("a\nb"), "x")
    bench.told()
    assert isinstance(value, Value)
    assert value.errors
    assert not bench.recorder.named(Write)
