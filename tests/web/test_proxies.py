"""Where a request is from, as trusted proxies say it, and nobody else."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from circuits.web import BaseServer, Controller, Logger, Redirect
from circuits.web._proxies import TrustedProxies
from circuits.web.dispatchers import Dispatcher
from circuits.web.wrappers import Host
from tests.web.http_support import serving
from tests.web.support import make_request


def told(trusted: list[str], peer: str | None, **headers: str) -> tuple[tuple[str, int], str, str]:
    request = make_request(headers={k.replace("_", "-"): v for k, v in headers.items()})
    request.remote = Host(peer, None if peer is None else 1)
    TrustedProxies(trusted).apply(request)
    return request.client, request.scheme, request.base


@pytest.mark.parametrize(
    ("headers", "client", "base"),
    [
        ({}, ("10.0.0.1", 1), "http://example.org"),
        ({"X_Forwarded_For": "192.0.2.7"}, ("192.0.2.7", 0), "http://example.org"),
        (
            {"X_Forwarded_For": "192.0.2.7", "X_Forwarded_Proto": "https"},
            ("192.0.2.7", 0),
            "https://example.org",
        ),
        # What stands before an address that is not trusted may be anybody's.
        ({"X_Forwarded_For": "1.1.1.1, 192.0.2.7"}, ("192.0.2.7", 0), "http://example.org"),
        ({"X_Forwarded_For": "192.0.2.7, 10.0.0.2"}, ("192.0.2.7", 0), "http://example.org"),
        ({"X_Forwarded_For": "nonsense"}, ("10.0.0.1", 1), "http://example.org"),
        ({"X_Forwarded_For": "nonsense, 10.0.0.2"}, ("10.0.0.2", 0), "http://example.org"),
        (
            {
                "X_Forwarded_For": "192.0.2.7",
                "X_Forwarded_Proto": "https",
                "X_Forwarded_Host": "shop.example",
                "X_Forwarded_Port": "8443",
            },
            ("192.0.2.7", 0),
            "https://shop.example:8443",
        ),
        (
            {"X_Forwarded_Host": "evil.example/x", "X_Forwarded_Proto": "javascript"},
            ("10.0.0.1", 1),
            "http://example.org",
        ),
        (
            {"X_Forwarded_For": "192.0.2.7, 10.0.0.2", "X_Forwarded_Proto": "https, http"},
            ("192.0.2.7", 0),
            "https://example.org",
        ),
        (
            {"Forwarded": 'for="[2001:db8::7]:4711";proto=https;host="shop.example:444"'},
            ("2001:db8::7", 4711),
            "https://shop.example:444",
        ),
        (
            {
                "Forwarded": "for=1.1.1.1;host=evil.example, for=192.0.2.7;proto=https, for=10.0.0.9",
                "X_Forwarded_For": "3.3.3.3",
            },
            ("192.0.2.7", 0),
            "https://example.org",
        ),
        ({"Forwarded": "for=_hidden;proto=https"}, ("10.0.0.1", 1), "https://example.org"),
    ],
)
def test_what_a_trusted_proxy_says(
    headers: dict[str, str], client: tuple[str, int], base: str
) -> None:
    found = told(["10.0.0.0/8"], "10.0.0.1", **headers)
    assert (found[0], found[2]) == (client, base)
    assert base.startswith(f"{found[1]}://")
    assert told(["10.0.0.0/8"], "192.0.2.9", **headers) == (
        ("192.0.2.9", 1),
        "http",
        "http://example.org",
    )


def test_who_comes_over_a_unix_socket() -> None:
    headers = {"X_Forwarded_For": "192.0.2.7", "X_Forwarded_Proto": "https"}
    assert told(["unix"], None, **headers)[0] == ("192.0.2.7", 0)
    assert told(["10.0.0.1"], None, **headers)[0] == ("", 0)
    assert told(["unix"], "10.0.0.1", **headers)[0] == ("10.0.0.1", 1)


def test_a_mapped_address_is_the_same() -> None:
    assert told(["10.0.0.1"], "::ffff:10.0.0.1", X_Forwarded_For="192.0.2.7")[0][0] == "192.0.2.7"


@pytest.mark.parametrize("trusted", [["nginx"], "10.0.0.1", ["10.0.0.1/33"]])
def test_what_is_no_proxy_is_refused(trusted: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        TrustedProxies(trusted)


def test_a_flood_of_hops_costs_little() -> None:
    assert told(["10.0.0.0/8"], "10.0.0.1", X_Forwarded_For="10.0.0.2," * 5000)[0][0] == "10.0.0.2"


class Root(Controller):
    def index(self) -> str:
        return f"{self.request.client[0]} {self.request.url}"

    def moved(self) -> Redirect:
        return self.redirect("/x")


def test_redirects_and_logs_know_the_client() -> None:
    class Lines:
        lines: list[str] = []

        def write(self, text: str) -> None:
            self.lines.append(text)

    lines = Lines()
    proxies = TrustedProxies(["192.0.2.1"])
    with serving(Dispatcher(), Root(), Logger(lines), proxies=proxies) as server:
        client = server.connect()
        said = ("X-Forwarded-For: 198.51.100.7", "X-Forwarded-Proto: https")
        assert client.get("/", *said).body == b"198.51.100.7 https://test/"
        assert client.get("/moved", *said).headers["location"] == "https://test/x"
        assert client.get("/").body == b"192.0.2.1 http://test/"
    assert [line.split()[0] for line in lines.lines] == [
        "198.51.100.7",
        "198.51.100.7",
        "192.0.2.1",
    ]


def test_the_server_takes_them_as_an_option(caplog: pytest.LogCaptureFixture) -> None:
    server = BaseServer(0, trusted_proxies=["10.0.0.1"], access_log="-")
    try:
        assert isinstance(server.http.proxies, TrustedProxies)
        assert any(isinstance(node, Logger) for node in server.components)
        with caplog.at_level(logging.INFO, "circuits.web"):
            server._on_ready()
        assert f"http://0.0.0.0:{server.port} (every interface)" in caplog.text
    finally:
        with server.running():
            pass
