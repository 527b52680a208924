from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from circuits.web import _file_response, tools
from circuits.web.errors import Forbidden, HTTPError, NotFound, Redirect
from circuits.web.utils import formatdate
from circuits.web.wrappers import Response
from tests.web.support import NOW, NOW_TEXT, make

CONTENT = b"0123456789" * 10


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / "file.txt"
    file.write_bytes(CONTENT)
    os.utime(file, (NOW, NOW))
    return str(file)


@pytest.fixture
def served() -> Iterator[list[Response]]:
    """Responses whose files are closed in the end, as a server does."""
    responses: list[Response] = []
    yield responses
    for response in responses:
        response.release()


def serve(
    served: list[Response], path: str, method: str = "GET", protocol: Any = (1, 1), **kwargs: Any
) -> tuple[Any, Response]:
    headers = {
        name.replace("_", "-"): kwargs.pop(name) for name in list(kwargs) if name[0].isupper()
    }
    request, response = make(method, protocol=protocol, headers=headers)
    served.append(response)
    return tools.serve_file(request, response, path, **kwargs), response


# -- files -------------------------------------------------------------------------------------------


def test_a_whole_file(served: list[Response], path: str) -> None:
    result, response = serve(served, path)
    assert result is response
    assert response.stream
    assert response.headers["Content-Type"] == "text/plain"
    assert response.headers["Content-Length"] == "100"
    assert response.headers["Last-Modified"] == NOW_TEXT
    assert response.headers["Accept-Ranges"] == "bytes"
    assert "Content-Disposition" not in response.headers
    assert b"".join(response.body) == CONTENT
    response.prepare()
    assert not response.chunked


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.html", "text/html"),
        ("A.HTML", "text/html"),
        ("a.unknown", "text/plain"),
        ("a", "text/plain"),
        ("a.dwg", "image/x-dwg"),
        ("a.ico", "image/x-icon"),
        ("a.xhtml", "application/xhtml+xml"),
        ("a.tar.gz", "application/gzip"),
        ("a.flac", "audio/flac"),
        ("a.epub", "application/epub+zip"),
        ("a.tar.zst", "application/zstd"),
        ("a.7z", "application/x-7z-compressed"),
        ("a.js", "text/javascript"),
        ("a.mjs", "text/javascript"),
        ("a.wasm", "application/wasm"),
        ("a.jxl", "image/jxl"),
        ("a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("a.pmtiles", "application/octet-stream"),
    ],
)
def test_types(served: list[Response], tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).touch()
    _, response = serve(served, str(tmp_path / name))
    assert response.headers["Content-Type"] == kind
    _, response = serve(served, str(tmp_path / name), type="x/y")
    assert response.headers["Content-Type"] == "x/y"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (None, 'attachment; filename="file.txt"'),
        ('a"b;c', 'attachment; filename="a\\"b;c"'),
        ("é €.txt", "attachment; filename=\"_ _.txt\"; filename*=UTF-8''%C3%A9%20%E2%82%AC.txt"),
    ],
)
def test_dispositions(served: list[Response], path: str, name: str | None, value: str) -> None:
    _, response = serve(served, path, disposition="attachment", name=name)
    assert response.headers["Content-Disposition"] == value
    request, response = make()
    served.append(response)
    assert tools.serve_download(request, response, path, name) is response
    assert response.headers["Content-Disposition"] == value
    assert response.headers["Content-Type"] == "application/x-download"


def test_names_cannot_inject(served: list[Response], path: str) -> None:
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        serve(served, path, disposition="inline", name="a\r\nSet-Cookie: x")
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        serve(served, path, type="a\r\nSet-Cookie: x")


def test_the_path_must_be_absolute(served: list[Response]) -> None:
    with pytest.raises(ValueError, match="absolute"):
        serve(served, "file.txt")


