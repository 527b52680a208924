"""The opening handshake of WebSocket, both sides."""

from __future__ import annotations

import pytest

from circuits._wire.websocket import (
    Deflate,
    HandshakeError,
    HandshakeRequest,
    accept_key,
    check_request,
    check_response,
    choose_subprotocol,
    is_valid_key,
    make_key,
    request_headers,
    response_headers,
)

# The example of RFC 6455, 1.3.
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

GOOD = {
    "Host": "server.example.com",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Origin": "http://example.com",
    "Sec-WebSocket-Protocol": "chat, superchat",
    "Sec-WebSocket-Version": "13",
}


def check(method: str = "GET", version: tuple[int, int] = (1, 1), **changed: str | None) -> object:
    fields = {**GOOD, **{key.replace("_", "-"): value for key, value in changed.items()}}
    return check_request(method, version, [(k, v) for k, v in fields.items() if v is not None])


def test_keys() -> None:
    assert accept_key(KEY) == ACCEPT
    assert is_valid_key(KEY)
    assert is_valid_key(make_key())
    assert make_key() != make_key()
    for key in ("", "x", KEY[:-1], KEY + "=", "dGhlIHNhbXBsZSBub25jZQ*=", "ä" * 24, "A" * 24):
        assert not is_valid_key(key)


def test_a_good_request() -> None:
    assert check() == HandshakeRequest(KEY, ("chat", "superchat"), "", "http://example.com")
    assert check(Upgrade="h2c, WebSocket", Connection="keep-alive, upgrade", Origin=None)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"method": "POST"}, "GET"),
        ({"version": (1, 0)}, "HTTP/1.1"),
        ({"Host": None}, "Host"),
        ({"Upgrade": None}, "Upgrade"),
        ({"Upgrade": "websockets"}, "Upgrade"),
        ({"Connection": None}, "Connection"),
        ({"Connection": "close"}, "Connection"),
        ({"Sec_WebSocket_Key": None}, "Key"),
        ({"Sec_WebSocket_Key": "!"}, "Key"),
        ({"Sec_WebSocket_Protocol": "a b"}, "Protocol"),
        ({"Sec_WebSocket_Protocol": "a, a"}, "Protocol"),
    ],
)
def test_requests_that_are_refused(changed: dict[str, object], why: str) -> None:
    with pytest.raises(HandshakeError, match=why) as caught:
        check(**changed)  # type: ignore[arg-type]  # a table of everything
    assert caught.value.status == 400


@pytest.mark.parametrize("version", [None, "8", "13, 8", ""])
def test_another_version_is_told_which_one_is_spoken(version: str | None) -> None:
    with pytest.raises(HandshakeError) as caught:
        check(Sec_WebSocket_Version=version)
    assert caught.value.status == 426
    assert caught.value.headers == (("Sec-WebSocket-Version", "13"),)
    assert str(caught.value) == "426: only version 13 is spoken here"


def test_headers_that_may_not_come_twice() -> None:
    fields = list(GOOD.items())
    for name, value in (
        ("Sec-WebSocket-Key", KEY),
        ("origin", "x"),
        ("Sec-WebSocket-Version", "13"),
    ):
        with pytest.raises(HandshakeError):
            check_request("GET", (1, 1), [*fields, (name, value)])


def test_extensions_may_come_in_several_headers() -> None:
    fields = [*GOOD.items(), ("Sec-WebSocket-Extensions", "a"), ("sec-websocket-extensions", "b")]
    assert check_request("GET", (1, 1), fields).extensions == "a, b"


def test_subprotocols() -> None:
    assert choose_subprotocol(["b", "a"], ["a", "b"]) == "b"
    assert choose_subprotocol(["c"], ["a", "b"]) is None
    assert choose_subprotocol([], ["a"]) is None


def test_the_response() -> None:
    request = HandshakeRequest(KEY, ("chat",), "permessage-deflate; client_max_window_bits")
    agreement = response_headers(request, "chat", Deflate())
    assert agreement.headers == (
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", ACCEPT),
        ("Sec-WebSocket-Protocol", "chat"),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
    )
    assert (agreement.subprotocol, agreement.deflate) == ("chat", Deflate())
    assert response_headers(request).deflate is None
    assert len(response_headers(request).headers) == 3


def test_a_response_offers_nothing_new() -> None:
    with pytest.raises(ValueError, match="does not offer"):
        response_headers(HandshakeRequest(KEY), "chat")
    with pytest.raises(HandshakeError, match="malformed") as caught:
        response_headers(HandshakeRequest(KEY, (), "a b"), deflate=Deflate())
    assert caught.value.status == 400
    assert response_headers(HandshakeRequest(KEY, (), "x"), deflate=Deflate()).deflate is None


def test_both_sides_agree() -> None:
    key = make_key()
    offered = request_headers(key, ["chat", "superchat"], Deflate(server_no_context_takeover=True))
    request = check_request("GET", (1, 1), [("Host", "h"), *offered])
    here = response_headers(request, "superchat", Deflate(server_max_window_bits=12))
    there = check_response(
        101, here.headers, key, ["chat", "superchat"], Deflate(server_no_context_takeover=True)
    )
    assert there.subprotocol == here.subprotocol == "superchat"
    assert there.deflate == here.deflate
    assert there.deflate == Deflate(server_no_context_takeover=True, server_max_window_bits=12)


def test_a_request_without_anything_special() -> None:
    assert [name for name, _ in request_headers(KEY)] == [
        "Upgrade",
        "Connection",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
    ]
    with pytest.raises(ValueError, match="called 'a b'"):
        request_headers(KEY, ["a b"])


@pytest.mark.parametrize(
    ("status", "changed", "why"),
    [
        (200, {}, "200 instead of 101"),
        (101, {"Upgrade": None}, "upgrade"),
        (101, {"Upgrade": "h2c"}, "upgrade"),
        (101, {"Connection": None}, "Connection"),
        (101, {"Sec-WebSocket-Accept": None}, "Accept"),
        (101, {"Sec-WebSocket-Accept": KEY}, "Accept"),
        (101, {"Sec-WebSocket-Protocol": "other"}, "not offered"),
        (101, {"Sec-WebSocket-Extensions": "permessage-deflate"}, "not offered"),
    ],
)
def test_responses_that_are_refused(status: int, changed: dict[str, str | None], why: str) -> None:
    fields = {
        "Upgrade": "WebSocket",
        "Connection": "upgrade",
        "Sec-WebSocket-Accept": ACCEPT,
        **changed,
    }
    headers = [(name, value) for name, value in fields.items() if value is not None]
    with pytest.raises(HandshakeError, match=why) as caught:
        check_response(status, headers, KEY, ["chat"])
    assert caught.value.status == 0
    assert "0:" not in str(caught.value)


def test_a_client_that_offers_compression_checks_the_answer() -> None:
    headers = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", ACCEPT),
        ("Sec-WebSocket-Extensions", "permessage-deflate; nonsense"),
    ]
    with pytest.raises(HandshakeError, match="does not fit"):
        check_response(101, headers, KEY, (), Deflate())
