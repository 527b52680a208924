from __future__ import annotations

import json
from typing import Any

import pytest

from circuits.core.events import Event
from circuits.web import exceptions, utils
from circuits.web.constants import SERVER_URL, SERVER_VERSION
from circuits.web.errors import Forbidden, HTTPError, NotFound, Redirect, Unauthorized
from tests.web.support import FakeServer, make


def failure(error: Exception) -> tuple[Any, Any, Any]:
    try:
        raise error
    except Exception as caught:
        return (type(caught), caught, caught.__traceback__)


class Debugging(FakeServer):
    debug = True


@pytest.mark.parametrize(
    ("cls", "code"), [(HTTPError, 500), (Forbidden, 403), (Unauthorized, 401), (NotFound, 404)]
)
def test_making_an_error_changes_the_response(cls: type[HTTPError], code: int) -> None:
    request, response = make()
    error = cls(request, response)
    assert isinstance(error, Event)
    assert error.name == "httperror"
    assert error.args == [request, response, code]
    assert (error.request, error.response, error.code, error.error) == (
        request,
        response,
        code,
        None,
    )
    assert response.code == code
    assert repr(error) == f"<{cls.__name__} {response.status}>"


@pytest.mark.parametrize(
    "make_error", [NotFound, Unauthorized, HTTPError, lambda a, b: Redirect(a, b, "/")]
)
def test_nothing_is_kept_that_described_what_was_about_to_be_sent(make_error: Any) -> None:
    request, response = make()
    described = {
        "Accept-Ranges": "bytes", "Age": "3", "Cache-Control": "max-age=60",
        "Content-Disposition": "attachment", "Content-Encoding": "gzip",
        "Content-Language": "de", "Content-Length": "7", "Content-Location": "/x",
        "Content-MD5": "x", "Content-Range": "bytes 0-1/2", "ETag": '"x"',
        "Expires": "Mon, 01 Jan 2034 00:00:00 GMT",
        "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT", "Repr-Digest": "md5=:x:",
    }  # fmt: skip
    for name, value in {**described, "Set-Cookie": "a=b", "X-Own": "x", "Vary": "X"}.items():
        response.headers[name] = value
    str(make_error(request, response))
    assert [name for name in described if name in response.headers] == []
    assert [response.headers[name] for name in ("Set-Cookie", "X-Own", "Vary")] == ["a=b", "x", "X"]


def test_own_errors_answer_to_the_same_name() -> None:
    class Teapot(HTTPError):
        code = 418
        description = "short & stout"

    error = Teapot(*make())
    assert (error.name, error.code) == ("httperror", 418)
    assert "<p>short &amp; stout</p>" in str(error)


@pytest.mark.parametrize(
    ("code", "close"),
    [(500, True), (400, True), (413, True), (401, False), (404, False), (416, False)],
)
def test_only_doubtful_connections_are_closed(code: int, close: bool) -> None:
    request, response = make()
    HTTPError(request, response, code)
    assert response.close is close


def test_the_page() -> None:
    request, response = make()
    page = str(NotFound(request, response))
    assert "<title>404 Not Found</title>" in page
    assert '<meta name="viewport" content="width=device-width' in page
    assert page.count("<h1>") == 1
    assert "<h1>Not Found</h1>" in page
    assert '<pre id="traceback"' not in page
    assert f'<a href="{SERVER_URL}">{SERVER_VERSION}</a>' in page
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"


def test_data() -> None:
    error = NotFound(*make(), description="x")
    assert error.data == {
        "code": 404,
        "name": "Not Found",
        "description": "x",
        "traceback": "",
        "url": SERVER_URL,
        "version": SERVER_VERSION,
    }


def test_own_texts_are_escaped_and_default_ones_are_markup() -> None:
    request, response = make()
    assert "&lt;b&gt;" in str(HTTPError(request, response, 500, description="<b>"))
    assert "<p>" in HTTPError(request, response, 500).description
    assert HTTPError(request, response, 500).description in str(HTTPError(request, response, 500))
    response.message = "<i>"
    assert "<h1>&lt;i&gt;</h1>" in str(HTTPError(request, response, 500))


def test_the_traceback_is_for_debugging_only() -> None:
    error = failure(RuntimeError("<secret>"))
    hidden = HTTPError(*make(), error=error)
    assert hidden.traceback == ""
    assert "secret" not in str(hidden)
    shown = HTTPError(*make(server=Debugging()), error=error)
    assert shown.traceback.startswith("ERROR: (<class 'RuntimeError'>) <secret>\n")
    assert "in failure" in shown.traceback
    assert "&lt;secret&gt;" in str(shown)
    assert "<secret>" not in str(shown)


def test_tracebacks_may_be_lines() -> None:
    error = (ValueError, ValueError("x"), ["one\n", "two\n"])
    assert HTTPError(*make(server=Debugging()), error=error).traceback.endswith("x\none\ntwo\n")
    error_without = (ValueError, ValueError("x"), None)
    assert HTTPError(*make(server=Debugging()), error=error_without).traceback.endswith("x\n")


