"""The HTTP client: proxies, and what they do not get to see."""

from __future__ import annotations

from typing import Any

import pytest

from circuits.testing.clock import installed_clock
from circuits.web._client_proxies import Proxies, Proxy, parse_proxy
from circuits.web.client import ClientTimeout, ConnectError
from tests.web.client_support import OK, Line, Network, reply
from tests.web.test_client import head_of, make

BASIC = "Basic bWU6c2VjcmV0"  # me:secret


def test_a_proxy_is_told_the_whole_url(net: Network) -> None:
    client = make(net, proxy="http://me:secret@proxy.example:3128")
    response = net.wait(client.get("/x?y"))
    assert net.lines[0].address == ("proxy.example", 3128)
    head = head_of(net.requests[0])
    assert head[""] == "GET http://a.example/x?y HTTP/1.1"
    assert (head["host"], head["proxy-authorization"]) == ("a.example", BASIC)
    assert response.url == "http://a.example/x?y"
    net.wait(client.get("http://b.example:81/"))
    assert head_of(net.requests[1])[""] == "GET http://b.example:81/ HTTP/1.1"
    assert len(net.lines) == 1  # it is the same proxy


def test_without_credentials_none_are_sent(net: Network) -> None:
    net.wait(make(net, proxy="proxy.example").get("/"))
    assert net.lines[0].address == ("proxy.example", 80)
    assert "proxy-authorization" not in head_of(net.requests[0])


def test_a_tunnel_shows_the_proxy_nothing_but_where_it_leads(net: Network) -> None:
    seen: list[bytes] = []

    def answer(line: Line, request: bytes) -> bytes:
        seen.append(request)
        return b"HTTP/1.1 200 Established\r\n\r\n" if request.startswith(b"CONNECT") else b""

    net.answer = answer
    client = make(net, "https://a.example/", auth=("user", "password"), proxy="http://me:secret@p")
    client.get("/secret-path", headers={"X-Secret": "1"}, cookies={"c": "2"})
    net.until(lambda: len(seen) > 1)
    assert seen[0].decode().split("\r\n") == [
        "CONNECT a.example:443 HTTP/1.1",
        "Host: a.example:443",
        f"Proxy-Authorization: {BASIC}",
        "",
        "",
    ]
    assert seen[1].startswith(b"\x16\x03")  # TLS begins
    assert b"a.example" in seen[1]  # with the name of the server


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("[::1]", "[::1]:443"),
        ("a.example:8443", "a.example:8443"),
        ("a.example:80", "a.example:80"),
        ("b\u00fccher.example", "xn--bcher-kva.example:443"),
    ],
)
def test_tunnels_are_asked_for_by_host_and_port(net: Network, host: str, name: str) -> None:
    net.answer = lambda line, request: b""
    make(net, f"https://{host}/", proxy="http://p").get("/")
    net.until(lambda: net.lines and net.lines[0].got)
    assert head_of(net.lines[0].got)[""] == f"CONNECT {name} HTTP/1.1"
    assert head_of(net.lines[0].got)["host"] == name


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (reply("407 Credentials", b"please", Set_Cookie="a=1"), "407 Credentials"),
        (reply("302 X", Location="http://evil.example/"), "302 X"),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", "more than it should"),
        (b"nonsense\r\n\r\n", "nonsense"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 20, "interim"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "fields|header"),
        (None, "the connection ended"),
    ],
)
def test_the_answer_of_a_proxy_is_checked(net: Network, answer: Any, why: str) -> None:
    """What it says is not taken for what the server says."""
    net.answer = lambda line, request: answer
    client = make(net, "https://a.example/", proxy="http://p", follow_redirects=True)
    with pytest.raises(ConnectError, match=f"https://a\\.example/: .*({why})"):
        net.wait(client.get("/"))
    assert "a" not in client.cookies
    assert len(net.lines) == 1
    net.settle()
    assert net.lines[0].is_closed


def test_a_proxy_that_is_not_there(net: Network) -> None:
    net.refuses = True
    with pytest.raises(ConnectError, match="p:80: nobody is there"):
        net.wait(make(net, "https://a.example/", proxy="http://p").get("/"))


def test_a_proxy_that_says_nothing(net: Network) -> None:
    net.answer = lambda line, request: b""
    pending = make(net, "https://a.example/", proxy="http://p", timeout=5).get("/")
    net.settle()
    clock = installed_clock()
    assert clock is not None
    clock.advance(6)
    with pytest.raises(ClientTimeout) as raised:
        net.wait(pending)
    assert raised.value.phase == "connect"


def test_credentials_for_a_proxy_are_not_a_header(net: Network) -> None:
    with pytest.raises(ValueError, match="proxy-authorization"):
        make(net).get("/", headers={"Proxy-Authorization": "x"})


