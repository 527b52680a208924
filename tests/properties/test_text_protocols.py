"""Properties of the codecs of lines, IRC and STOMP: cuts mean nothing, and nothing gets in between."""

from __future__ import annotations

import contextlib
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from circuits import Manager
from circuits._wire import LocalProtocolError, ProtocolError, irc, stomp
from circuits._wire._irc_text import color_to_ansi, matches_mask, strip_formatting
from circuits._wire.line import LineDecoder, LineTooLongError, split_lines
from circuits.net.protocols import irc as net_irc
from circuits.net.sockets import Read
from circuits.protocols import irc as irc3
from circuits.testing import Recorder, settle

CUTS = st.lists(st.integers(min_value=0), max_size=8)
LINES = st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b"bcd", b"\xc3\xbc", b"\0"])).map(
    b"".join
)
TEXT = st.text(st.sampled_from("ab#:; @!\\=\r\n\0\x01é"), max_size=12)


def cut(data: bytes, positions: list[int]) -> list[bytes]:
    edges = [0, *sorted(position % (len(data) + 1) for position in positions), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def drained(decoder: Any, pieces: list[bytes]) -> list[Any]:
    found: list[Any] = []
    for piece in pieces:
        decoder.receive_data(piece)
        try:
            while (message := decoder.next_message()) is not None:
                found.append(str(message) if isinstance(message, Exception) else message)
        except ProtocolError as problem:
            found.append(str(problem))
            break
    return found


@given(data=LINES, cuts=CUTS)
def test_lines_are_those_of_the_simple_function(data: bytes, cuts: list[int]) -> None:
    lines, rest = split_lines(data, b"")
    decoder = LineDecoder(None)
    assert drained(decoder, cut(data, cuts)) == lines
    assert decoder.rest == rest


@given(data=LINES, cuts=CUTS, limit=st.integers(1, 6))
def test_limited_lines_are_the_same_but_for_those_too_long(
    data: bytes, cuts: list[int], limit: int
) -> None:
    lines, rest = split_lines(data, b"")
    if len(rest.removesuffix(b"\r")) > limit:
        lines.append(rest)
    expected = [
        str(LineTooLongError(limit, line[:limit])) if len(line) > limit else line for line in lines
    ]
    assert drained(LineDecoder(limit), cut(data, cuts)) == expected
    # A function of the application's own is no exception, but that a CR it leaves over counts.
    found = drained(LineDecoder(limit, lambda new, old: split_lines(new, old)), [data])
    if len(rest) == limit + 1 and rest.endswith(b"\r"):
        expected.append(str(LineTooLongError(limit, rest[:limit])))
    assert found == expected


MESSAGES = st.builds(
    irc.Message,
    st.sampled_from(["PRIVMSG", "001", "x"]),
    st.lists(TEXT, max_size=3).map(tuple),
    st.none() | TEXT,
    st.dictionaries(st.sampled_from(["a", "+b", "x.y/c-d"]), TEXT, max_size=2),
)


@given(message=MESSAGES)
def test_an_irc_message_is_refused_or_arrives_as_it_was(message: irc.Message) -> None:
    try:
        data = irc.encode(message)
    except LocalProtocolError:
        return
    assert data.endswith(b"\r\n")
    lines = drained(LineDecoder(), [data])
    assert len(lines) == 1
    assert irc.parse(lines[0].decode()) == message


@given(command=st.just("X"), params=st.lists(TEXT, max_size=3), trailing=st.none() | TEXT)
def test_a_command_has_as_many_parameters_as_it_was_given(
    command: str, params: list[str], trailing: str | None
) -> None:
    try:
        line = irc.format_command(command, *params, trailing=trailing)
    except LocalProtocolError:
        return
    given = [*params] if trailing is None else [*params, trailing]
    assert list(irc.parse(line).params) == given


@given(line=st.text(max_size=60) | TEXT)
def test_any_line_is_parsed_or_refused(line: str) -> None:
    irc.split_parts(line)
    irc.split_params(line)
    irc.split_source(line)
    with contextlib.suppress(irc.RemoteProtocolError):
        irc.parse(line)


@given(text=st.text(st.sampled_from("a1,\x01\x02\x03\x04\x0f\x1b\x1d\x9b\n"), max_size=20))
def test_no_control_of_terminals_gets_through(text: str) -> None:
    assert not set(strip_formatting(text)) & set("\x02\x03\x04\x0f\x1d")
    shown = color_to_ansi(text)
    for sequence in shown.split("\x1b")[1:]:
        codes, end, _ = sequence.partition("m")
        assert codes[0] == "["
        assert end
        assert set(codes[1:]) <= set("0123456789;")
    assert not set(shown) & set("\x9b\n\x01")


@given(mask=st.text(st.sampled_from("ab*?"), max_size=8), source=st.text("ab", max_size=8))
def test_masks_match_as_defined(mask: str, source: str) -> None:
    def matches(m: str, s: str) -> bool:
        if not m:
            return not s
        if m[0] == "*":
            return matches(m[1:], s) or bool(s and matches(m, s[1:]))
        return bool(s) and m[0] in ("?", s[0]) and matches(m[1:], s[1:])

    assert matches_mask(mask, source) is matches(mask, source)


HEADERS = st.dictionaries(
    st.text(st.sampled_from("ab:\\\r\n\0é"), max_size=4),
    st.text(st.sampled_from("ab:\\\r\n\0é"), max_size=6),
    max_size=3,
)


@given(headers=HEADERS, body=st.binary(max_size=20), cuts=CUTS, version=st.sampled_from("012"))
def test_a_stomp_frame_is_refused_or_arrives_as_it_was(
    headers: dict[str, str], body: bytes, cuts: list[int], version: str
) -> None:
    sent = stomp.Frame("SEND", headers, body)
    try:
        data = stomp.encode(sent, f"1.{version}")
    except LocalProtocolError:
        return
    decoder = stomp.FrameDecoder()
    decoder.version = f"1.{version}"
    (found,) = drained(decoder, cut(data, cuts))
    found.headers.pop("content-length", None)
    assert found == sent
    assert decoder.pending_bytes == 0


@given(
    data=st.lists(
        st.sampled_from(
            [b"SEND", b"\n", b"\r\n", b"a:b", b"content-length:2", b"\0", b"xy", b"\\", b"\n\n"]
        )
    ).map(b"".join),
    cuts=CUTS,
)
def test_cuts_mean_nothing_in_stomp_garbage(data: bytes, cuts: list[int]) -> None:
    limits = stomp.Limits(head_bytes=40, header_count=3, body_bytes=8)
    whole = drained(stomp.FrameDecoder(limits), [data])
    assert drained(stomp.FrameDecoder(limits), cut(data, cuts)) == whole


WORDS = st.sampled_from(
    [
        *("PRIVMSG", "NOTICE", "JOIN", "PART", "QUIT", "NICK", "MODE", "TOPIC", "KICK", "INVITE"),
        *("ERROR", "PING", "PONG", "CAP", "353", "001", ":", "::", " ", "  ", "#c", ":x y", "\x01"),
        *("@a=b", "@", "a!b@c", ":a!b@c", "LS", "*", "\0", "\r", "é", "x" * 300),
    ]
)


@given(
    data=st.lists(WORDS, max_size=10).map(" ".join).map(lambda line: f"{line}\r\n".encode())
    | st.binary(max_size=60).map(lambda data: data + b"\n"),
    sock=st.sampled_from([(), ("sock",)]),
)
def test_no_line_makes_the_components_fail(data: bytes, sock: tuple[Any, ...]) -> None:
    for component in (net_irc.IRC(channel="x", capabilities=["LS"]), irc3.IRC(channel="x")):
        app = Manager()
        component.register(app)
        recorder = Recorder().register(app)
        app.fire(Read(*sock, data), "x")
        settle(app)
        assert recorder.named("error") == []
        assert len(recorder.named("line")) == data.count(b"\n")
