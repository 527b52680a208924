"""Random handlers, random clients: one answer for each request, or a cut connection."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from circuits import BaseComponent, handler, sleep
from circuits.net.sockets import Disconnect, Read
from circuits.testing import Recorder, VirtualClock, settle
from circuits.web import HTTPError, Redirect, Response, Stream, exceptions
from tests.web.http_support import Errors, MemoryServer, Pieces, Reply, get, parse

_VALUES: dict[str, Any] = {
    "text": "text",
    "empty": "",
    "nothing": None,
    "parts": ["a", b"b"],
    "odd": 7,
    "bad parts": ["a", 1],
    "gone": exceptions.Gone("x"),
    "redirect": exceptions.Redirect("/x"),
    "bad redirect": exceptions.Redirect("/\n"),
    "bad page": exceptions.NotFound(1),  # type: ignore[arg-type]
    "bug": ValueError("bug"),
    "file": "file",
    "stream": "stream",
    "broken stream": "broken stream",
    "open stream": "open stream",
    "pushed": "pushed",
    "error": "error",
    "fired error": "fired error",
    "fired": "fired",
    "bad redirect returned": "bad redirect returned",
    "informational": "informational",
}
_SPELLINGS = ("plain", "generator", "sleeper", "coroutine")


def _act(app: Any, request: Any, response: Any, what: str) -> Any:
    value = _VALUES[what]
    if isinstance(value, Exception):
        raise value
    if what == "file":
        return io.BytesIO(b"f" * 200_000)
    if what in ("stream", "broken stream", "open stream"):
        last = [RuntimeError("broken")] if what == "broken stream" else []
        response.stream = True
        response.body = Pieces(*"abc", *last)
        if what != "open stream":
            response.headers["Content-Length"] = "3"
        return response
    if what == "pushed":
        response.stream = True
        for data in ("a", "b", None):
            app.fire(Stream(response, data))
        return response
    if what == "error":
        return HTTPError(request, response, 403)
    if what == "fired error":
        app.fire(HTTPError(request, response, 403))
        return None
    if what == "fired":
        response.body = "fired"
        app.fire(Response(response))
        return "late"
    if what == "bad redirect returned":
        return Redirect(request, response, "/\n")
    if what == "informational":
        response.code = 102
    return value


class App(BaseComponent):
    """Does what the path says: ``/spelling/what``."""

    channel = "web"

    @handler("request")
    def _on_request(self, request: Any, response: Any) -> Any:
        _, spelling, what = request.path.split("/")
        make = getattr(self, f"_as_{spelling}")
        return make(request, response, what)

    def _as_plain(self, request: Any, response: Any, what: str) -> Any:
        return _act(self, request, response, what)

    def _as_generator(self, request: Any, response: Any, what: str) -> Any:
        yield None
        yield _act(self, request, response, what)

    def _as_sleeper(self, request: Any, response: Any, what: str) -> Any:
        yield sleep(1)
        yield _act(self, request, response, what)

    async def _as_coroutine(self, request: Any, response: Any, what: str) -> Any:
        await sleep(0)
        return _act(self, request, response, what)


class Tool(BaseComponent):
    """Fails now and then, in the middle."""

    channel = "web"

    def __init__(self, names: tuple[str, ...], every: int) -> None:
        super().__init__()
        self.names = names
        self.every = every
        self.count = 0

    def _perhaps(self, name: str) -> None:
        if name in self.names:
            self.count += 1
            if self.count % self.every == 0:
                raise RuntimeError(name)

    @handler("response", filter=True, priority=3)
    def _on_response(self, response: Any) -> None:
        self._perhaps("response")

    @handler("stream", filter=True, priority=3)
    def _on_stream(self, response: Any, data: Any) -> None:
        self._perhaps("stream")

    @handler("httperror", filter=True, priority=3)
    def _on_httperror(self, *rest: Any, **kwargs: Any) -> None:
        self._perhaps("httperror")


_REQUESTS = st.lists(
    st.tuples(st.sampled_from(_SPELLINGS), st.sampled_from(sorted(_VALUES))), min_size=1, max_size=4
)
_CLIENTS = st.lists(st.sampled_from(["turn", "settle", "take", "end", "leave", "stop"]), max_size=6)


def _replies(data: bytes) -> list[Reply]:
    """The answers; the last one may break off anywhere."""
    try:
        return parse(data)
    except (AssertionError, ValueError):
        return []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    requests=_REQUESTS,
    steps=_CLIENTS,
    size=st.integers(1, 400),
    fails=st.sets(st.sampled_from(["response", "stream", "httperror"])),
    every=st.integers(1, 4),
    watch=st.sampled_from([(), ("request",), ("response", "write"), ("stream_success",), ("*",)]),
    high_water=st.sampled_from([None, 300]),
    version=st.sampled_from(["1.0", "1.1"]),
)
def test_one_answer_or_a_cut_connection(
    virtual_clock: VirtualClock,
    requests: list[tuple[str, str]],
    steps: list[str],
    size: int,
    fails: set[str],
    every: int,
    watch: tuple[str, ...],
    high_water: int | None,
    version: str,
) -> None:
    parts: list[Any] = [App(), Errors(), Tool(tuple(fails), every)]
    if watch:
        parts.append(Recorder() if watch == ("*",) else Recorder(*watch))
    server = MemoryServer(*parts)
    server.server.high_water = high_water
    server.stop_timeout = 0
    keep = ["Connection: keep-alive"] if version == "1.0" else []
    data = b"".join(get(f"/{how}/{what}", *keep, version=version) for how, what in requests)
    has_left = False
    with server.running():
        client = server.connect()
        settle(server)
        for start in range(0, len(data), size):
            if client.is_closed:
                break
            server.fire(Read(client.sock, data[start : start + size]))
            server.tick(0)
        for step in steps:
            if step == "turn":
                server.tick(0)
            elif step == "settle":
                settle(server, until=virtual_clock.now + 5)
            elif step == "take":
                server.server.take(client.sock)
            elif step == "end" and not client.is_closed:
                if not server.http.end_of_input(client.sock):
                    server.server.close(client.sock)
            elif step == "leave" and not client.is_closed:
                server.fire(Disconnect(client.sock))
                server.server.closed.append(client.sock)
                server.server.reset.append(client.sock)
                has_left = True
            elif step == "stop":
                server.stop()
        for _ in range(20):
            settle(server, until=virtual_clock.now + 5)
            if client.sock not in server.server.congested:
                break
            server.server.take(client.sock)
        settle(server, until=virtual_clock.now + 5)
        replies = _replies(client.received)
        if not client.is_closed:
            assert len(replies) == len(requests)
            assert all(reply.is_whole for reply in replies)
            assert server.http._connections[client.sock].exchange is None
        else:
            assert len(replies) <= len(requests)
            assert all(reply.is_whole for reply in replies[:-1])
            assert has_left or not server.http._connections
        assert all(reply.code >= 200 for reply in replies)
        assert not server._tree_engine.loop.holds
    assert not server.http._connections
