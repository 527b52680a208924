"""The store of sessions in cookies: what is forged, cut, old or too large."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from circuits.web import _session_cookie
from circuits.web._signing import decode, encode, sign
from circuits.web.sessions import CookieStore, Session, Sessions
from tests.web.session_support import SECRET, WallClock, site, sources


def seal(store: CookieStore, **data: Any) -> str:
    session = Session("s" * 43, data, store)
    value = store._cookie_value(session, None)
    assert value is not None
    return value


def test_what_was_sealed_can_be_read() -> None:
    store = CookieStore(SECRET)
    assert store.load(seal(store, a=[1, "ü", None])) == {"a": [1, "ü", None]}


def test_a_cookie_that_is_changed_anywhere_is_refused() -> None:
    store = CookieStore(SECRET)
    value = seal(store, user="ada")
    for place in range(len(value)):
        for other in ("A", "B", ".", "=", ""):
            changed = value[:place] + other + value[place + 1 :]
            assert (store.load(changed) is None) == (changed != value)
    for end in range(len(value)):
        assert store.load(value[:end]) is None
    assert store.load(value + "A") is None


def test_another_version_is_refused_even_if_it_is_signed() -> None:
    store = CookieStore(SECRET)
    payload = seal(store, a=1).split(".")[1]
    for version in ("0", "2", "", "1.1"):
        signed = f"{version}.{payload}"
        assert store.load(f"{signed}.{sign(store._keys[0], signed)}") is None


@pytest.mark.parametrize("content", [[], {}, 1, [1, 2, 3], [1, 2, 3, 4, 5]])
def test_nothing_else_that_was_signed_is_a_session(content: object) -> None:
    store = CookieStore(SECRET)
    signed = "1." + encode(json.dumps(content).encode())
    assert store.load(f"{signed}.{sign(store._keys[0], signed)}") is None
    signed = "1.&&&"
    assert store.load(f"{signed}.{sign(store._keys[0], signed)}") is None


def test_the_secret_itself_signs_nothing() -> None:
    import hmac

    store = CookieStore(SECRET)
    signed = seal(store, a=1).rpartition(".")[0]
    forged = encode(hmac.digest(SECRET.encode(), signed.encode(), "sha256"))
    assert store.load(f"{signed}.{forged}") is None
    assert CookieStore(SECRET + "!").load(seal(store, a=1)) is None


def test_secrets_can_be_replaced_without_a_logout() -> None:
    old, new = "old " * 10, b"new " * 10
    with site(Sessions(store=CookieStore(old), idle=None)) as place:
        browser = place.browser()
        browser.text("/count")
        before = browser.cookie
        assert "set-cookie" not in browser.get("/show").headers
    with site(Sessions(store=CookieStore([new, old]), idle=None)) as place:
        browser.server = place.server
        assert browser.text("/show") == "[('count', 1)]"
        assert browser.cookie != before  # signed anew
        assert "set-cookie" not in browser.get("/show").headers
    with site(Sessions(store=CookieStore(new), idle=None)) as place:
        browser.server = place.server
        assert browser.text("/count") == "2"
        assert browser.text("/count", before) == "1"


def test_the_cookie_goes_out_at_each_use_as_long_as_idleness_counts() -> None:
    wall = WallClock()
    with sources(wall=wall), site(Sessions(store=CookieStore(SECRET), max_age=600)) as place:
        browser = place.browser()
        assert "set-cookie" not in browser.get("/").headers  # there is nothing to keep
        browser.text("/count")
        assert browser.attributes["max-age"] == "600"
        wall.time += 100
        browser.text("/show")
        assert browser.attributes["max-age"] == "500"


def test_an_old_cookie_is_as_good_as_it_was_until_it_expires() -> None:
    wall = WallClock()
    store = CookieStore(SECRET)
    with sources(wall=wall), site(Sessions(store=store, idle=100)) as place:
        browser = place.browser()
        browser.text("/count")
        old = browser.cookie
        browser.text("/count")
        assert browser.text("/show", old) == "[('count', 1)]"  # as the documentation warns
        wall.time += 101
        assert browser.text("/show", old) == "[]"


@pytest.mark.parametrize("seconds", [-101, 101])
def test_a_clock_that_is_put_back_keeps_nothing_alive(seconds: int) -> None:
    wall = WallClock()
    store = CookieStore(SECRET)
    store.idle = 100.0
    with sources(wall=wall):
        value = seal(store, a=1)
        wall.time += seconds
        assert store.load(value) is None
        wall.time -= seconds
        wall.time -= 50
        assert store.load(value) == {"a": 1}
        store.max_age = 40.0
        assert store.load(value) is None


def test_a_session_that_does_not_fit_is_an_error() -> None:
    with site(Sessions(store=CookieStore(SECRET))) as place:
        browser = place.browser()
        browser.text("/count")
        before = browser.cookie
        largest = next(
            size for size in range(3000, 2000, -1) if browser.get(f"/fill?size={size}").code == 200
        )
        assert 2700 < largest < 3000
        assert browser.text("/show").count("x") == largest
        reply = browser.get(f"/fill?size={largest + 3}", before)
        assert reply.code == 500
        assert "set-cookie" not in reply.headers
        assert browser.text("/show").count("x") == largest


def test_a_cookie_that_is_too_large_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    store = CookieStore(SECRET)

    def refuse(*arguments: object) -> Any:
        raise AssertionError("it was looked at")

    monkeypatch.setattr("circuits.web._session_cookie.sign", refuse)
    assert store.load("1." + "A" * 5000 + ".AAAA") is None
    assert store.load("1.ü.A") is None


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object()])
def test_a_value_that_is_no_json_is_an_error(value: object) -> None:
    store = CookieStore(SECRET)
    with pytest.raises(TypeError):
        seal(store, a=value)


def test_keys_must_be_text() -> None:
    store = CookieStore(SECRET)
    with pytest.raises(TypeError, match="must be str"):
        store._cookie_value(Session("s" * 43, {1: 2}, store), None)  # type: ignore[arg-type]


@pytest.mark.parametrize("secret", ["", b"", [], ["good enough for tests", ""]])
def test_there_must_be_a_secret(secret: Any) -> None:
    with pytest.raises(ValueError, match="32 random bytes"):
        CookieStore(secret)


def test_a_short_secret_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "circuits"):
        CookieStore("short")
        assert "can be guessed" in caplog.text


def test_keeping_and_forgetting_do_nothing() -> None:
    store = CookieStore(SECRET)
    value = seal(store, a=1)
    store.save("s" * 43, {"b": 1})
    store.delete("s" * 43)
    assert store.load(value) == {"a": 1}


@pytest.mark.parametrize("size", range(6))
def test_base64_has_one_spelling(size: int) -> None:
    data = bytes(range(250, 250 + size))
    text = encode(data)
    assert decode(text) == data
    for other in (text + "=", text + "\n", text[:-1] + "\n" if text else "="):
        with pytest.raises(ValueError, match=r"."):
            decode(other)
    assert _session_cookie.COOKIE_BYTES == 4096
