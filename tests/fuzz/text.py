"""The protocols of text: lines, IRC and STOMP."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from circuits._wire import LocalProtocolError, ProtocolError, irc, stomp
from circuits._wire._irc_capabilities import Negotiation
from circuits._wire._irc_text import (
    color_to_ansi,
    fold_case,
    is_hostname,
    matches_mask,
    strip_formatting,
)
from circuits._wire.line import LineDecoder, split_lines
from tests.fuzz.engine import Target, normal


class Lines(Target):
    name = "line"
    seeds = [b"one\r\ntwo\nthr", b"\r\r\n\n\r", b"x" * 40 + b"\r\ny\n", b"\0\xff\n"]
    words = [b"\r", b"\n", b"\r\n", b"\n\r", b"a", b"x" * 31, b"x" * 32, b"\0", b"\xe4\xb8"]
    peers = ("the simple function",)
    most_held = 65536 + 16384
    limit = 32

    def outcome(self, pieces: Iterable[bytes]) -> list[Any]:
        decoders = [LineDecoder(self.limit), LineDecoder(None)]
        found: list[list[Any]] = [[], []]
        for piece in pieces:
            for decoder, lines in zip(decoders, found, strict=True):
                decoder.receive_data(piece)
                while (line := decoder.next_message()) is not None:
                    lines.append(f"refused {line}" if isinstance(line, Exception) else line)
        return [*found[0], "and", *found[1], decoders[1].rest]

    def steps(self, pieces: Iterable[bytes]) -> Iterator[int]:
        decoders = [LineDecoder(), LineDecoder(4096, lambda new, old: split_lines(new, old))]
        for piece in pieces:
            for decoder in decoders:
                decoder.receive_data(piece)
                while decoder.next_message() is not None:
                    pass
            yield max(len(decoder.rest) for decoder in decoders)

    def check(self, data: bytes, whole: list[Any]) -> Iterator[tuple[str, str, str]]:
        lines, rest = split_lines(data, b"")
        free = whole[whole.index("and") + 1 :]
        if free != [*lines, rest]:
            yield self.peers[0], "otherwise", f"{free} / {lines} {rest!r}"
        limited = [line for line in whole[: whole.index("and")] if not isinstance(line, str)]
        if limited != [line for line in lines if len(line) <= self.limit]:
            yield self.peers[0], "otherwise with a limit", f"{limited} / {lines}"


class Irc(Target):
    """Lines of a server, and all that is made of them."""

    name = "irc"
    seeds = [
        b"@time=12:00;a=\\s\\:b;+x/y :nick!user@host PRIVMSG #channel :hello there\r\n",
        b":server 001 me :Welcome\r\nPING :abc\r\n",
        b":s CAP * LS * :multi-prefix sasl=PLAIN\r\n:s CAP * LS :away-notify\r\n:s CAP * ACK :away-notify\r\n",
        b"PRIVMSG me :\x01PING 12\x01\r\nPRIVMSG me :\x02bold\x0304,12red\x0f\r\n",
        b"MODE #c +o-v a b\n:a!b@c!d@e QUIT\n:* NOTICE * :*a?*\n",
    ]
    words = [
        *(
            b" ",
            b"  ",
            b":",
            b" :",
            b"@",
            b"!",
            b"\\",
            b";",
            b"=",
            b"\r\n",
            b"\n",
            b"\r",
            b"\0",
            b"\x01",
        ),
        *(
            b"PRIVMSG",
            b"CAP",
            b"001",
            b"LS",
            b"ACK",
            b"NAK",
            b"NEW",
            b"DEL",
            b"*",
            b"?",
            b"#c",
            b"x" * 300,
        ),
        *(
            b"\xc3\xa4",
            b"\xff",
            b"\xef\xbf\xbd",
            b"\x03",
            b"\x0312,4",
            b"\x04aabbcc",
            b"a.b",
            b"-",
            b"421",
        ),
    ]
    peers = ("sent again",)
    most_held = 65536 + 16384

    def _read(self, line: bytes, negotiation: Negotiation) -> list[Any]:
        text = line.decode("utf-8", "replace")
        parts = irc.split_parts(text)
        found: list[Any] = [parts, irc.split_params(parts.rest)]
        try:
            message = irc.parse(text)
        except irc.RemoteProtocolError as problem:
            return [*found, f"refused {problem}"]
        found.append((message, dict(message.tags)))
        if message.source is not None:
            found.append((irc.split_source(message.source), irc.split_userhost(message.source)))
        for param in message.params:
            shown, stripped = color_to_ansi(param), strip_formatting(param)
            assert not set(stripped) & set("\x01\x02\x03\x04\x0f\x16\x1d\x1e\x1f")
            assert not set(shown) & set("\x01\x02\x03\x04\x0f\x07\x08\x9b")
            found.append(
                (irc.parse_ctcp(param), shown, stripped, fold_case(param), is_hostname(param))
            )
        if len(message.params) > 1:
            found.append(matches_mask(message.params[0], message.params[-1]))
        found.append([irc.encode(answer) for answer in negotiation.receive(message)])
        assert len(negotiation.available) <= 512
        return found

    def outcome(self, pieces: Iterable[bytes]) -> list[Any]:
        decoder, found = LineDecoder(1000), []
        negotiation = Negotiation(["multi-prefix", "away-notify", "x"])
        negotiation.begin()
        for piece in pieces:
            decoder.receive_data(piece)
            while (line := decoder.next_message()) is not None:
                if isinstance(line, Exception):
                    found.append(f"refused {line}")
                else:
                    found += self._read(line, negotiation)
        return found

    def steps(self, pieces: Iterable[bytes]) -> Iterator[int]:
        decoder, negotiation = LineDecoder(), Negotiation(["multi-prefix"])
        for piece in pieces:
            decoder.receive_data(piece)
            while (line := decoder.next_message()) is not None:
                if isinstance(line, bytes):
                    text = line.decode("utf-8", "replace")
                    color_to_ansi(text), strip_formatting(text), is_hostname(text)
                    self._read(line, negotiation)
            yield len(decoder.rest)

    def check(self, data: bytes, whole: list[Any]) -> Iterator[tuple[str, str, str]]:
        for each in whole:
            if not (isinstance(each, tuple) and isinstance(each[0], irc.Message)):
                continue
            message = each[0]
            try:
                sent = irc.encode(message)
            except LocalProtocolError as problem:
                yield "sent again", f"refused here: {normal(str(problem))}", repr(message)
                continue
            again = irc.parse(sent.decode().removesuffix("\r\n"))
            if again != message or dict(again.tags) != dict(message.tags):
                yield "sent again", "otherwise", f"{message} / {sent!r} / {again}"


class Stomp(Target):
    name = "stomp"
    seeds = [
        b"MESSAGE\nsubscription:0\ndestination:/q\n\nhello\0\n",
        b"CONNECTED\r\nversion:1.2\r\nheart-beat:0,0\r\n\r\n\0\r\n\n",
        b"SEND\ncontent-length:3\na\\cb:\\n\\r\\\\\n\na\0b\0ERROR\n\n\0",
        b"RECEIPT\nreceipt-id:1\nreceipt-id:2\n\n\0",
    ]
    words = [
        *(
            b"\n",
            b"\r\n",
            b"\r",
            b"\n\n",
            b"\0",
            b":",
            b"\\",
            b"\\c",
            b"\\n",
            b"\\t",
            b"content-length:",
        ),
        *(
            b"SEND",
            b"CONNECT",
            b"content-length:2\n",
            b"a:b\n",
            b"\xc3\xa4",
            b"\xff",
            b"ab\0",
            b" ",
        ),
    ]
    peers = ("sent again",)
    _limits = stomp.Limits(head_bytes=2000, header_count=20, body_bytes=3000)
    most_held = 2000 + 3000 + 3 * 16384

    def _decoders(self) -> list[stomp.FrameDecoder]:
        decoders = []
        for version in ("1.2", "1.1", "1.0"):
            decoder = stomp.FrameDecoder(self._limits)
            decoder.version = version
            decoders.append(decoder)
        return decoders

    def outcome(self, pieces: Iterable[bytes]) -> list[Any]:
        found: list[Any] = []
        pieces = list(pieces)
        for decoder in self._decoders():
            found.append(decoder.version)
            try:
                for piece in pieces:
                    decoder.receive_data(piece)
                    while (message := decoder.next_message()) is not None:
                        found.append(message)
            except stomp.RemoteProtocolError as problem:
                found.append(f"refused {problem}")
        return found

    def steps(self, pieces: Iterable[bytes]) -> Iterator[int]:
        decoder = stomp.FrameDecoder(self._limits)
        try:
            for piece in pieces:
                decoder.receive_data(piece)
                while decoder.next_message() is not None:
                    pass
                yield decoder.pending_bytes
        except stomp.RemoteProtocolError:
            yield 0

    def check(self, data: bytes, whole: list[Any]) -> Iterator[tuple[str, str, str]]:
        version = ""
        for each in whole:
            if isinstance(each, str):
                version = each
            if not isinstance(each, stomp.Frame):
                continue
            try:
                sent = stomp.encode(each, version)
            except LocalProtocolError as problem:
                yield "sent again", f"refused here: {normal(str(problem))}", repr(each)
                continue
            decoder = stomp.FrameDecoder()
            decoder.version = version
            decoder.receive_data(sent)
            try:
                again = decoder.next_message()
            except ProtocolError as problem:
                yield "sent again", f"refused: {normal(str(problem))}", f"{each} / {sent!r}"
                continue
            if not isinstance(again, stomp.Frame):
                yield "sent again", "waits", f"{each} / {sent!r}"
                continue
            added = (
                {} if "content-length" in each.headers else {"content-length": str(len(each.body))}
            )
            if each.body:
                each = dataclasses.replace(each, headers={**each.headers, **added})
            if again != each:
                yield "sent again", "otherwise", f"{each} / {sent!r} / {again}"


TARGETS: list[Target] = [Lines(), Irc(), Stomp()]
