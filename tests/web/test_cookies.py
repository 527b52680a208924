from __future__ import annotations

import pytest

from circuits.web._cookies import CookieJar, cookie_attributes
from circuits.web.wrappers import Request


def test_what_the_client_sent_is_there_and_not_sent_back() -> None:
    jar = CookieJar('a=1; b="x\\073y"; c=')
    assert {name: morsel.value for name, morsel in jar.items()} == {"a": "1", "b": "x;y", "c": ""}
    assert jar.changed() == []


@pytest.mark.parametrize(
    "header", ["", ";;", "=x", "novalue", "a\tb=c", "a\x7f=1", "\x85=1", "$Version=1"]
)
def test_what_cannot_be_parsed_is_passed_over(header: str) -> None:
    jar = CookieJar(f"{header}; ok=1")
    assert set(jar) == {"ok"}


@pytest.mark.parametrize("name", ["a[b]", "a(b)", "a@b", "a b", "a/b", "path", "é", "☃"])
def test_names_that_only_clients_give(name: str) -> None:
    jar = CookieJar(f"{name.encode().decode('latin-1')}=1; ok=2")
    assert jar.received() == {name: "1", "ok": "2"}
    assert jar[name].value == "1"
    assert jar.changed() == []
    jar["ok"] = "3"
    assert jar.changed() == ["ok=3"]


def test_what_was_set_goes_out_even_if_it_is_the_same() -> None:
    jar = CookieJar("a=1; b=2; c=3")
    jar["a"] = "1"
    jar["new"] = "x"
    jar["c"]["path"] = "/"
    assert sorted(jar.changed()) == ["a=1", "c=3; Path=/", "new=x"]


def test_what_was_deleted_does_not_go_out() -> None:
    jar = CookieJar("a=1")
    jar["a"] = "2"
    del jar["a"]
    assert jar.changed() == []
    jar["b"] = "1"
    jar.clear()
    assert jar.changed() == []


def test_what_is_assigned_again_says_only_what_was_said_last() -> None:
    jar = CookieJar("a=1; b=2")
    plain = cookie_attributes(None, None, "/", None, False, False, None)
    jar.assign("a", "x", cookie_attributes(60, None, "/", None, True, False, None))
    jar.assign("a", "y", plain)
    jar.assign("c", "1 2", plain)
    jar["c"]["httponly"] = True
    assert jar.changed() == ["a=y; Path=/", 'c="1 2"; HttpOnly; Path=/']
    assert list(jar) == ["b", "a", "c"]


@pytest.mark.parametrize("name", ["cookie", "Cookie", "COOKIE", "cOOkie"])
def test_the_header_is_known_however_it_is_spelled(name: str) -> None:
    fields = [("X-Cookie", "a=0"), (name, "a=1"), ("Cookies", "a=2"), (name, "b=3")]
    request = Request(None, "GET", "http", "/", (1, 1), "", fields)
    assert request.cookies == {"a": "1", "b": "3"}
    assert request.headers.get("Cookie") == "a=1"


def test_loading_counts_as_setting() -> None:
    jar = CookieJar("a=1")
    jar.load("b=2")
    jar.load({"c": "3"})
    assert sorted(jar.changed()) == ["b=2", "c=3"]


def test_receiving_again_takes_a_setting_back() -> None:
    jar = CookieJar()
    jar["a"] = "1"
    jar.receive("a=2")
    assert jar.changed() == []
