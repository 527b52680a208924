"""CORS, headers for browsers, and limits of rate."""

from __future__ import annotations

from typing import Any

import pytest

from circuits import BaseComponent, handler
from circuits.testing import VirtualClock
from circuits.web._origins import parse_origin
from circuits.web.controllers import Controller, JSONController
from circuits.web.csrf import CSRF
from circuits.web.dispatchers.dispatcher import Dispatcher
from circuits.web.exceptions import NotFound
from circuits.web.headers import Headers, add_vary
from circuits.web.security import (
    CORS,
    RateLimit,
    SecurityHeaders,
    address_of,
)
from circuits.web.wrappers import Host
from tests.web.http_support import Client, Reply, serving
from tests.web.session_support import SECRET
from tests.web.support import make_request

HOME, AWAY = "https://home.example", "https://away.example"


class Root(Controller):
    def index(self) -> str:
        return "hello"

    def missing(self) -> str:
        raise NotFound("there is nothing")

    def framed(self) -> str:
        self.response.headers["X-Frame-Options"] = "SAMEORIGIN"
        self.response.headers["Vary"] = "Accept"
        return "framed"

    def POST(self) -> str:
        return "posted"


def preflight(client: Client, origin: str, method: str = "PUT", wants: str = "") -> Reply:
    headers = [f"Origin: {origin}", f"Access-Control-Request-Method: {method}"]
    if wants:
        headers.append(f"Access-Control-Request-Headers: {wants}")
    return client.get("/", *headers, method="OPTIONS")


# -- CORS -------------------------------------------------------------------------------------------


def test_all_origins_may_read() -> None:
    with serving(Dispatcher(), Root(), CORS()) as server:
        reply = server.connect().get("/", f"Origin: {AWAY}")
        assert reply.body == b"hello"
        assert reply.headers["access-control-allow-origin"] == "*"
        assert "vary" not in reply.headers
        assert "access-control-allow-credentials" not in reply.headers
        assert "access-control-allow-origin" not in server.connect().get("/").headers


def test_named_origins_may_read_errors_too_and_others_may_not() -> None:
    with serving(Dispatcher(), Root(), CORS([HOME], credentials=True, expose=["X-A"])) as server:
        for path, code in (("/", 200), ("/missing", 404)):
            reply = server.connect().get(path, f"Origin: {HOME}")
            assert reply.code == code
            assert reply.headers["access-control-allow-origin"] == HOME
            assert reply.headers["access-control-allow-credentials"] == "true"
            assert reply.headers["access-control-expose-headers"] == "X-A"
            assert reply.headers["vary"] == "Origin"
        for origin in (AWAY, "null", HOME + ".evil", HOME + ":444", "http://home.example", "x"):
            reply = server.connect().get("/", f"Origin: {origin}")
            assert reply.code == 200
            assert "access-control-allow-origin" not in reply.headers
            assert reply.headers["vary"] == "Origin"
        assert server.connect().get("/framed").headers["vary"] == "Accept, Origin"


def test_a_browser_may_ask_before() -> None:
    with serving(Dispatcher(), Root(), CORS(HOME, methods=["PUT"], max_age=9)) as server:
        reply = preflight(server.connect(), HOME, wants="x-one, authorization")
        assert reply.code == 204
        assert reply.headers["access-control-allow-origin"] == HOME
        assert reply.headers["access-control-allow-methods"] == "PUT"
        assert reply.headers["access-control-allow-headers"] == "x-one, authorization"
        assert reply.headers["access-control-max-age"] == "9"
        assert reply.headers["vary"] == "Access-Control-Request-Headers, Origin"
        assert "access-control-allow-headers" not in preflight(server.connect(), HOME).headers
        reply = preflight(server.connect(), AWAY)
        assert reply.code == 403
        assert "access-control-allow-origin" not in reply.headers


def test_headers_can_be_named() -> None:
    with serving(Dispatcher(), Root(), CORS(HOME, headers=["X-One", "X-Two"])) as server:
        reply = preflight(server.connect(), HOME, wants="x-three")
        assert reply.headers["access-control-allow-headers"] == "X-One, X-Two"


def test_other_questions_about_options_are_for_others() -> None:
    with serving(Dispatcher(), Root(), CORS(HOME)) as server:
        for headers in ([f"Origin: {HOME}"], ["Access-Control-Request-Method: PUT"]):
            reply = server.connect().get("/", *headers, method="OPTIONS")
            assert "access-control-allow-methods" not in reply.headers


def test_what_users_see_is_not_for_every_site() -> None:
    with pytest.raises(ValueError, match="name the origins"):
        CORS("*", credentials=True)
    for wrong in ("home.example", HOME + "/", "null", "https://", "https://a@home.example", "x:y"):
        with pytest.raises(ValueError, match="an origin is written like"):
            CORS([wrong])
    with pytest.raises(ValueError, match="CR, LF"):
        CORS(headers=["X\r\nY"])


def test_an_origin_is_compared_by_what_it_means() -> None:
    assert parse_origin("HTTPS://Home.example:443") == parse_origin(HOME)
    assert parse_origin("http://[::1]:8000") == ("http", "::1", 8000)
    assert parse_origin("http://a:port") is None
    assert parse_origin("http://[") is None


def test_vary_is_not_said_twice() -> None:
    headers = Headers([("Vary", "origin")])
    add_vary(headers, "Origin")
    assert headers["Vary"] == "origin"
    headers["Vary"] = "*"
    add_vary(headers, "Origin")
    assert headers["Vary"] == "*"