@pytest.mark.parametrize(
    "url",
    ["socks5://me:secret@p", "https://me:secret@p", "http://me:secret@p:x", "http://me:secret@"],
)
def test_other_proxies_are_refused_without_telling_secrets(net: Network, url: str) -> None:
    with pytest.raises(ValueError, match="proxy") as raised:
        make(net, proxy=url)
    assert "secret" not in str(raised.value)


def test_the_environment_names_a_proxy_that_cannot_be_used(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("all_proxy", "socks5://p")
    client = make(net)
    with pytest.raises(ValueError, match="socks5"):
        client.get("/")
    assert net.wait(make(net, channel="other", trust_env=False).get("/")).status == 200


def test_a_redirect_changes_the_proxy(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one proxy is to see, the server that a redirect leads to does not."""
    monkeypatch.setenv("http_proxy", "http://me:secret@p")
    monkeypatch.setenv("no_proxy", "direct.example")
    net.answer = lambda line, request: (
        reply("302 X", Location="http://direct.example/") if b"a.example" in request else OK
    )
    net.wait(make(net, follow_redirects=True).get("/"))
    assert [line.address for line in net.lines] == [("p", 80), ("direct.example", 80)]
    assert head_of(net.requests[1])[""] == "GET / HTTP/1.1"
    assert b"roxy" not in net.requests[1]


# -- the environment ---------------------------------------------------------------------------


def found(monkeypatch: pytest.MonkeyPatch, url: str, **environment: str) -> str | None:
    """The host of the proxy for a URL."""
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    scheme, _, host = url.partition("://")
    name, _, port = host.partition(":")
    secure = scheme == "https"
    proxy = Proxies(None, True).find(name, int(port or (443 if secure else 80)), secure)
    return None if proxy is None else proxy.host


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        ("http://a", {}, None),
        ("http://a", {"http_proxy": "http://p"}, "p"),
        ("http://a", {"HTTP_PROXY": "http://p"}, "p"),
        ("http://a", {"HTTP_PROXY": "http://p", "http_proxy": "http://q"}, "q"),
        ("http://a", {"HTTP_PROXY": "http://p", "REQUEST_METHOD": "GET"}, None),
        ("http://a", {"http_proxy": "http://p", "REQUEST_METHOD": "GET"}, "p"),
        ("https://a", {"HTTPS_PROXY": "p:1", "REQUEST_METHOD": "GET"}, "p"),
        ("https://a", {"http_proxy": "http://p"}, None),
        ("https://a", {"https_proxy": "http://p"}, "p"),
        ("https://a", {"all_proxy": "http://p"}, "p"),
        ("http://a", {"ALL_PROXY": "http://p", "http_proxy": "http://q"}, "q"),
        ("http://a", {"http_proxy": ""}, None),
    ],
)
def test_the_environment_says_which(
    monkeypatch: pytest.MonkeyPatch, url: str, environment: dict[str, str], proxy: str | None
) -> None:
    monkeypatch.delenv("REQUEST_METHOD", raising=False)
    assert found(monkeypatch, url, **environment) == proxy


@pytest.mark.parametrize(
    ("url", "exempt", "is_exempt"),
    [
        ("http://a.example", "a.example", True),
        ("http://A.example", "b.example, a.EXAMPLE", True),
        ("http://sub.a.example", "a.example", True),
        ("http://sub.a.example", ".a.example", True),
        ("http://sub.a.example", "*.a.example", True),
        ("http://nota.example", "a.example", False),
        ("http://a.example.evil", "a.example", False),
        ("http://a.example", "*", True),
        ("http://a.example", "", False),
        ("http://a.example", " , ,", False),
        ("http://a.example:81", "a.example:81", True),
        ("http://a.example", "a.example:81", False),
        ("http://127.0.0.1", "127.0.0.0/8", True),
        ("http://127.0.0.1", "127.0.0.1:80", True),
        ("http://10.1.2.3", "127.0.0.0/8, 10.1.2.3", True),
        ("http://10.1.2.3", "1.2.3", False),
    ],
)
def test_the_environment_says_who_is_exempt(
    monkeypatch: pytest.MonkeyPatch, url: str, exempt: str, is_exempt: bool
) -> None:
    got = found(monkeypatch, url, http_proxy="http://p", no_proxy=exempt)
    assert got == (None if is_exempt else "p")


def test_one_that_is_given_is_for_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("http_proxy", "http://q")
    for secure in (False, True):
        assert Proxies("http://p", True).find("a", 80, secure) == Proxy("p", 80)
    assert Proxies(None, False).find("a", 80, False) is None


def test_credentials_are_decoded() -> None:
    assert parse_proxy("http://m%40e:se%3Acret@[::1]:1") == Proxy(
        "::1", 1, "Basic bUBlOnNlOmNyZXQ="
    )
