"""VirtualHosts: which host gets which prefix, and who is believed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from circuits import BaseComponent, handler
from circuits.web import Controller, Static, VirtualHosts, expose, wrappers
from circuits.web.dispatchers import Dispatcher
from tests.web.http_support import Client, get, serving
from tests.web.support import make_request

DOMAINS = {
    "forum.example.com": "forum",
    "Shop.Example.com": "/shop/",
    "example.com:8443": "/secure",
    "deep.example.com": "a/b",
    "www.example.com": "/",
}


def path_of(path: str = "/x", remote: str = "192.0.2.1", **headers: str) -> str:
    """The path after the dispatcher has seen a request."""
    hosts = VirtualHosts(DOMAINS, trusted_gateways=["192.0.2.9", "198.51.100.0/24"])
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    request = wrappers.Request(None, "GET", "http", path, (1, 1), "", pairs)
    request.remote = wrappers.Host(remote, 1)
    assert hosts._on_request(request, wrappers.Response(request)) is None
    return request.path


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("forum.example.com", "/forum/x"),
        ("FORUM.example.COM", "/forum/x"),
        ("shop.example.com", "/shop/x"),
        ("example.com:8443", "/secure/x"),
        ("deep.example.com", "/a/b/x"),
        ("www.example.com", "/x"),
        ("example.com", "/x"),
        ("example.com:80", "/x"),
        ("forum.example.com:80", "/x"),
        ("other", "/x"),
    ],
)
def test_the_whole_host_is_looked_up(host: str, path: str) -> None:
    assert path_of(Host=host) == path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "/forum/"),
        ("/a/b/", "/forum/a/b/"),
        ("//a", "/forum/a"),
        ("/..", "/forum/"),
        ("/../admin", "/forum/admin"),
        ("/a/../../admin", "/forum/admin"),
        ("/./x", "/forum/x"),
        ("/..%2Fx", "/forum/..%2Fx"),
        ("*", "*"),
    ],
)
def test_the_path_stays_below_the_prefix(path: str, expected: str) -> None:
    assert path_of(path, Host="forum.example.com") == expected


@pytest.mark.parametrize(
    ("remote", "forwarded", "path"),
    [
        ("192.0.2.1", "forum.example.com", "/x"),
        ("192.0.2.9", "forum.example.com", "/forum/x"),
        ("192.0.2.9", "Forum.example.com , www.example.com", "/forum/x"),
        ("192.0.2.9", "www.example.com, forum.example.com", "/x"),
        ("192.0.2.9", "", "/shop/x"),
        ("::ffff:192.0.2.9", "forum.example.com", "/forum/x"),
        ("198.51.100.7", "forum.example.com", "/forum/x"),
    ],
)
def test_only_gateways_may_forward(remote: str, forwarded: str, path: str) -> None:
    host = "shop.example.com" if not forwarded else "other"
    assert path_of(remote=remote, Host=host, X_Forwarded_Host=forwarded) == path


def test_nobody_is_a_gateway_by_default() -> None:
    assert VirtualHosts(DOMAINS).trusted_gateways == frozenset()


def test_they_are_called_proxies_as_elsewhere() -> None:
    hosts = VirtualHosts(DOMAINS, trusted_proxies=["192.0.2.0/24"])
    request = make_request(headers={"Host": "other", "X-Forwarded-Host": "forum.example.com"})
    request.remote = wrappers.Host("192.0.2.9", 1)
    hosts._on_request(request)
    assert request.path == "/forum/"


def test_gateways_are_several() -> None:
    with pytest.raises(TypeError, match=r"collection of addresses, not '10\.0\.0\.1'"):
        VirtualHosts(DOMAINS, "10.0.0.1")


class Root(Controller):
    def index(self) -> str:
        return "root"

    def page(self) -> str:
        return "page of the root"


class Forum(Controller):
    channel = "/forum"

    def index(self, *args: str) -> str:
        return f"forum {args}"

    def page(self) -> Any:
        return f"{self.url()} {self.url('next')} {self.url('/top')} {self.url(relative='server')}"

    def move(self) -> Any:
        return self.redirect("page")

    @expose(stream=True)
    async def upload(self) -> str:
        return f"{type(self.request.body).__name__}"


class Hidden(Controller):
    channel = "/hidden"

    def index(self) -> str:
        return "hidden"


@pytest.fixture
def client() -> Iterator[Client]:
    parts = (Dispatcher(), VirtualHosts(DOMAINS), Root(), Forum(), Hidden())
    with serving(*parts) as server:
        yield server.connect()


def ask(client: Client, target: str, host: str = "forum.example.com") -> Any:
    client.server.server.writes.clear()
    return client.ask(get(target).replace(b"Host: test", b"Host: " + host.encode()))


def test_each_host_has_its_controllers(client: Client) -> None:
    assert ask(client, "/").body == b"forum ()"
    assert ask(client, "/a").body == b"forum ('a',)"
    assert ask(client, "/page", "www.example.com").body == b"page of the root"
    assert ask(client, "/", "www.example.com").body == b"root"


def test_another_site_is_not_reached(client: Client) -> None:
    assert ask(client, "/hidden").body == b"forum ('hidden',)"
    reply = ask(client, "/../hidden")
    assert (reply.code, reply.headers["location"]) == (301, "http://forum.example.com/hidden")


def test_an_absolute_target_goes_before_the_header(client: Client) -> None:
    assert ask(client, "http://forum.example.com/", "www.example.com").body == b"forum ()"


def test_urls_are_those_that_the_client_knows(client: Client) -> None:
    base = "http://forum.example.com"
    assert ask(client, "/page").body.decode() == f"{base}/page {base}/next {base}/top /page"
    assert ask(client, "/move").headers["location"] == f"{base}/page"


def test_a_body_goes_to_the_method_of_the_host_as_it_arrives(client: Client) -> None:
    head = get("/upload", "Content-Length: 5", method="POST").replace(b"test", b"forum.example.com")
    with_body = client.ask(head + b"abcde")
    assert with_body.body == b"BodyStream"


def test_files_of_a_host(tmp_path: Any) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "index.html").write_text("index")
    static = Static("/forum", str(tmp_path))
    with serving(VirtualHosts(DOMAINS), static) as server:
        client = server.connect()
        assert ask(client, "/d/").body == b"index"
        assert ask(client, "/d").headers["location"] == "http://forum.example.com/d/"
        assert ask(client, "/d/", "www.example.com").code == 404


def test_it_comes_before_what_answers_and_after_sessions() -> None:
    seen: list[str] = []

    class Others(BaseComponent):
        channel = "web"

        @handler("request", priority=1.01)
        def _before(self, request: Any, response: Any) -> None:
            seen.append(request.path)

        @handler("request", priority=0.99)
        def _after(self, request: Any, response: Any) -> str:
            seen.append(request.path)
            return "x"

    with serving(VirtualHosts(DOMAINS), Others()) as server:
        ask(server.connect(), "/x")
    assert seen == ["/x", "/forum/x"]
