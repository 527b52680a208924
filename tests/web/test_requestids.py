"""The ids of requests: whose are taken over, and where they are told."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from circuits import sleep
from circuits.testing import VirtualClock, settle
from circuits.web._proxies import TrustedProxies
from circuits.web.controllers import Controller
from circuits.web.dispatchers.dispatcher import Dispatcher
from circuits.web.requestids import RequestIDFilter, RequestIDs
from circuits.web.wrappers import Host, Response
from tests.web.http_support import serving
from tests.web.session_support import sources
from tests.web.support import make_request


class Root(Controller):
    def index(self) -> str:
        return self.request.id

    def silent(self) -> str:
        return "silent"

    def own(self) -> str:
        self.response.headers["X-Request-ID"] = self.request.id and "own"
        return "own"

    def fails(self) -> str:
        raise RuntimeError("as it does at times")


def test_each_request_has_an_id() -> None:
    given = iter([b"\1" * 16, b"\2" * 16, b"\3" * 16])
    with (
        sources(random_bytes=lambda count: next(given)),
        serving(Dispatcher(), Root(), RequestIDs()) as server,
    ):
        for number in "123":
            reply = server.connect().get("/fails" if number == "2" else "/", "X-Request-ID: mine")
            assert reply.headers["x-request-id"] == f"0{number}" * 16
            if number != "2":
                assert reply.body.decode() == f"0{number}" * 16


@pytest.mark.parametrize(
    ("given", "is_taken"),
    [
        ("abc-123", True),
        ("01HV:3/x+y=@host", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("a b", False),
        ('a"b', False),
        ("\xe4", False),
        ("", False),
    ],
)
def test_a_proxy_may_give_the_id(given: str, is_taken: bool) -> None:
    with serving(Dispatcher(), Root(), RequestIDs(["192.0.2.0/24"])) as server:
        reply = server.connect().get("/", f"X-Request-ID: {given}")
        assert (reply.headers["x-request-id"] == given) == is_taken
        assert reply.body.decode() == reply.headers["x-request-id"]


@pytest.mark.parametrize(
    ("ip", "is_taken"),
    [("10.0.0.1", True), ("::ffff:10.0.0.1", True), ("192.0.2.1", False), (None, True)],
)
def test_who_is_trusted(ip: str | None, is_taken: bool) -> None:
    request = make_request(headers={"X-Request-ID": "theirs"})
    request.remote = Host(ip, None)
    RequestIDs(trusted_proxies=["10.0.0.0/8", "unix"])._on_request(request, Response(request))
    assert (request.id == "theirs") == is_taken


def test_without_the_component_what_somebody_knows_is_told() -> None:
    given = iter([b"\1" * 16, b"\3" * 16, b"\2" * 16])
    with (
        sources(random_bytes=lambda count: next(given)),
        serving(Dispatcher(), Root(), proxies=TrustedProxies(["192.0.2.0/24"])) as server,
    ):
        reply = server.connect().get("/")
        assert reply.body == reply.headers["x-request-id"].encode() == b"01" * 16
        reply = server.connect().get("/", "X-Request-ID: theirs")
        assert reply.body == reply.headers["x-request-id"].encode() == b"theirs"
        assert "x-request-id" not in server.connect().get("/silent").headers
        reply = server.connect().get("/silent", "X-Request-ID: theirs")
        assert reply.headers["x-request-id"] == "theirs"
        assert server.connect().get("/own").headers["x-request-id"] == "own"
        assert server.connect().get("/", "X-Request-ID: no id").body == b"02" * 16
    with serving(Dispatcher(), Root()) as server:
        assert server.connect().get("/", "X-Request-ID: mine").body != b"mine"


def test_log_records_tell_the_request(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("circuits.tests.health")

    class Logging(Controller):
        def index(self) -> Iterator[Any]:
            log.warning("before")
            yield sleep(1)
            log.warning("after")
            yield self.request.id

    caplog.handler.addFilter(RequestIDFilter())
    with VirtualClock() as clock, serving(Dispatcher(), Logging(), RequestIDs()) as server:
        clients = [server.connect(), server.connect()]
        for client in clients:
            client.feed(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        log.warning("outside")
        settle(server, until=clock.now + 2)
    ids = [client.received[-32:].decode() for client in clients]
    told = [(r.getMessage(), getattr(r, "request_id", None)) for r in caplog.records]
    assert told == [
        ("before", ids[0]),
        ("before", ids[1]),
        ("outside", "-"),
        ("after", ids[0]),
        ("after", ids[1]),
    ]
