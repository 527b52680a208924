"""IRC as the 3.x line has it."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import circuits
from circuits import Manager
from circuits.net.protocols import irc as net_irc
from circuits.net.sockets import Read
from circuits.protocols import irc
from circuits.protocols.irc import IRC, Error, Message, replies, reply, request
from circuits.testing import Recorder, settle

BOB = ("bob", "b", "h")
NOBODY = (None, None, None)


class Bench(Manager):
    def __init__(self) -> None:
        super().__init__()
        IRC(channel="x").register(self)
        settle(self)
        self.recorder = Recorder().register(self)

    def feed(self, event: Any) -> list[tuple[Any, ...]]:
        self.fire(event, "x")
        settle(self)
        told = [(r.name, *r.args) for r in self.recorder if r.name not in ("read", "registered")]
        self.recorder.clear()
        return told


@pytest.fixture
def bench() -> Bench:
    return Bench()


# -- messages ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "data"),
    [
        (Message("PRIVMSG", "#a", "hello"), b"PRIVMSG #a hello\r\n"),
        (Message("PRIVMSG", "#a", "hello world"), b"PRIVMSG #a :hello world\r\n"),
        (Message("PRIVMSG", b"#a", b"gr\xc3\xbc"), b"PRIVMSG #a gr\xc3\xbc\r\n"),
        (Message("001", "x", prefix="server"), b":server 001 x\r\n"),
        (Message("JOIN", "#a", prefix=BOB), b":bob!b@h JOIN #a\r\n"),
        (Message("JOIN", "#a", prefix=("s", None, None)), b":s JOIN #a\r\n"),
        (Message("AWAY", None), b"AWAY\r\n"),
        (Message("TOPIC", "#a", ""), b"TOPIC #a :\r\n"),
        (Message("A", "\xfc", encoding="latin-1"), b"A \xfc\r\n"),
        (Message("A", 1), b"A 1\r\n"),
        (Message("TAGMSG", "#a", tags={"k": "a b"}), b"@k=a\\sb TAGMSG #a\r\n"),
    ],
)
def test_messages_as_bytes_and_text(message: Message, data: bytes) -> None:
    assert bytes(message) == data
    assert str(message).encode(message.encoding) + b"\r\n" == data
    assert repr(message) == repr(str(message))


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\0b"])
def test_line_breaks_are_rejected(text: str) -> None:
    for args in ((text,), (text, "x")):
        with pytest.raises(Error):
            Message("PRIVMSG", *args)
    with pytest.raises(Error):
        Message(f"PRIVMSG{text}")
    with pytest.raises(Error):
        Message("PRIVMSG", "x", prefix=text)
    message = Message("PRIVMSG", "x")
    message.args.append(text)
    with pytest.raises(Error):
        bytes(message)


def test_spaces_are_for_the_last_argument() -> None:
    with pytest.raises(Error):
        Message("A", "b c", "d")


def test_messages_have_512_bytes() -> None:
    assert len(bytes(Message("A", "x" * 508))) == 512
    with pytest.raises(Error):
        bytes(Message("A", "x" * 509))


def test_messages_are_compared_by_value() -> None:
    message = Message("A", "b", prefix="c")
    assert message == Message("A", "b", prefix="c")
    assert message != Message("A", "b")
    assert message != "A b"
    with pytest.raises(TypeError):
        hash(message)


def test_messages_from_text() -> None:
    message = Message.from_string(":bob!b@h PRIVMSG #a :b c")
    assert (message.command, message.args, message.prefix) == ("PRIVMSG", ["#a", "b c"], BOB)
    assert Message.from_string(b"PING x") == Message("PING", "x")
    with pytest.raises(ValueError, match="no command"):
        Message.from_string(":bob")


# -- outgoing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (irc.AWAY(), b"AWAY"),
        (irc.AWAY("for lunch"), b"AWAY :for lunch"),
        (irc.NICK("a"), b"NICK a"),
        (irc.NICK("a", 1), b"NICK a 1"),
        (irc.USER("a", "b", "c", "d e"), b"USER a b c :d e"),
        (irc.PASS("p"), b"PASS p"),
        (irc.PONG("d"), b"PONG d"),
        (irc.PONG("d", "e"), b"PONG d e"),
        (irc.QUIT(), b"QUIT"),
        (irc.QUIT("so long"), b"QUIT :so long"),
        (irc.JOIN("#a"), b"JOIN #a"),
        (irc.JOIN(["#a", "#b"], ["k", "l"]), b"JOIN #a,#b k,l"),
        (irc.PART("#a"), b"PART #a"),
        (irc.PART(("#a", "#b"), "bye"), b"PART #a,#b bye"),
        (irc.PRIVMSG("x", "m n"), b"PRIVMSG x :m n"),
        (irc.NOTICE(["x", "y"], "m"), b"NOTICE x,y m"),
        (irc.KICK("#a", "u"), b"KICK #a u"),
        (irc.KICK("#a", "u", "why not"), b"KICK #a u :why not"),
        (irc.TOPIC("#a"), b"TOPIC #a"),
        (irc.TOPIC("#a", ""), b"TOPIC #a :"),
        (irc.MODE("#a", "+ov", "x", "y"), b"MODE #a +ov x y"),
        (irc.INVITE("n", "#a"), b"INVITE n #a"),
        (irc.NAMES(), b"NAMES"),
        (irc.NAMES("#a"), b"NAMES #a"),
        (irc.WHOIS("n"), b"WHOIS n"),
        (irc.WHOIS("n", "s"), b"WHOIS s n"),
        (irc.WHO("x", "o"), b"WHO x o"),
    ],
)
def test_commands(bench: Bench, event: request, data: bytes) -> None:
    assert isinstance(event, request)
    assert bench.feed(event)[1:] == [("write", data + b"\r\n")]


def test_replies_are_for_the_application(bench: Bench) -> None:
    assert [e[0] for e in bench.feed(reply("sock", replies.RPL_WELCOME("x")))] == ["reply"]


SAMPLES = {"int": 3, "Iterable[str]": ["a", "b"], "Any": ["a", "b"]}


@pytest.mark.parametrize("name", replies.__all__)
def test_replies_can_be_sent(name: str) -> None:
    function = getattr(replies, name)
    for with_defaults in (True, False):
        args = [
            SAMPLES.get(p.annotation, p.name)
            for p in inspect.signature(function).parameters.values()
            if p.name != "prefix" and (p.default is p.empty or not with_defaults)
        ]
        message = function(*args)
        assert message.add_nick is message.command.isdigit()
        assert bytes(message).endswith(b"\r\n")
        if message.command.isdigit():
            assert len(message.command) == 3
            number = getattr(irc, name, int(message.command))
            assert number == int(message.command)


def test_replies_are_functions_like_any_other() -> None:
    assert (
        str(inspect.signature(replies.RPL_TOPIC)) == "(channel: 'str', topic: 'str') -> 'Message'"
    )
    assert replies.RPL_TOPIC.__doc__ == "``332 <client> <channel> :<topic>``."
    assert str(replies.RPL_TOPIC(topic="a b", channel="#a")) == "332 #a :a b"
    assert str(replies.KICK("#a", nick="bob", prefix="s")) == ":s KICK #a bob"
    assert str(replies.RPL_MOTD("{text} :)")) == "372 :- {text} :)"
    with pytest.raises(TypeError, match=r"RPL_TOPIC\(\) missing 1 required positional .* 'topic'"):
        replies.RPL_TOPIC("#a")  # type: ignore[call-arg]  # that is the point
    with pytest.raises(TypeError, match=r"RPL_LISTEND\(\) takes 0 positional arguments but 1"):
        replies.RPL_LISTEND("#a")  # type: ignore[call-arg]


def test_numbers_have_one_vocabulary() -> None:
    numbers = {name for name in dir(net_irc) if name.startswith(("RPL_", "ERR_"))}
    assert set(irc.numerics.__all__) == numbers < set(irc.__all__)
    assert irc.RPL_WELCOME is net_irc.RPL_WELCOME


@pytest.mark.parametrize(
    ("module", "some", "count"),
    [
        ("circuits.net.protocols.irc", {"IRC", "JOIN", "Join", "RPL_WELCOME", "strip"}, 163),
        ("circuits.protocols.irc", {"IRC", "JOIN", "Message", "RPL_WELCOME", "strip"}, 149),
        ("circuits.protocols.irc.numerics", {"RPL_WELCOME", "ERR_USERSDONTMATCH"}, 118),
        ("circuits.protocols.irc.replies", {"ERROR", "JOIN", "RPL_WELCOME"}, 66),
    ],
)
def test_all_names_can_be_imported_at_once(module: str, some: set[str], count: int) -> None:
    names: dict[str, Any] = {}
    exec(f"from {module} import *", names)
    del names["__builtins__"]
    assert some < set(names)
    assert len(names) == count
    assert not {"Any", "Event", "Callable", "wire"} & set(names)


@pytest.mark.parametrize("nick", ["", None])
def test_who_has_no_nickname_yet_is_a_star(nick: Any) -> None:
    message = replies.ERR_NICKNAMEINUSE("ann")
    message.args.insert(0, nick)
    message.prefix = "server"
    assert bytes(message) == b":server 433 * ann :Nickname is already in use\r\n"
    message = replies.RPL_UMODEIS("")
    assert bytes(message) == b"221 :\r\n"
    message.args.insert(0, nick)
    assert bytes(message) == b"221 * :\r\n"


def test_nothing_else_becomes_a_star() -> None:
    message = replies.RPL_UMODEIS("")
    message.args.insert(0, "ann")
    assert bytes(message) == b"221 ann :\r\n"
    with pytest.raises(Error):
        replies.ERR_NOSUCHNICK("")
    message = Message("401", "x")
    message.args.insert(0, "")
    with pytest.raises(Error):
        bytes(message)


def test_a_mode_with_one_parameter() -> None:
    assert str(replies.MODE("#a", "+o", "bob", prefix="s")) == ":s MODE #a +o bob"
    assert str(replies.MODE("#a", "+n")) == "MODE #a +n"


# -- incoming ----------------------------------------------------------------------------------


def _heard_everywhere() -> set[str]:
    """The events that some component of the framework handles on every channel."""
    pattern = re.compile(r'@handler\(((?:"\w+", )+)channel="\*"')
    sources = Path(circuits.__file__).parent.rglob("*.py")
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    return {name for names in pattern.findall(text) for name in re.findall(r"\w+", names)}


@pytest.mark.parametrize("name", sorted(filter(str.isalpha, _heard_everywhere())))
def test_a_peer_fires_nothing_that_the_framework_hears_everywhere(bench: Bench, name: str) -> None:
    (told,) = [
        event for event in bench.feed(Read(f"{name.upper()} x\r\n".encode())) if event[0] != "line"
    ]
    assert told == (f"irc_{name}", NOBODY, "x")


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (b":bob!b@h PRIVMSG #a :hi there", ("privmsg", BOB, "#a", "hi there")),
        (b":s 001 me :Welcome", ("numeric", ("s", None, None), 1, "me", "Welcome")),
        (b"FOO bar", ("foo", NOBODY, "bar")),
        (b":bob!b@h NICK new", ("nick", BOB, "new")),
        (b"ERROR :Closing", ("irc_error", NOBODY, "Closing")),
        (b"WRITE x", ("irc_write", NOBODY, "x")),
        (b"CONNECT a b", ("irc_connect", NOBODY, "a", "b")),
        (b"@a=b JOIN #c", ("join", NOBODY, "#c")),
    ],
)
def test_messages(bench: Bench, line: bytes, event: tuple[Any, ...]) -> None:
    assert bench.feed(Read(line + b"\r\n"))[1:] == [event]
    assert bench.feed(Read("sock", line + b"\r\n"))[1:] == [(event[0], "sock", *event[1:])]


@pytest.mark.parametrize("line", [b"", b":bob", b"@a", b"A-B x", b"a_b x", b"\xc3\xbc x", b"A1 x"])
def test_lines_without_a_command_are_lines_only(bench: Bench, line: bytes) -> None:
    assert bench.feed(Read(line + b"\r\n")) == [("line", line)]


def test_a_client_answers_pings(bench: Bench) -> None:
    told = bench.feed(Read(b"PING :abc\r\n"))
    assert ("write", b"PONG abc\r\n") in told
    assert ("ping", NOBODY, "abc") in told
    assert [e[0] for e in bench.feed(Read("sock", b"PING :abc\r\n"))] == ["line", "ping"]
    assert [e[0] for e in bench.feed(Read(b"PING\r\n"))] == ["line", "ping"]


def test_tags_are_told(bench: Bench) -> None:
    bench.fire(Read(b"@a=b JOIN #c\r\n"), "x")
    settle(bench)
    (record,) = bench.recorder.named("join")
    assert isinstance(record.event, irc.response)
    assert record.event.tags == {"a": "b"}


@pytest.mark.parametrize("line", [b"JOIN #a\0", b"JOIN " + b"x" * 600])
def test_bad_messages_are_one_event_each(bench: Bench, line: bytes) -> None:
    assert [e[0] for e in bench.feed(Read(line + b"\r\n"))] == ["line", "socket_error"]


# -- functions ---------------------------------------------------------------------------------


def test_functions() -> None:
    assert irc.parsemsg(b":a!b@c PRIVMSG #x :y z") == (("a", "b", "c"), "PRIVMSG", ["#x", "y z"])
    assert irc.parsemsg(b"") == (NOBODY, None, [])
    assert irc.parsemsg(b"@t=1 PING x") == (NOBODY, "PING", ["x"])
    assert irc.parsemsg(b"A \xfc", "latin-1")[2] == ["ü"]
    assert irc.parseprefix("a!b@c") == irc.sourceSplit("a!b@c") == ("a", "b", "c")
    assert irc.parseprefix("s") == ("s", None, None)
    assert irc.parseprefix("") == NOBODY
    assert irc.joinprefix("a", "b", "c") == irc.sourceJoin("a", "b", "c") == "a!b@c"
    text = "\x02b\x02 \x0304,05red\x0f"
    assert irc.strip(text) == text
    assert irc.strip(":" + text, True) == "b red"
    assert irc.irc_color_to_ansi("\x02b") == "\x1b[1mb\x1b[m"
    assert irc.irc_color_to_ansi("\x02b", reset=False) == "\x1b[1mb"
    assert (irc.RPL_NAMEREPLY, irc.ERR_NICKNAMEINUSE) == (353, 433)
