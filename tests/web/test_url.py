"""URLs taken apart: ``circuits.web.url``."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuits.web.url import URL, parse_url


@pytest.mark.process
def test_the_function_of_that_name_stays_in_the_package() -> None:
    code = "import circuits.web.url, circuits.web as w; assert w.url is w.utils.url"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_parts_of_a_url() -> None:
    url = parse_url("HTTP://user:pw@ExAmple.com:8080/a;p?b=2&a=1#frag")
    assert url == URL("http", "example.com", 8080, "/a", "p", "b=2&a=1", "frag")
    assert str(url) == url.unicode() == "http://example.com:8080/a;p?b=2&a=1#frag"
    assert url.utf8() == url.encode("utf-8") == str(url).encode()
    assert parse_url(url.utf8()) == url
    assert url.absolute()
    assert not parse_url("/a").absolute()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://example.com:80/", "http://example.com/"),
        ("https://example.com:443/", "https://example.com/"),
        ("https://example.com:80/", "https://example.com:80/"),
        ("http://[::1]:8000/x", "http://[::1]:8000/x"),
        ("/path?x=1", "/path?x=1"),
        ("path", "path"),
        ("", ""),
        ("http://example.com?x", "http://example.com/?x"),
        ("mailto:me@example.com", "mailto:me@example.com"),
    ],
)
def test_as_text(text: str, shown: str) -> None:
    assert str(parse_url(text)) == shown


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        ("canonical", "http://h/?b=2&a=1&&", "http://h/?a=1&b=2"),
        ("defrag", "http://h/#x", "http://h/"),
        ("lower", "http://H/X", "http://h/X"),
        ("abspath", "http://h/a/../b/./c//d/", "http://h/b/c/d/"),
        ("abspath", "http://h/../../x/..", "http://h/"),
        ("abspath", "http://h/a/b/..", "http://h/a/"),
        ("escape", "http://h/c d/ü%20?q=ä b#ü 100%", "http://h/c%20d/%C3%BC%20?q=%C3%A4%20b#%C3%BC%20100%25"),
        ("unescape", "http://h/c%20d", "http://h/c d"),
        ("sanitize", "http://H/a/../b c", "http://h/b%20c"),
        ("punycode", "http://bücher.example/ü", "http://xn--bcher-kva.example/ü"),
        ("punycode", "http://plain.example/", "http://plain.example/"),
        ("unpunycode", "http://xn--bcher-kva.example/", "http://bücher.example/"),
        ("deparam", "http://h/?a=1", "http://h/?a=1"),
    ],
)  # fmt: skip
def test_changes(change: str, before: str, after: str) -> None:
    url = parse_url(before)
    changed = getattr(url, change)()
    assert str(changed) == after
    assert url == parse_url(before)  # that one stays


def test_arguments_are_left_away_by_name() -> None:
    url = parse_url("http://h/?utm_source=x&A=1&b=&c=%26")
    assert url.deparam(["UTM_source", "a"]).query == "b=&c=%26"


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("d", "http://example.com/a/b/d"),
        ("../d", "http://example.com/a/d"),
        ("/x?y=1", "http://example.com/x?y=1"),
        ("//other/z", "http://other/z"),
        ("https://other/z", "https://other/z"),
        ("?q", "http://example.com/a/b/c?q"),
        ("#f", "http://example.com/a/b/c#f"),
        (b"\xc3\xbc", "http://example.com/a/b/ü"),
    ],
)
def test_links(link: Any, target: str) -> None:
    assert str(parse_url("http://example.com/a/b/c").relative(link)) == target


def test_what_is_equivalent() -> None:
    url = parse_url("http://example.com/a?x=1&y=2#there")
    assert url.equiv("HTTP://EXAMPLE.com:80/b/../a?y=2&x=1")
    assert url.equiv(b"http://example.com/a?x=1&y=2")
    assert url.equiv(parse_url("http://example.com/a?x=1&y=2"))
    assert not url.equiv("https://example.com/a?x=1&y=2")
    assert not url.equiv("http://example.com/a?x=1")
    assert parse_url("http://bücher.example/").equiv("http://xn--bcher-kva.example")


@pytest.mark.parametrize("text", ["http://h:99999/", "http://h:x/", "http://[::1/"])
def test_bad_urls(text: str) -> None:
    with pytest.raises(ValueError, match=r"port|Port|Invalid"):
        parse_url(text)
    with pytest.raises(UnicodeDecodeError):
        parse_url(b"\xff")


@given(st.text(max_size=60))
def test_whatever_can_be_parsed_is_stable(text: str) -> None:
    try:
        url = parse_url("http://example.com/" + text)
    except ValueError:
        return
    assert parse_url(str(url)) == url
    clean = url.sanitize()
    assert clean.sanitize() == clean
    assert str(clean).isascii() or not clean.host.isascii()