def test_an_exception_may_refuse_its_traceback() -> None:
    error = failure(exceptions.NotFound(traceback=False))
    assert HTTPError(*make(server=Debugging()), error=error).traceback == ""


def test_an_http_exception_gives_code_description_and_headers() -> None:
    request, response = make()
    error = HTTPError(request, response, error=failure(exceptions.MethodNotAllowed(["GET"], "no")))
    assert (error.code, error.description, response.code) == (405, "no", 405)
    assert response.headers["Allow"] == "GET"


def test_json_clients_get_json() -> None:
    request, response = make()
    response.headers["Content-Type"] = "application/json"
    body = json.loads(str(NotFound(request, response, description="<x>")))
    assert body == {"code": 404, "name": "Not Found", "description": "<x>"}
    assert "<p>" not in json.loads(str(NotFound(request, response)))["description"]
    assert response.headers["Content-Type"] == "application/json"
    request, response = make(server=Debugging())
    response.headers["Content-Type"] = "application/problem+json"
    body = json.loads(str(HTTPError(request, response, error=failure(ValueError("x")))))
    assert "ValueError" in body["traceback"]


@pytest.mark.parametrize("code", [204, 205, 304])
def test_pages_of_statuses_without_body(code: int) -> None:
    assert str(HTTPError(*make(), code)) == ""


def test_the_banner_is_optional() -> None:
    server = FakeServer()
    server.display_banner = False
    assert "Powered by" not in str(NotFound(*make(server=server)))


def test_a_location_goes_with_a_redirect_only() -> None:
    for code, kept in ((500, False), (303, True), (201, True)):
        request, response = make()
        response.headers["Location"] = "/x"
        HTTPError(request, response, code).sanitize()
        assert ("Location" in response.headers) is kept


# -- redirects -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("/x", "http://example.org/x"),
        ("x", "http://example.org/a/x"),
        ("../x?y=z", "http://example.org/x?y=z"),
        ("https://other/x", "https://other/x"),
        ("/é b", "http://example.org/%C3%A9%20b"),
        ("/a%20b", "http://example.org/a%20b"),
    ],
)
def test_where_redirects_go(url: str, location: str) -> None:
    request, response = make(path="/a/b", qs="q=1")
    error = Redirect(request, response, url)
    assert response.headers["Location"] == location
    assert error.urls == [location]
    assert error.name == "httperror"


@pytest.mark.parametrize(("protocol", "code"), [((1, 1), 303), ((1, 0), 302)])
def test_the_default_code(protocol: tuple[int, int], code: int) -> None:
    request, response = make(protocol=protocol)
    assert Redirect(request, response, "/").code == response.code == code
    assert not response.close


@pytest.mark.parametrize("code", [300, 301, 302, 303, 307, 308])
def test_redirects_carry_a_note_that_links_every_url(code: int) -> None:
    request, response = make()
    response.headers["Content-Length"] = "99"
    error = Redirect(request, response, ["/a?b&c", "/d"], code)
    page = str(error)
    assert '<a href="http://example.org/a?b&amp;c">' in page
    assert '<a href="http://example.org/d">' in page
    assert response.headers["Content-Type"].startswith("text/html")
    assert response.body == [page]
    response.prepare()
    assert response.headers["Content-Length"] == str(len(page))


def test_not_modified() -> None:
    request, response = make()
    response.headers["ETag"] = '"x"'
    response.headers["Content-Length"] = "9"
    response.headers["Location"] = "/"
    response.body = "content"
    error = Redirect(request, response, [], 304)
    assert str(error) == ""
    assert response.body == []
    assert response._encode()[0].startswith(b"HTTP/1.1 304 Not Modified\r\n")
    assert response.headers.keys() == ["Date", "Server", "ETag"]


def test_use_proxy() -> None:
    request, response = make()
    response.body = "content"
    assert str(Redirect(request, response, "http://proxy/", 305)) == ""
    assert response.headers["Location"] == "http://proxy/"
    assert response.body == []


@pytest.mark.parametrize("code", [200, 306, 309, 399, 404])
def test_codes_that_do_not_redirect(code: int) -> None:
    with pytest.raises(ValueError, match=str(code)):
        Redirect(*make(), "/", code)


def test_a_redirect_needs_a_url() -> None:
    with pytest.raises(ValueError, match="URL"):
        Redirect(*make(), [])


@pytest.mark.parametrize("bad", ["/x\r\nSet-Cookie: a=b", "/x\n", "/\0"])
def test_redirects_cannot_inject(bad: str) -> None:
    request, response = make()
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        Redirect(request, response, bad)
    assert response.code == 200


@pytest.mark.parametrize(
    ("url", "expected"),
    [("/hello", "/hello"), ("there", "/here/there"), ("http://x/y", "http://x/y")],
)
def test_where_nobody_has_said_which_host_a_redirect_is_relative(
    url: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, response = make(path="/here/")
    monkeypatch.setattr(utils, "url", lambda request: "http:///here/")  # over a UNIX socket
    Redirect(request, response, url)
    assert response.headers["Location"] == expected
