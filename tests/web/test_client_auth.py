"""The HTTP client: credentials that it shows."""

from __future__ import annotations

from typing import Any

import pytest

from circuits.web._auth import Nonces, check_digest, digest_challenges
from circuits.web._client_auth import basic
from circuits.web.client import Client, DigestAuth
from tests.web.client_support import OK, Line, Network, reply
from tests.web.test_client import head_of, make

REALM = "here"


class Guard:
    """A server that lets ``me`` in, and counts whom it has not."""

    def __init__(self, password: str = "secret", algorithms: tuple[str, ...] = ("MD5",)) -> None:
        self.nonces = Nonces()
        self.users = {"me": password, "m\u00e9": password}
        self.algorithms = algorithms
        self.refused = 0

    def __call__(self, line: Line, request: bytes) -> bytes:
        head = head_of(request)
        if int(head.get("content-length", 0)) > len(request.partition(b"\r\n\r\n")[2]):
            return b""
        method, target, _ = head[""].split()
        scheme, _, credentials = head.get("authorization", "").partition(" ")
        if scheme == "Digest" and check_digest(
            credentials, method, target, REALM, self.users, self.nonces
        ):
            return OK
        self.refused += 1
        nonce = self.nonces.make()
        lines = [
            f"WWW-Authenticate: {challenge}"
            for challenge in ['Basic realm="x"', *digest_challenges(REALM, nonce, self.algorithms)]
        ]
        return "\r\n".join(["HTTP/1.1 401 No", *lines, "Content-Length: 3", "", "no!"]).encode()


@pytest.mark.parametrize(
    "algorithms",
    [("MD5",), ("SHA-256",), ("MD5-sess",), ("SHA-256-sess",), ("MD5", "SHA-256")],
)
@pytest.mark.parametrize("user", ["me", "m\u00e9"])
def test_a_challenge_is_answered(net: Network, algorithms: tuple[str, ...], user: str) -> None:
    guard = net.answer = Guard(algorithms=algorithms)
    client = make(net, auth=DigestAuth(user, "secret"))
    response = net.wait(client.post("/a?b", data={"x": 1}))
    assert (response.status, response.history) == (200, [])
    assert net.requests[1].endswith(b"\r\n\r\nx=1")
    assert "SHA-256" not in algorithms or b"algorithm=SHA-256" in net.requests[1]
    assert net.wait(client.get("/other")).status == 200
    assert guard.refused == 1
    assert b"nc=00000002" in net.requests[2]


def test_a_wrong_password_is_shown_once(net: Network) -> None:
    guard = net.answer = Guard()
    client = make(net, auth=DigestAuth("me", "wrong"))
    assert net.wait(client.get("/")).status == 401
    assert guard.refused == 2


def test_a_nonce_that_is_not_known_any_more(net: Network) -> None:
    net.answer = Guard()
    client = make(net, auth=DigestAuth("me", "secret"))
    net.wait(client.get("/"))
    net.answer = Guard()  # it was started anew
    assert net.wait(client.get("/")).status == 200


def test_a_body_that_is_used_up_is_not_sent_twice(net: Network) -> None:
    guard = Guard()
    net.answer = lambda line, request: (
        guard(line, request) if request.endswith(b"0\r\n\r\n") else b""
    )
    client = make(net, auth=DigestAuth("me", "secret"))
    assert net.wait(client.post("/", content=iter([b"x"]))).status == 401
    assert net.wait(client.post("/", content=iter([b"x"]))).status == 200


@pytest.mark.parametrize(
    "challenge",
    [
        'Basic realm="x"',
        "Digest",
        'Digest realm="x"',
        'Digest realm="x", nonce="y", algorithm=SHA-3',
        'Digest realm="x", nonce="y", qop="auth-int"',
        'Digest realm="x", nonce="y", nonce="z"',
        "Digest " + "x" * 10_000,
    ],
)
def test_challenges_that_cannot_be_answered(net: Network, challenge: str) -> None:
    net.answer = lambda line, request: reply("401 No", WWW_Authenticate=challenge)
    client = make(net, auth=DigestAuth("me", "secret"))
    assert net.wait(client.get("/")).status == 401
    assert len(net.requests) == 1


def test_old_servers_know_no_quality(net: Network) -> None:
    """RFC 2069, which some devices still speak; several challenges in one line."""
    line = 'Basic realm="a, Digest", Digest realm="here", nonce="abc", opaque="o\\"p"'
    net.answer = lambda _, request: (
        OK if b"Authorization" in request else reply("401 No", WWW_Authenticate=line)
    )
    assert net.wait(make(net, auth=DigestAuth("me", "secret")).get("/")).status == 200
    shown = head_of(net.requests[1])["authorization"]
    assert 'nonce="abc"' in shown
    assert 'opaque="o\\"p"' in shown
    assert "qop" not in shown


def test_digests_do_not_follow_to_another_origin(net: Network) -> None:
    guard = Guard()

    def answer(line: Line, request: bytes) -> bytes:
        if line.address[0] == "b.example":
            return guard(line, request)
        return reply("302 X", Location="http://b.example/")

    net.answer = answer
    client = Client("http://a.example/", auth=DigestAuth("me", "secret"), follow_redirects=True)
    client.register(net.app)
    assert net.wait(client.get("/")).status == 401
    assert guard.refused == 1


def test_a_stream_begins_behind_the_challenge(net: Network) -> None:
    net.answer = Guard()
    client = make(net, auth=DigestAuth("me", "secret"))
    response = net.wait(client.stream("GET", "/"))
    assert net.wait(response.receive()) == b"ok"


def test_basic(net: Network) -> None:
    client = make(net, "http://x:y@a.example/")
    for options in ({}, {"auth": ("me", "secret")}, {"headers": {"Authorization": "Bearer z"}}):
        given: Any = options
        net.wait(client.get("http://x:y@a.example/" if not given else "/", **given))
    shown = [head_of(request)["authorization"] for request in net.requests]
    assert shown == [basic("x", "y"), basic("me", "secret"), "Bearer z"]
    assert basic("\u00e9", ":") == "Basic w6k6Og=="
