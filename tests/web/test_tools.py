from __future__ import annotations

import gzip as gzip_module
from datetime import timedelta
from typing import Any

import pytest

from circuits.web import tools
from circuits.web.errors import HTTPError
from circuits.web.utils import formatdate
from circuits.web.wrappers import Response
from tests.web.support import NOW, make

# -- expires --------------------------------------------------------------------------------------


def test_expires_at_once() -> None:
    request, response = make()
    tools.expires(request, response)
    assert response.headers["Pragma"] == "no-cache"
    assert response.headers["Cache-Control"] == "no-cache, must-revalidate"
    assert response.headers["Expires"] == formatdate(NOW - 365 * 86400)
    request, response = make(protocol=(1, 0))
    tools.expires(request, response)
    assert "Cache-Control" not in response.headers


def test_a_leap_day_has_a_year_before_it() -> None:
    request, response = make()
    response.time = 1709208000.0  # 29 February 2024
    tools.expires(request, response)
    assert response.headers["Expires"] == "Wed, 01 Mar 2023 12:00:00 GMT"


@pytest.mark.parametrize("secs", [60, timedelta(minutes=1)])
def test_expires_later(secs: Any) -> None:
    request, response = make()
    tools.expires(request, response, secs)
    assert response.headers["Expires"] == formatdate(NOW + 60)
    assert "Pragma" not in response.headers


@pytest.mark.parametrize("name", ["ETag", "Last-Modified", "Age", "Expires"])
def test_other_cache_headers_win_unless_forced(name: str) -> None:
    request, response = make()
    response.headers[name] = "x"
    tools.expires(request, response, 0)
    assert "Pragma" not in response.headers
    tools.expires(request, response, 0, force=True)
    assert response.headers["Pragma"] == "no-cache"
    assert response.headers["Expires"] != "x"


# -- compression ----------------------------------------------------------------------------------


def compressed(
    accept: str | None, body: Any = "text" * 100, **headers: str
) -> tuple[Any, Response]:
    _, response = make(headers={} if accept is None else {"Accept-Encoding": accept})
    for name, value in headers.items():
        response.headers[name.replace("_", "-")] = value
    response.body = body
    return tools.gzip(response), response


@pytest.mark.parametrize(
    "accept", ["gzip", "x-gzip;q=0.5", "deflate, gzip", "gzip, identity;q=0.5", "identity, gzip"]
)
def test_what_is_compressed(accept: str) -> None:
    result, response = compressed(accept, Content_Length="400", Vary="Cookie", ETag='"x"')
    assert result is response
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.headers["Vary"] == "Cookie, Accept-Encoding"
    assert response.headers["ETag"] == 'W/"x"'
    assert "Content-Length" not in response.headers
    assert gzip_module.decompress(b"".join(response.body)) == b"text" * 100


@pytest.mark.parametrize(
    ("accept", "body", "headers"),
    [
        (None, "x", {}),
        ("deflate", "x", {}),
        ("*", "x", {}),
        ("gzip;q=0", "x", {}),
        ("identity, gzip;q=0.5", "x", {}),
        ("gzip", "", {}),
        ("gzip", "x", {"Content_Type": "image/png"}),
        ("gzip", "x", {"Content_Encoding": "br"}),
    ],
)
def test_what_is_not(accept: str | None, body: str, headers: dict[str, str]) -> None:
    before = headers.get("Content_Encoding")
    result, response = compressed(accept, body, **headers)
    assert result is response
    assert response.headers["Content-Encoding"] == before


def test_parameters_of_the_type_do_not_matter() -> None:
    _, response = compressed("gzip", Content_Type="text/plain; charset=x")
    assert response.headers["Content-Encoding"] == "gzip"


def test_cached_responses_are_left_alone() -> None:
    _, response = make(headers={"Accept-Encoding": "gzip"})
    response.request.cached = True  # type: ignore[attr-defined]  # set by caches
    response.body = "x"
    assert tools.gzip(response) is response
    assert "Content-Encoding" not in response.headers


@pytest.mark.parametrize(
    ("accept", "refused"),
    [("identity;q=0, gzip;q=0", True), ("*;q=0", True), ("identity;q=0", False), ("br", False)],
)
def test_a_client_that_takes_neither(accept: str, refused: bool) -> None:
    result, response = compressed(accept)
    assert isinstance(result, HTTPError) is refused
    assert response.code == (406 if refused else 200)
