"""Cookies as RFC 6265 has them: its examples (3.1), and what its rules say of domains, paths and dates."""

from __future__ import annotations

from typing import Any

import pytest

from circuits.testing import web_client
from circuits.web import Controller
from circuits.web._cookies import CookieJar
from tests.web.support import make

SID = "31d4d96e407aad42"


class Pages(Controller):
    """Sets what its first argument says, and shows what comes."""

    def index(self, *path: str) -> str:
        return str(self.request.headers.get("Cookie", ""))

    def set(self, *path: str, line: str) -> str:
        self.response.headers.append("Set-Cookie", line)
        return str(self.request.headers.get("Cookie", ""))


def sent(*steps: tuple[str, str | None], base: str = "http://www.example.com") -> str:
    """What a client sends to the last of some paths; those before may set a cookie."""
    with web_client(Pages, base=base) as client:
        text = ""
        for path, line in steps:
            options: dict[str, Any] = {"params": {"line": line}} if line else {}
            text = client.get(f"/set{path}" if line else path, **options).text
        return text


def test_the_examples_of_the_standard() -> None:
    both = (("/", f"SID={SID}; Path=/; Secure; HttpOnly"), ("/", "lang=en-US; Path=/"))
    base = "https://www.example.com"
    assert sent(("/", f"SID={SID}; Path=/"), ("/", None)) == f"SID={SID}"
    plain = "SID=x; Path=/; Domain=example.com"
    assert sent(("/", plain), ("/", None)) == "SID=x"
    assert sorted(sent(*both, ("/", None), base=base).split("; ")) == [f"SID={SID}", "lang=en-US"]
    kept = "lang=en-US; Path=/; Expires=Wed, 09 Jun 2121 10:18:14 GMT"
    gone = "lang=; Path=/; Expires=Sun, 06 Nov 1994 08:49:37 GMT"
    assert sent(("/", kept), ("/", None)) == "lang=en-US"
    assert sent(*both, ("/", gone), ("/", None), base=base) == f"SID={SID}"


@pytest.mark.parametrize(
    ("line", "is_sent"),
    [
        ("a=1; Path=/; Secure", False),  # over http
        ("a=1; Path=/; HttpOnly", True),
        ("a=1; Path=/; Max-Age=60", True),
        ("a=1; Path=/; Max-Age=0", False),
        ("a=1; Path=/; Max-Age=-1", False),
        ("a=1; Path=/; Max-Age=60; Expires=Sun, 06 Nov 1994 08:49:37 GMT", True),  # 5.3, 3
        ("a=1; Path=/; Expires=Sun, 06 Nov 1994 08:49:37 GMT", False),
        ("a=1; Path=/; Expires=Sun, 06-Nov-94 08:49:37 GMT", False),
        ("a=1; Path=/; Expires=Sun Nov  6 08:49:37 1994", False),
        ("a=1; Path=/; Unknown=x; Another", True),
        ("a=1; PATH=/; hTTPONLY", True),
        ("a=1; Path=/; Domain=example.com", True),
        ("a=1; Path=/; Domain=.example.com", True),
        ("a=1; Path=/; Domain=www.example.com", True),
        ("a=1; Path=/; Domain=sub.www.example.com", False),
        ("a=1; Path=/; Domain=example.org", False),
        ("a=1; Path=/; Domain=ample.com", False),
    ],
)
def test_what_a_client_keeps(line: str, is_sent: bool) -> None:
    assert sent(("/", line), ("/", None)) == ("a=1" if is_sent else "")


@pytest.mark.parametrize(
    ("path", "target", "is_sent"),
    [
        ("/", "/", True),
        ("/", "/any/where", True),
        ("/docs", "/docs", True),
        ("/docs", "/docs/", True),
        ("/docs", "/docs/web", True),
        ("/docs", "/docsets", False),
        ("/docs", "/", False),
        ("/docs/", "/docs", False),
        ("/docs/", "/docs/web", True),
    ],
)
def test_paths_that_match(path: str, target: str, is_sent: bool) -> None:
    """RFC 6265, 5.1.4."""
    steps = (("/docs/web", f"a=1; Path={path}"), (target, None))
    assert sent(*steps) == ("a=1" if is_sent else "")


@pytest.mark.parametrize(
    ("header", "pairs"),
    [
        (f"SID={SID}", {"SID": SID}),
        (f"SID={SID}; lang=en-US", {"SID": SID, "lang": "en-US"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=", {"a": ""}),
        ("a=1;b=2", {"a": "1", "b": "2"}),
        (" a = 1 ;\tb=2 ", {"a": "1", "b": "2"}),
        ('a="1"', {"a": "1"}),
        ("a=1; a=2", {"a": "2"}),
        ("a=/path?x&y[]{}@:", {"a": "/path?x&y[]{}@:"}),
        ("noequals; a=1", {"a": "1"}),
        ("", {}),
    ],
)
def test_what_a_server_reads(header: str, pairs: dict[str, str]) -> None:
    """RFC 6265, 4.2.1 and 5.4."""
    assert CookieJar(header).received() == pairs


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, "SID=x; Path=/; SameSite=Lax"),
        ({"path": None, "samesite": None}, "SID=x"),
        ({"secure": True, "httponly": True, "samesite": None}, "SID=x; HttpOnly; Path=/; Secure"),
        ({"domain": "example.com", "samesite": None}, "SID=x; Domain=example.com; Path=/"),
        (
            {"expires": 1623233894, "samesite": None},
            "SID=x; expires=Wed, 09 Jun 2021 10:18:14 GMT; Path=/",
        ),
        ({"max_age": 60, "samesite": None}, "SID=x; Max-Age=60; Path=/"),
    ],
)
def test_what_a_server_writes(options: dict[str, Any], line: str) -> None:
    """RFC 6265, 4.1.1."""
    _, response = make()
    response.set_cookie("SID", "x", **options)
    assert response.cookie.changed() == [line]
