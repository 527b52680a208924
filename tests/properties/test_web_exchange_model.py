"""Exchanges of several connections against a model: who is asked when, and what clients get.

The test decides when each byte of a request comes, when its handler goes on and with what, and at
which point the client goes. The model has a list of requests for each connection, no more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from circuits import BaseComponent, Event, handler
from circuits.net.sockets import Disconnect, Read
from circuits.testing import Recorder, VirtualClock, settle
from circuits.web import Stream, exceptions
from circuits.web._connection import State as ConnectionState
from circuits.web._exchange import State as ExchangeState
from tests.support import examples
from tests.web.http_support import Client, Errors, MemoryServer, Pieces, Reply, get, parse, post

_WHICH = st.integers(0, 9)


class Decide(Event): ...


class More(Event): ...


class App(BaseComponent):
    """Does with a request what the test decides, when it decides it."""

    channel = "web"

    def __init__(self) -> None:
        super().__init__()
        self.bodies: dict[str, bytes] = {}
        self.responses: dict[str, Any] = {}
        self.decisions: dict[str, str] = {}
        self.closed: list[str] = []
        self.pieces: dict[str, Pieces] = {}

    @handler("request")
    def _on_request(self, request: Any, response: Any) -> Any:
        number = request.path.strip("/")
        assert number not in self.bodies, "asked once"
        self.bodies[number] = request.body.read()
        self.responses[number] = response
        yield self.wait("decide", number)
        what = self.decisions[number]
        if what == "missing":
            raise exceptions.NotFound
        if what == "bug":
            raise ValueError(number)
        if what == "broken":
            response.stream = True
            response.body = self.pieces[number] = Pieces("a", "b", RuntimeError("broken"))
        elif what == "pieces":
            response.body = self.pieces[number] = Pieces("a", "b")
        elif what == "stream":
            response.stream = True
        elif what == "trickle":
            response.stream = True
            response.body = self._trickle(number)
        else:
            response.body = f"answer {number}"
        yield response

    async def _trickle(self, number: str) -> AsyncIterator[str]:
        try:
            yield "a"
            await self.wait("more", number)
            yield "b"
        finally:
            self.closed.append(number)


class Asked:
    """One request in the model."""

    def __init__(self, number: str, body: bytes, end: int) -> None:
        self.number, self.body, self.end = number, body, end
        self.code: int | None = None  # of the answer, when that has been decided
        self.text: str | None = None  # what of it must have come
        self.is_whole = False
        self.trickles = False  # its body waits for the test


class Line:
    """One connection in the model."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.asked: list[Asked] = []
        self.outbox = b""
        self.fed = 0
        self.has_ended = False
        self.is_cut_off = False  # it has ended within a request, which may be told
        self.is_over = False

    @property
    def current(self) -> Asked | None:
        """The request that is being handled."""
        for asked in self.asked:
            if not asked.is_whole:
                return asked if self.fed >= asked.end and not self.is_over else None
        return None


