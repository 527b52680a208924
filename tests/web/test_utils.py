from __future__ import annotations

import gzip
import io
from typing import Any

import pytest

from circuits.web import exceptions, utils
from circuits.web._form_limits import FormLimits
from circuits.web._upload import Upload
from circuits.web.headers import Headers
from circuits.web.utils import (
    compress,
    dictform,
    formatdate,
    get_ranges,
    parse_body,
    parse_qs,
    url,
)
from tests.web.support import NOW, NOW_TEXT, make, make_request

# -- dates -----------------------------------------------------------------------------------------


def test_dates_are_imf_fixdates() -> None:
    assert formatdate(0) == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert formatdate(NOW + 0.9) == formatdate(NOW) == NOW_TEXT
    assert formatdate(951782400) == "Tue, 29 Feb 2000 00:00:00 GMT"


def test_the_default_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("circuits.core._clock.wall", lambda: NOW)
    assert formatdate() == NOW_TEXT


# -- URLs ------------------------------------------------------------------------------------------

BASE = "http://example.org"


@pytest.mark.parametrize(
    ("current", "index", "path", "qs", "expected"),
    [
        ("/a/b", None, "", "", "/a/b"),
        ("/a/b", None, "", "c=d", "/a/b?c=d"),
        ("/a/b", None, "", "?c=d", "/a/b?c=d"),
        ("/a/b", None, "/x", "", "/x"),
        ("/a/b", None, "x", "", "/a/x"),
        ("/a/b", True, "x", "", "/a/b/x"),
        ("/a/b", True, "", "", "/a/b/"),
        ("/a/b/", False, "x", "", "/a/x"),
        ("/", False, "x", "", "/x"),
        ("/a/b", None, "../x", "", "/x"),
        ("/a/b", None, "/x/./../y/", "", "/y/"),
        ("/a/b", None, "/../..", "", "/"),
        ("/a/b", None, "../x?q=..", "", "/x?q=.."),
        ("/a b/é", None, "", "", "/a%20b/%C3%A9"),
        ("/a%2Fb", None, "", "", "/a%2Fb"),
        ("/a%252Fb", None, "", "", "/a%252Fb"),
    ],
)
def test_urls(current: str, index: bool | None, path: str, qs: str, expected: str) -> None:
    request = make_request(path=current)
    request.index = index
    assert url(request, path, qs) == BASE + expected
    assert request.url(path, qs) == BASE + expected


def test_an_absolute_url_stays() -> None:
    assert url(make_request(), "https://other/x", "a=b") == "https://other/x?a=b"


def test_the_script_name_and_the_base_come_from_the_request_or_the_caller() -> None:
    request = make_request(path="/a")
    request.script_name = "/app"
    assert url(request) == BASE + "/app/a"
    assert url(request, "/b") == BASE + "/app/b"
    assert url(request, "/b", script_name="", base="x:") == "x:/b"


def test_a_request_without_the_data_is_tolerated() -> None:
    bare: Any = object()
    assert url(bare, "/x") == "/x"
    assert url(bare) == "/"


@pytest.mark.parametrize(
    ("current", "path", "server", "relative"),
    [
        ("/a/b", "/a/c", "/a/c", "c"),
        ("/a/b", "/c", "/c", "../c"),
        ("/a/b", "/a/", "/a/", "./"),
        ("/a/b", "/a/b/c", "/a/b/c", "b/c"),
        ("/a/b", "/a/x:y", "/a/x:y", "./x:y"),
        ("/", "/", "/", "./"),
        ("/a/b/", "/a/b/c", "/a/b/c", "c"),
    ],
)
def test_relative_urls(current: str, path: str, server: str, relative: str) -> None:
    request = make_request(path=current)
    assert url(request, path, "q=1", relative="server") == server + "?q=1"
    assert url(request, path, "q=1", relative=True) == relative + "?q=1"
    assert url(request, path, relative=False) == BASE + path


# -- forms --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("qs", "params"),
    [
        ("", {}),
        ("a=1&a=2&b=", {"a": "1", "b": ""}),
        ("12,34", {"x": 12, "y": 34}),
        ("12,", {"12,": ""}),
        ("a=%C3%A9", {"a": "é"}),
    ],
)
def test_queries(qs: str, params: dict[str, Any]) -> None:
    assert parse_qs(qs) == params


def test_queries_without_blanks_or_with_bad_text() -> None:
    assert parse_qs("a=&b=1", keep_blank_values=False) == {"b": "1"}
    with pytest.raises(exceptions.UnicodeError):
        parse_qs("a=%ff")


def form(content_type: str | None, body: bytes, **params: Any) -> dict[str, Any]:
    headers = {} if content_type is None else {"Content-Type": content_type}
    request, response = make("POST", headers=headers, body=body)
    parse_body(request, response, params)
    if content_type is None:
        assert "Content-Type" not in request.headers
    return params


def test_fields_replace_parameters_and_repetitions_make_lists() -> None:
    got = form("application/x-www-form-urlencoded", b"a=1&b=2&b=3", a="query", c="query")
    assert got == {"a": "1", "b": ["2", "3"], "c": "query"}


def test_no_form_no_parameters() -> None:
    assert form(None, b"a=1") == {}
    assert form("text/plain", b"a=1") == {}
    assert form("application/x-www-form-urlencoded", b"") == {}


def test_a_form_that_is_too_large() -> None:
    request, response = make(
        "POST", headers={"Content-Type": "application/x-www-form-urlencoded"}, body=b"a&b"
    )
    with pytest.raises(utils.RequestEntityTooLarge):
        parse_body(request, response, {}, FormLimits(parts=1))


def test_uploads_are_closed_with_the_request() -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="n"\r\n\r\nc\r\n--x--'
    request, response = make(
        "POST", headers={"Content-Type": "multipart/form-data; boundary=x"}, body=body
    )
    params: dict[str, Any] = {}
    parse_body(request, response, params)
    assert params["f"].value == b"c"
    request.release()
    assert params["f"].file.closed


def test_dictform() -> None:
    class Field:
        filename: str | None = None
        value = "v"

    class File(Field):
        filename = "f"

    file = File()
    upload = Upload("u", "", Headers(), io.BytesIO())
    assert dictform({"a": Field(), "f": file, "l": [Field(), "s"], "one": ["x"], "u": upload}) == {
        "a": "v",
        "f": file,
        "l": ["v", "s"],
        "one": "x",
        "u": upload,
    }


# -- ranges and compression ---------------------------------------------------------------------


def test_get_ranges() -> None:
    assert get_ranges("bytes=3-6", 8) == [(3, 7)]
    assert get_ranges("bytes=2-4,-1", 8) == [(2, 5), (7, 8)]
    assert get_ranges("bytes=9-", 8) == []
    assert get_ranges(None, 8) is None


@pytest.mark.parametrize("body", [["a", b"b", None, "é"], "abé", "abé".encode()])
def test_compressing(body: Any) -> None:
    assert gzip.decompress(b"".join(compress(body, 4))) == "abé".encode()


def test_an_abandoned_compression_closes_what_it_reads() -> None:
    closed = []

    def source() -> Any:
        try:
            while True:
                yield b"x" * 100000
        finally:
            closed.append(True)

    chunks = compress(source(), 0)
    next(chunks)
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]  # a generator
    assert closed == [True]