# -- headers for browsers ---------------------------------------------------------------------------


def test_browsers_are_told_to_be_careful() -> None:
    with serving(
        Dispatcher(), Root(), SecurityHeaders(hsts=600, csp="default-src 'self'")
    ) as server:
        for path in ("/", "/missing"):
            headers = server.connect().get(path).headers
            assert headers["x-frame-options"] == "DENY"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
            assert headers["content-security-policy"] == "default-src 'self'"
            assert "strict-transport-security" not in headers
        assert server.connect().get("/framed").headers["x-frame-options"] == "SAMEORIGIN"
        server.secure = True
        assert server.connect().get().headers["strict-transport-security"] == "max-age=600"


def test_each_of_them_can_be_left_out() -> None:
    quiet = SecurityHeaders("max-age=1; preload", frame=None, content_type=False, referrer=None)
    with serving(Dispatcher(), Root(), quiet) as server:
        server.secure = True
        headers = server.connect().get().headers
        assert headers["strict-transport-security"] == "max-age=1; preload"
        for name in ("x-frame-options", "x-content-type-options", "referrer-policy"):
            assert name not in headers
    with pytest.raises(ValueError, match="CR, LF"):
        SecurityHeaders(csp="a\nb")


# -- limits of rate ---------------------------------------------------------------------------------


def codes(client: Client, count: int) -> list[int]:
    found = []
    for _ in range(count):
        found.append(client.server.connect().get().code)
    return found


def test_who_asks_too_often_is_told_when_to_come_back() -> None:
    with VirtualClock() as clock, serving(Dispatcher(), Root(), RateLimit(3, 6)) as server:
        client = server.connect()
        assert codes(client, 4) == [200, 200, 200, 429]
        reply = server.connect().get()
        assert (reply.code, reply.headers["retry-after"]) == (429, "2")
        clock.advance(1.5)
        assert server.connect().get().headers["retry-after"] == "1"
        clock.advance(0.5)
        assert codes(client, 2) == [200, 429]
        clock.advance(1000)
        assert codes(client, 4) == [200, 200, 200, 429]


def test_nothing_is_done_for_a_request_that_is_refused() -> None:
    seen = []

    class Seeing(BaseComponent):
        channel = "web"

        @handler("request", priority=10)
        def _on_request(self, request: Any, response: Any) -> None:
            seen.append(request)

    with VirtualClock(), serving(Dispatcher(), Root(), RateLimit(1), Seeing()) as server:
        assert codes(server.connect(), 3) == [200, 429, 429]
    assert len(seen) == 1


def test_each_key_is_counted_for_itself() -> None:
    limit = RateLimit(1, 60, lambda request: request.headers["X-Key"])
    with VirtualClock(), serving(Dispatcher(), Root(), limit) as server:

        def ask(key: str) -> int:
            return server.connect().get("/", f"X-Key: {key}").code

        assert [ask("a"), ask("b"), ask("a"), ask("b")] == [200, 200, 429, 429]
        assert codes(server.connect(), 3) == [200, 200, 200]  # without a key


def test_only_so_many_clients_are_remembered() -> None:
    limit = RateLimit(1, 60, lambda request: request.headers["X-Key"], clients=3)
    with VirtualClock(), serving(Dispatcher(), Root(), limit) as server:
        for number in range(50):
            server.connect().get("/", f"X-Key: {number}")
            server.connect().get("/", "X-Key: busy")
        assert list(limit._buckets) == ["48", "49", "busy"]
        assert server.connect().get("/", "X-Key: busy").code == 429


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("not:an:address", "not:an:address", True),
    ],
)
def test_an_address_stands_for_a_client(one: str, other: str, is_same: bool) -> None:
    keys = []
    for ip in (one, other):
        request = make_request()
        request.remote = Host(ip, 1)
        keys.append(address_of(request))
    assert None not in keys
    assert (keys[0] == keys[1]) == is_same


def test_a_client_behind_a_proxy_is_known_by_what_the_server_says() -> None:
    request = make_request()
    request.remote = Host("10.0.0.1", 1)
    request.client = ("192.0.2.7", 0)
    assert address_of(request) == "192.0.2.7"
    request.client = ("", 0)
    assert address_of(request) is None


@pytest.mark.parametrize("options", [(0, 1), (1, 0), (1, -1)])
def test_numbers_are_checked(options: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        RateLimit(*options)


class Api(JSONController):
    channel = "/api"

    def POST(self) -> str:
        return "taken"


class Pages(BaseComponent):
    channel = "web"

    @handler("httperror", filter=True)
    def _on_httperror(self, event: Any, request: Any, *args: Any, **kwargs: Any) -> str | None:
        return None if request.path == "/api" else f"sorry: {event.code}"


def test_what_is_refused_has_the_pages_of_the_site() -> None:
    parts = (Dispatcher(), Root(), Api(), Pages(), CSRF(SECRET), RateLimit(3, 60))
    with serving(*parts) as server:

        def ask(path: str) -> tuple[int, str, bytes]:
            reply = server.connect().get(path, "Content-Length: 0", method="POST")
            return reply.code, reply.headers["content-type"], reply.body

        assert ask("/")[::2] == (403, b"sorry: 403")
        code, kind, body = ask("/api")
        assert (code, kind) == (403, "application/problem+json")
        assert b"csrf_token" in body
        assert ask("/elsewhere")[::2] == (403, b"sorry: 403")
        assert ask("/")[::2] == (429, b"sorry: 429")
        assert ask("/api")[:2] == (429, "application/problem+json")