class Exchanges(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.clock = self.stack.enter_context(VirtualClock())

    @initialize(is_watched=st.booleans())
    def begin(self, is_watched: bool) -> None:
        self.app = App()
        self.server = MemoryServer(self.app, Errors(), *([Recorder()] if is_watched else []))
        self.server.stop_timeout = 0
        self.stack.enter_context(self.server.running())
        self.lines: list[Line] = []
        self.count = 0
        self.connect()

    def teardown(self) -> None:
        for line in self.lines if hasattr(self, "server") else []:
            ends = [asked.end for asked in line.asked]
            is_in_between = line.fed not in (0, *ends)
            if is_in_between or (line.current is not None and line.current.code is not None):
                self.go(line)  # else the transport would cut it, which this one does not
        self.stack.close()
        if hasattr(self, "server"):
            assert not self.server.http._connections

    def pick(self, which: int) -> Line:
        alive = [line for line in self.lines if not line.is_over] or self.lines
        return alive[which % len(alive)]

    def check(self) -> None:
        settle(self.server)
        for line in self.lines:
            self.check_line(line)

    def check_line(self, line: Line) -> None:
        client, current = line.client, line.current
        for asked in line.asked:
            is_due = asked is current or asked.code is not None
            if not line.is_over:
                assert (asked.number in self.app.bodies) == is_due, "one after the other"
            if asked.number in self.app.bodies:
                assert self.app.bodies[asked.number] == asked.body
        replies: list[Reply] = parse(client.received)
        expected = [asked for asked in line.asked if asked.code is not None]
        if line.is_over:
            assert len(replies) <= len(expected) + line.is_cut_off
            return
        if line.is_cut_off and replies and replies[-1].code == 400:
            replies.pop()
        assert [reply.code for reply in replies] == [asked.code for asked in expected]
        for reply, asked in zip(replies, expected, strict=True):
            if asked.text is not None:
                assert reply.body.decode() == asked.text
        assert all(pieces.closed == 1 for pieces in self.app.pieces.values())
        for asked in line.asked:
            if asked.trickles:
                assert self.app.closed.count(asked.number) == asked.is_whole, "closed at its end"
        ends = line.has_ended and current is None
        assert client.is_closed == ends, "it is closed when all is answered, and not before"
        line.is_over = ends

    # -- what clients do --

    @precondition(lambda self: sum(not line.is_over for line in self.lines) < 2)
    @rule()
    def connect(self) -> None:
        self.lines.append(Line(self.server.connect()))
        settle(self.server)

    @rule(which=_WHICH, length=st.sampled_from([None, 0, 1, 300]), now=st.integers(0, 400))
    def ask(self, which: int, length: int | None, now: int) -> None:
        """A request, of which a part comes now and the rest later; others may follow it."""
        line = self.pick(which)
        if line.is_over or line.has_ended or len(line.asked) > 20:
            return
        self.count += 1
        number = f"{self.count}"
        body = b"" if length is None else bytes(65 + (i + self.count) % 26 for i in range(length))
        data = get(f"/{number}") if length is None else post(body, target=f"/{number}")
        line.outbox += data
        end = line.fed + len(line.outbox)
        line.asked.append(Asked(number, body, end))
        self.feed(line, now)

    @rule(which=_WHICH, count=st.sampled_from([1, 20, 10_000, 10_000]))
    def go_on_asking(self, which: int, count: int) -> None:
        self.feed(self.pick(which), count)

    def feed(self, line: Line, count: int) -> None:
        if line.is_over or line.has_ended:
            return
        data, line.outbox = line.outbox[:count], line.outbox[count:]
        line.fed += len(data)
        if data:
            self.server.fire(Read(line.client.sock, data))
        self.check()

    @rule(which=_WHICH)
    def end(self, which: int) -> None:
        """The client has sent all that it will; it is answered."""
        line = self.pick(which)
        if line.is_over or line.has_ended:
            return
        line.has_ended = True
        line.asked = [asked for asked in line.asked if asked.end <= line.fed]
        line.is_cut_off = line.fed > (line.asked[-1].end if line.asked else 0)
        if not self.server.http.end_of_input(line.client.sock):
            self.server.server.close(line.client.sock)
        self.check()

    @rule(which=_WHICH, sure=st.integers(0, 2))
    def leave(self, which: int, sure: int) -> None:
        """The client is gone, wherever its exchange is."""
        line = self.pick(which)
        if not (line.is_over or sure):
            self.go(line)
            self.check()

    def go(self, line: Line) -> None:
        connection = self.server.http._connections.get(line.client.sock)
        exchange = connection and connection.exchange
        self._go(line)
        settle(self.server)
        assert connection is None or connection.state is ConnectionState.CLOSED, (
            "whatever it waited for"
        )
        assert exchange is None or exchange.state is ExchangeState.DONE
        for asked in line.asked:
            if asked.trickles:
                assert self.app.closed.count(asked.number) == 1, "nobody told its body"

    def _go(self, line: Line) -> None:
        line.is_over = True
        self.server.server.closed.append(line.client.sock)
        self.server.server.reset.append(line.client.sock)
        self.server.fire(Disconnect(line.client.sock))

    # -- what handlers do --

    @rule(
        which=_WHICH,
        what=st.sampled_from(
            [
                "text",
                "text",
                "pieces",
                "missing",
                "bug",
                "broken",
                "stream",
                "stream",
                "trickle",
                "trickle",
            ]
        ),
    )
    def decide(self, which: int, what: str) -> None:
        line = self.pick(which)
        asked = line.current
        if asked is None or asked.code is not None:
            return
        self.app.decisions[asked.number] = what
        self.app.fire(Decide(), asked.number)
        asked.code = {"missing": 404, "bug": 500}.get(what, 200)
        asked.is_whole = what in ("text", "pieces", "missing", "bug")
        if what == "text":
            asked.text = f"answer {asked.number}"
        elif what == "pieces":
            asked.text = "ab"
        elif what == "stream":
            asked.text = ""
        elif what == "trickle":
            asked.trickles = True
            asked.text = "a"
        elif what == "broken":
            settle(self.server)
            assert line.client.is_closed
            assert not line.client.received.endswith(b"0\r\n\r\n"), "half is not all of it"
            assert parse(line.client.received)[-1].body == b"ab"
            line.is_over = True
        elif what == "bug":  # after a failure of ours, nothing else is done for this connection
            settle(self.server)
            assert line.client.is_closed
            assert parse(line.client.received)[-1].headers["connection"] == "close"
            line.is_over = True
        self.check()

    @rule(which=_WHICH, is_last=st.booleans())
    def push(self, which: int, is_last: bool) -> None:
        line = self.pick(which)
        asked = line.current
        if asked is None or asked.text is None or asked.trickles:
            return
        data = None if is_last else f"<{len(asked.text)}>"
        self.app.fire(Stream(self.app.responses[asked.number], data))
        asked.text += data or ""
        asked.is_whole = is_last
        self.check()

    @rule(which=_WHICH)
    def trickle_on(self, which: int) -> None:
        asked = self.pick(which).current
        if asked is not None and asked.trickles:
            asked.text, asked.is_whole = "ab", True
            self.app.fire(More(), asked.number)
            self.check()

    @rule()
    def decide_for_who_has_gone(self) -> None:
        """Nobody is told, and nothing fails."""
        for line in self.lines:
            for asked in line.asked:
                if line.is_over and asked.code is None and asked.number in self.app.responses:
                    asked.code = 200
                    before = line.client.received
                    self.app.decisions[asked.number] = "text"
                    self.app.fire(Decide(), asked.number)
                    settle(self.server)
                    assert line.client.received == before
        assert len(self.server.http._connections) == sum(not line.is_over for line in self.lines)


TestExchanges = Exchanges.TestCase
TestExchanges.settings = examples(40)
