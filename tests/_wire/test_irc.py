"""The codec of IRC messages."""

from __future__ import annotations

import pytest

from circuits._wire.irc import (
    LocalProtocolError,
    Message,
    MessageTooLongError,
    RemoteProtocolError,
    check_line,
    encode,
    encode_line,
    format_command,
    format_ctcp,
    format_message,
    join_source,
    parse,
    parse_ctcp,
    split_parts,
    split_source,
)


def test_a_message_with_everything() -> None:
    message = parse("@id=1;+x/y=a\\:b :nick!user@host PRIVMSG #c  :hello  there")
    assert message == Message(
        "PRIVMSG",
        ("#c", "hello  there"),
        "nick!user@host",
        {"id": "1", "+x/y": "a;b"},
    )
    assert parse(format_message(message)) == message


@pytest.mark.parametrize("line", ["", ":", ":source", ":source ", "@tags", "@a :b ", "   "])
def test_a_line_without_a_command_is_no_message(line: str) -> None:
    with pytest.raises(RemoteProtocolError, match="without a command"):
        parse(line)


@pytest.mark.parametrize("line", ["PING \0", "PING a\rQUIT", "PING a\nQUIT", "\0"])
def test_nul_and_stray_line_breaks_are_refused(line: str) -> None:
    with pytest.raises(RemoteProtocolError, match="NUL"):
        parse(line)


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("x" * 511, "message of 511 bytes, limit 510"),
        ("ü" * 256, "message of 512 bytes, limit 510"),
        ("@" + "t" * 8191 + " x", "tags of 8193 bytes, limit 8191"),
        ("@a " + "x" * 511, "message of 511 bytes, limit 510"),
    ],
)
def test_what_is_too_long_is_refused(line: str, part: str) -> None:
    with pytest.raises(MessageTooLongError) as caught:
        check_line(line)
    assert str(caught.value) == part
    assert caught.value.size_bytes > caught.value.limit_bytes


@pytest.mark.parametrize(
    "line",
    [
        "x" * 510,
        "ü" * 255,
        "\ufffd" * 510,  # one byte each before it was replaced
        "@" + "t" * 8189 + " " + "x" * 510,
    ],
)
def test_what_has_just_the_length_passes(line: str) -> None:
    check_line(line)


def test_the_length_is_that_in_the_encoding() -> None:
    check_line("ü" * 510, "latin-1")


@pytest.mark.parametrize("value", ["a\r\nQUIT", "a\nQUIT", "a\rQUIT", "a\0b"])
@pytest.mark.parametrize("place", ["command", "middle", "last", "source"])
def test_nothing_can_be_injected(value: str, place: str) -> None:
    message = {
        "command": Message(value, ("x",)),
        "middle": Message("A", (value, "x")),
        "last": Message("A", ("x", value)),
        "source": Message("A", (), value),
    }[place]
    with pytest.raises(LocalProtocolError):
        encode(message)
    with pytest.raises(ValueError, match="CR, LF and NUL"):
        encode_line("PRIVMSG x :" + value)


@pytest.mark.parametrize("value", ["a b", ":a", ""])
def test_a_parameter_cannot_become_another(value: str) -> None:
    with pytest.raises(LocalProtocolError, match="only the last"):
        encode(Message("A", (value, "x")))
    with pytest.raises(LocalProtocolError, match="only the last"):
        format_command("A", value)


@pytest.mark.parametrize(
    "message",
    [
        Message("A B"),
        Message(""),
        Message("12"),
        Message("A", source="a b"),
        Message("A", source=""),
        Message("A", tags={"a b": ""}),
        Message("A", tags={"a;b": ""}),
        Message("A", tags={"": ""}),
    ],
)
def test_what_must_be_a_word_is_one(message: Message) -> None:
    with pytest.raises(LocalProtocolError):
        encode(message)


def test_an_encoding_cannot_smuggle_a_line_break() -> None:
    with pytest.raises(LocalProtocolError):
        encode_line("PRIVMSG x :\u0a0d", "utf-16-le")


def test_lines_are_limited() -> None:
    assert len(encode_line("x" * 510)) == 512
    with pytest.raises(LocalProtocolError, match="message of 513 bytes"):
        encode_line("x" * 511)
    assert len(encode_line("@" + "t" * 4094 + " " + "x" * 510)) == 4096 + 512
    with pytest.raises(LocalProtocolError, match="tags of 4097 bytes"):
        encode_line("@" + "t" * 4095 + " x")


def test_only_what_needs_a_colon_gets_one() -> None:
    assert encode(Message("JOIN", ("#c", "k"))) == b"JOIN #c k\r\n"
    assert encode(Message("TOPIC", ("#c", ""))) == b"TOPIC #c :\r\n"
    assert encode(Message("PRIVMSG", ("#c", ":)"))) == b"PRIVMSG #c ::)\r\n"
    assert encode(Message("AWAY", ("a b",))) == b"AWAY :a b\r\n"
    assert encode(Message("AWAY")) == b"AWAY\r\n"
    assert format_command("PING", trailing="x") == "PING :x"


def test_parts_never_fail() -> None:
    for line in ("", "@", ":", "@ :", "@a", "@a :b", "  x", ": x"):
        split_parts(line)
    assert split_parts(": x").source == ""


def test_sources() -> None:
    assert join_source("n", "u", "h") == "n!u@h"
    assert split_source("n!u@h") == ("n", "u", "h")
    assert split_source("a!b!c@d@e") == ("a!b", "c@d", "e")
    assert split_source("irc.example.org") == ("irc.example.org", None, None)
    assert split_source("!u@h") == ("!u@h", None, None)
    assert split_source("") == ("", None, None)


def test_ctcp() -> None:
    assert parse_ctcp("\x01ACTION waves\x01") == ("ACTION", "waves")
    assert parse_ctcp("\x01VERSION") == ("VERSION", "")
    assert parse_ctcp("hello") is None
    assert format_ctcp("PING", "1 2") == "\x01PING 1 2\x01"
    assert format_ctcp("VERSION") == "\x01VERSION\x01"
    for kind, text in (("", "x"), ("A B", "x"), ("A", "\x01"), ("\x01", "")):
        with pytest.raises(LocalProtocolError):
            format_ctcp(kind, text)