def test_what_is_no_file_is_not_found(served: list[Response], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("missing", ".", "pipe", "nul\0"):
        result, response = serve(served, f"{tmp_path}/{name}")
        assert isinstance(result, NotFound)
        assert response.code == 404


def test_what_may_not_be_read_is_forbidden(
    served: list[Response], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise PermissionError

    monkeypatch.setattr("builtins.open", refuse)
    assert isinstance(serve(served, path)[0], Forbidden)


def test_proxies_ask_for_ranges_in_http_1_0(served: list[Response], path: str) -> None:
    _, response = serve(served, path, protocol=(1, 0), Range="bytes=0-1")
    assert (response.code, response.headers["Content-Range"]) == (206, "bytes 0-1/100")


def test_a_head_has_no_ranges(served: list[Response], path: str) -> None:
    _, response = serve(served, path, "HEAD", Range="bytes=0-1")
    assert (response.code, response.headers["Content-Length"]) == (200, "100")


def tag_of(served: list[Response], path: str) -> str:
    tag = serve(served, path)[1].headers["ETag"]
    assert isinstance(tag, str)
    return tag


def test_a_file_has_a_tag_that_changes_with_it(served: list[Response], path: str) -> None:
    before = tag_of(served, path)
    assert before == tag_of(served, path)
    os.utime(path, (NOW - 100, NOW - 100))
    assert before != tag_of(served, path)
    assert serve(served, path, If_None_Match=before)[1].code == 200
    assert serve(served, path, If_None_Match=tag_of(served, path))[1].code == 304


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"If_Match": '"other"'}, 412),
        ({"If_Match": "*"}, 200),
        ({"If_Modified_Since": formatdate(NOW)}, 304),
        ({"If_Modified_Since": formatdate(NOW + 3600)}, 200),  # an older copy was put in its place
        ({"If_Modified_Since": "Fri, 99 Foo 2099 99:99:99 GMT"}, 200),
        ({"If_Unmodified_Since": formatdate(NOW)}, 200),
        ({"If_Unmodified_Since": formatdate(NOW + 3600)}, 412),
        ({"If_Unmodified_Since": "yesterday"}, 200),
        ({"If_None_Match": '"other"', "If_Modified_Since": formatdate(NOW)}, 200),
        ({"If_None_Match": "*"}, 304),
        ({"Range": "bytes=0-1", "If_Range": formatdate(NOW)}, 206),
        ({"Range": "bytes=0-1", "If_Range": '"other"'}, 200),
        ({"Range": "bytes=0-" + "9" * 30}, 206),
        ({"Range": "bytes=" + "9" * 30 + "-"}, 416),
    ],
)
def test_conditions_of_a_file(
    served: list[Response], path: str, headers: dict[str, str], code: int
) -> None:
    assert serve(served, path, **headers)[1].code == code


def test_a_range_of_what_has_the_tag(served: list[Response], path: str) -> None:
    tag = tag_of(served, path)
    assert serve(served, path, Range="bytes=0-1", If_Range=tag)[1].code == 206
    assert serve(served, path, Range="bytes=0-1", If_Match=tag)[1].code == 206


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [("bytes=3-6", 3, 7), ("bytes=95-", 95, 100), ("bytes=-7", 93, 100)],
)
def test_one_range(served: list[Response], path: str, header: str, start: int, stop: int) -> None:
    _, response = serve(served, path, Range=header)
    assert response.code == 206
    assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/100"
    assert response.headers["Content-Length"] == str(stop - start)
    assert b"".join(response.body) == CONTENT[start:stop]


def test_several_ranges(served: list[Response], path: str) -> None:
    _, response = serve(served, path, Range="bytes=0-1,5-6,-2")
    assert response.code == 206
    kind, _, boundary = response.headers["Content-Type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    body = b"".join(response.body)
    assert response.headers["Content-Length"] == str(len(body))
    parts = body.split(f"--{boundary}".encode())
    assert parts[-1] == b"--\r\n"
    assert [part.split(b"\r\n\r\n")[1] for part in parts[1:-1]] == [b"01\r\n", b"56\r\n", b"89\r\n"]
    assert b"Content-type: text/plain\r\nContent-range: bytes 98-99/100" in parts[3]
    response.prepare()
    assert not response.chunked


def test_overlapping_ranges_are_one(served: list[Response], path: str) -> None:
    _, response = serve(served, path, Range="bytes=0-5,3-9")
    assert response.headers["Content-Range"] == "bytes 0-9/100"


def test_no_range_fits(served: list[Response], path: str) -> None:
    result, response = serve(served, path, Range="bytes=100-")
    assert isinstance(result, HTTPError)
    assert response.code == 416
    assert response.headers["Content-Range"] == "bytes */100"
    assert not response.close


@pytest.mark.parametrize(
    ("method", "header"),
    [
        ("GET", "bytes=6-3"),
        ("GET", "x"),
        ("POST", "bytes=0-1"),
        ("GET", "bytes=" + ",".join(["0-0"] * 33)),
    ],
)
def test_ranges_that_are_not_obeyed(
    served: list[Response], path: str, method: str, header: str
) -> None:
    _, response = serve(served, path, method, Range=header)
    assert response.code == 200
    assert b"".join(response.body) == CONTENT


@pytest.mark.parametrize(
    ("condition", "code"),
    [(NOW_TEXT, 206), (formatdate(NOW + 1), 200), ('"tag"', 206), ('"other"', 200), ("x", 200)],
)
def test_if_range(served: list[Response], path: str, condition: str, code: int) -> None:
    request, response = make(headers={"Range": "bytes=0-1", "If-Range": condition})
    served.append(response)
    response.headers["ETag"] = '"tag"'
    tools.serve_file(request, response, path)
    assert response.code == code


def test_a_file_that_the_client_has(served: list[Response], path: str) -> None:
    result, response = serve(served, path, If_Modified_Since=NOW_TEXT)
    assert isinstance(result, Redirect)
    assert response.code == 304
    assert response.headers["Last-Modified"] == NOW_TEXT
    assert response._encode()[1] == b""


@pytest.mark.parametrize(
    "number", [errno.EMFILE, errno.ENFILE, errno.EIO, errno.ENOMEM, errno.ESTALE]
)
@pytest.mark.parametrize("where", ["os.stat", "builtins.open", "os.open", "os.fstat"])
def test_what_cannot_be_served_now_is_no_missing_file(
    served: list[Response],
    path: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: int,
    where: str,
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise OSError(number, os.strerror(number))

    serve_it = _file_response.serve_real_file if where == "os.open" else tools.serve_file
    request, response = make()
    served.append(response)
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR, "circuits"):
        patch.setattr(where, refuse)
        result = serve_it(request, response, path)
    assert isinstance(result, HTTPError)
    assert response.code == 503
    assert os.strerror(number) in caplog.text


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP])
def test_what_is_not_there_is_not_found(
    served: list[Response], path: str, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", refuse)
        assert isinstance(serve(served, path)[0], NotFound)


# -- validators ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "headers", "code"),
    [
        ("GET", {}, None),
        ("GET", {"If-Modified-Since": NOW_TEXT}, 304),
        ("HEAD", {"If-Modified-Since": formatdate(NOW + 9)}, 304),
        ("GET", {"If-Modified-Since": formatdate(NOW - 9)}, None),
        ("POST", {"If-Modified-Since": NOW_TEXT}, 412),
        ("GET", {"If-Modified-Since": "nonsense"}, None),
        ("GET", {"If-Modified-Since": NOW_TEXT, "If-None-Match": '"x"'}, None),
        ("GET", {"If-Unmodified-Since": NOW_TEXT}, None),
        ("PUT", {"If-Unmodified-Since": formatdate(NOW - 9)}, 412),
        ("PUT", {"If-Unmodified-Since": formatdate(NOW - 9), "If-Match": '"x"'}, None),
    ],
)
def test_validate_since(method: str, headers: dict[str, str], code: int | None) -> None:
    request, response = make(method, headers=headers)
    assert tools.validate_since(request, response) is None  # there is no Last-Modified
    response.headers["Last-Modified"] = NOW_TEXT
    result = tools.validate_since(request, response)
    assert (result and result.code) == code
    assert response.code == (code or 200)


@pytest.mark.parametrize(
    ("method", "headers", "code"),
    [
        ("GET", {}, None),
        ("GET", {"If-None-Match": '"x", W/"tag"'}, 304),
        ("HEAD", {"If-None-Match": "*"}, 304),
        ("PUT", {"If-None-Match": "*"}, 412),
        ("GET", {"If-None-Match": '"x"'}, None),
        ("PUT", {"If-Match": '"tag"'}, None),
        ("PUT", {"If-Match": "*"}, None),
        ("PUT", {"If-Match": '"x"'}, 412),
        ("PUT", {"If-Match": 'W/"tag"'}, 412),
    ],
)
def test_validate_etags(method: str, headers: dict[str, str], code: int | None) -> None:
    request, response = make(method, headers=headers)
    response.headers["ETag"] = '"tag"'
    result = tools.validate_etags(request, response)
    assert (result and result.code) == code
    assert tools.validate_etags(request, response) is None  # it runs once


def test_automatic_tags_are_those_of_the_body() -> None:
    tags = []
    for body in ("same", iter(["sa", b"me"]), "other"):
        request, response = make()
        response.body = body
        assert tools.validate_etags(request, response, autotags=True) is None
        tags.append(response.headers["ETag"])
    assert tags[0] == tags[1] != tags[2]
    request, response = make(headers={"If-None-Match": tags[0]})
    response.body = "same"
    result = tools.validate_etags(request, response, autotags=True)
    assert result is not None
    assert result.code == 304


def test_no_automatic_tags_for_streams_and_failures() -> None:
    request, response = make()
    response.stream, response.body = True, iter(["x"])
    tools.validate_etags(request, response, autotags=True)
    assert "ETag" not in response.headers
    request, response = make(headers={"If-Match": '"x"'})
    response.code = 404
    assert tools.validate_etags(request, response, autotags=True) is None
