from __future__ import annotations

import io
from collections.abc import Callable
from http import HTTPStatus
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuits.web import _response
from circuits.web._cookies import cookie_attributes
from circuits.web.constants import SERVER_VERSION
from circuits.web.errors import NotFound
from circuits.web.headers import Headers
from circuits.web.wrappers import Body, FileRange, Host, Request, Response, file_generator
from tests.web.support import NOW, NOW_TEXT, FakeServer, make, make_request


class Socket:
    def __init__(self, peer: Any = ("10.0.0.1", 1234), own: Any = ("10.0.0.2", 80)) -> None:
        self.peer, self.own = peer, own

    def getpeername(self) -> Any:
        if isinstance(self.peer, Exception):
            raise self.peer
        return self.peer

    def getsockname(self) -> Any:
        return self.own


def without_server(**headers: str) -> Response:
    pairs = tuple(headers.items())
    response = Response(Request(None, "GET", "http", "/", (1, 1), "", pairs))
    response.time = NOW
    return response


# -- hosts and files ----------------------------------------------------------------------------


def test_hosts() -> None:
    assert repr(Host("1.2.3.4", 5)) == "Host('1.2.3.4', 5, '1.2.3.4')"
    assert Host("1.2.3.4", 5, "name").name == "name"
    assert Host("1.2.3.4", 5) == Host("1.2.3.4", 5)
    assert Host("1.2.3.4", 5) != Host("1.2.3.4", 6)
    assert Host("1.2.3.4", 5) != "1.2.3.4"


def test_a_file_generator_reads_all_and_closes() -> None:
    file = io.BytesIO(b"abcde")
    assert list(file_generator(file, 2)) == [b"ab", b"cd", b"e"]
    assert file.closed


def test_a_file_generator_that_is_given_up_closes() -> None:
    file = io.BytesIO(b"abcde")
    chunks = file_generator(file, chunkSize=2)
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]  # a generator
    assert file.closed


def test_a_file_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FileRange, "CHUNK_BYTES", 2)
    file = io.BytesIO(b"0123456789")
    part = FileRange(file, 2, 6)
    assert next(part) == b"23"
    part.advance(2)  # as sendfile does
    assert list(part) == [b"67"]
    assert file.closed


def test_a_file_that_shrank_is_an_error() -> None:
    file = io.BytesIO(b"01")
    part = FileRange(file, 0, 5)
    assert next(part) == b"01"
    with pytest.raises(OSError, match="3 bytes"):
        next(part)
    assert file.closed


# -- requests ------------------------------------------------------------------------------------


def test_documented_constructor_and_defaults() -> None:
    request = Request(None, "GET", "http", "/a", (1, 1), "b=c")
    assert (request.sock, request.method, request.scheme, request.path) == (
        None,
        "GET",
        "http",
        "/a",
    )
    assert (request.protocol, request.qs, request.server_protocol) == ((1, 1), "b=c", (1, 1))
    assert request.headers == {}
    assert request.cookie == {}
    assert request.body.read() == b""
    assert (request.script_name, request.server, request.xhr, request.login) == (
        "",
        None,
        False,
        None,
    )
    assert (request.index, request.handled, request.args, request.kwargs) == (
        None,
        False,
        None,
        None,
    )
    assert (request.host, request.peer_cert, request.raw_path) == ("", None, "/a")
    assert not hasattr(request, "session")
    assert repr(request) == "<Request GET /a HTTP/1.1>"


def test_headers_are_of_the_request_alone() -> None:
    pairs = (("A", "1"),)
    first = Request(None, "GET", "http", "/", (1, 1), "", pairs)
    second = Request(None, "GET", "http", "/", (1, 1), "", pairs)
    first.headers["A"] = "2"
    assert second.headers["a"] == "1"


def test_assigning_headers_renews_what_follows_from_them() -> None:
    request = make_request(headers={"Cookie": "a=1"})
    jar = request.cookie
    assert (request.base, request.xhr, jar["a"].value) == ("http://example.org", False, "1")
    request.headers = Headers(
        [("Host", "other"), ("X-Requested-With", "xmlHTTPrequest"), ("Cookie", "b=2")]
    )
    assert (request.base, request.xhr) == ("http://other", True)
    assert request.cookie is jar
    assert jar["b"].value == "2"


def test_base_xhr_host_and_raw_path_may_be_assigned() -> None:
    request = make_request()
    request.base, request.xhr, request.host, request.raw_path = "x://y", True, "h", "/r"
    assert (request.base, request.xhr, request.host, request.raw_path) == ("x://y", True, "h", "/r")


@pytest.mark.parametrize(
    ("scheme", "port", "base"),
    [
        ("http", 80, "http://127.0.0.1"),
        ("http", 8000, "http://127.0.0.1:8000"),
        ("https", 443, "https://127.0.0.1"),
    ],
)
def test_without_a_host_header_the_server_names_the_base(scheme: str, port: int, base: str) -> None:
    server = FakeServer()
    server.port = port
    assert Request(None, "GET", scheme, "/", (1, 0), "", (), server).base == base


def test_peers() -> None:
    request = Request(Socket(), "GET", "http", "/", (1, 1), "")
    assert request.remote == Host("10.0.0.1", 1234)
    assert request.remote is request.remote
    assert request.local == Host("10.0.0.2", 80)
    request.remote = request.local = Host("x", 1)
    assert request.remote.ip == request.local.ip == "x"


def test_peers_that_have_no_address() -> None:
    for sock in (Socket("", ""), Socket((None, None), None), Socket(OSError(), "")):
        request = Request(sock, "GET", "http", "/", (1, 1), "")
        assert request.remote == Host(None, None)
        assert request.local == Host(None, None)
    assert Request(None, "GET", "http", "/", (1, 1), "").remote == Host(None, None)
    assert make_request().local == Host("127.0.0.1", 8000)


def test_two_servers_do_not_mix() -> None:
    one, two = FakeServer(), FakeServer()
    two.port = 9000
    first, second = make_request(server=one), make_request(server=two)
    assert (first.server, first.local.port) == (one, 8000)
    assert (second.server, second.local.port) == (two, 9000)


def test_bodies() -> None:
    request = make_request(body=b"abc")
    assert request.body.read() == b"abc"
    assert request.body is request.body
    file = io.BytesIO()
    request.body = file
    assert request.body is file
    request.release()
    assert file.closed


class Resource:
    """Notes that it was closed, and may fail."""

    def __init__(self, closed: list[str], name: str, problem: BaseException | None = None) -> None:
        self._closed = closed
        self._name = name
        self._problem = problem

    def read(self, size: int = -1) -> bytes:
        return b""

    def close(self) -> None:
        self._closed.append(self._name)
        if self._problem is not None:
            raise self._problem


@pytest.mark.parametrize("failing", ["first", "second", "body"])
@pytest.mark.parametrize("kind", [OSError, KeyboardInterrupt])
def test_everything_is_released_when_something_fails(
    failing: str, kind: type[BaseException]
) -> None:
    closed: list[str] = []
    request = make_request()
    problem = kind("no")
    for name in ("first", "second"):
        request._release_later(Resource(closed, name, problem if name == failing else None))
    request.body = Resource(closed, "body", problem if failing == "body" else None)
    with pytest.raises(kind, match="no"):
        request.release()
    assert closed == ["first", "second", "body"]


def test_a_body_is_closed_without_a_server_too() -> None:
    request = Request(None, "GET", "http", "/", (1, 1), "")
    request.body = file = io.BytesIO()
    request.release()
    assert file.closed


def test_debugging_and_banner_follow_the_server() -> None:
    server = FakeServer()
    request = make_request(server=server)
    assert (request.print_debug, request.display_banner) == (False, True)
    server.debug, server.display_banner = True, False
    assert (request.print_debug, request.display_banner) == (True, False)
    request.print_debug, request.display_banner = False, True
    assert (request.print_debug, request.display_banner) == (False, True)


def test_the_jar_is_shared() -> None:
    request, response = make(headers={"Cookie": "a=1; bad cookie; b=2"})
    assert request.cookie is response.cookie
    assert isinstance(request.cookie, SimpleCookie)
    response.cookie["c"] = "3"
    assert sorted(request.cookie) == ["a", "b", "c"]


# -- responses: attributes ----------------------------------------------------------------------


def test_defaults_of_a_response(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("circuits.core._clock.wall", lambda: NOW)
    request = make_request()
    response = Response(request)
    assert (response.request, response.encoding, response.time) == (request, "utf-8", NOW)
    assert (response.code, response.message, response.status) == (200, None, "200 OK")
    assert (response.stream, response.chunked, response.close, response.done) == (False,) * 4
    assert response.protocol == "HTTP/1.1"
    assert response.body == []
    assert response.headers.items() == [("Date", NOW_TEXT), ("Server", "circuits/test")]
    assert repr(response) == "<Response 200 OK >"
    assert isinstance(Response.body, Body)


def test_constructor_arguments() -> None:
    response = Response(make_request(protocol=(1, 0)), "latin-1", 404, "Nope")
    assert (response.encoding, response.status) == ("latin-1", "404 Nope")
    assert response.protocol == "HTTP/1.0"


def test_status_may_be_assigned() -> None:
    response = make()[1]
    response.status = 404
    assert (response.code, response.status) == (404, "404 Not Found")
    assert response.status == 404
    response.status = "499 My Own"
    assert (response.code, response.message) == (499, "My Own")
    response.status = make()[1].status
    assert response.status == "200 OK"
    response.code = 799
    response.message = None
    assert response.status == "799 Unknown"


def test_without_a_server_or_without_a_banner() -> None:
    assert without_server().headers["X-Powered-By"] == SERVER_VERSION
    assert "Server" not in without_server().headers
    server = FakeServer()
    server.display_banner = False
    response = make(server=server)[1]
    response.body = "x"
    assert b"Server" not in response._encode()[0]


@pytest.mark.parametrize("bad", ["a\rb", "a\nb", "a\0b"])
def test_nothing_can_be_injected(bad: str) -> None:
    request, response = make()
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        response.message = bad
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        Response(request, message=bad)
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        response.headers["X"] = bad
    response.cookie["a"] = bad
    head = str(response)
    assert bad not in head
    with pytest.raises(Exception, match=r"CR, LF or NUL|[Cc]ontrol characters"):
        response.cookie["a"]["path"] = bad
        response.prepare()


def test_gzip_tells_what_the_client_accepts() -> None:
    assert without_server(**{"Accept-Encoding": "deflate, GZIP"}).gzip
    assert not without_server(**{"Accept-Encoding": "gzip;q=0"}).gzip
    assert not without_server().gzip
    response = without_server()
    response.gzip = True
    assert response.gzip


# -- responses: bodies --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("assigned", "body"),
    [
        ("text", ["text"]),
        (b"bytes", [b"bytes"]),
        ("", []),
        (b"", []),
        (None, []),
        (bytearray(b"x"), [bytearray(b"x")]),
        (["a", None, b"b"], ["a", None, b"b"]),
        (("a", "b"), ["a", "b"]),
    ],
)
def test_what_a_body_becomes(assigned: Any, body: list[Any]) -> None:
    response = make()[1]
    response.body = assigned
    assert response.body == body
    assert not response.stream


def test_text_stays_text_for_filters() -> None:
    response = make()[1]
    response.body = "hello"
    response.body = "".join(response.body).upper()
    assert response._encode()[1] == b"HELLO"


def test_an_error_becomes_its_page() -> None:
    request, response = make()
    response.body = NotFound(request, response)
    assert "404 Not Found" in response.body[0]
    assert response.code == 404


def test_a_file_is_streamed_and_closed() -> None:
    response = make()[1]
    response.body = file = io.BytesIO(b"abc")
    assert response.stream
    assert b"".join(response.body) == b"abc"
    response.release()
    assert file.closed


def test_a_file_that_is_never_read_is_closed_too() -> None:
    response = make()[1]
    response.body = file = io.BytesIO(b"abc")
    response.release()
    assert file.closed


def test_a_file_that_cannot_be_closed_leaves_no_other_open() -> None:
    class Broken(io.BytesIO):
        fails = True

        def close(self) -> None:
            if self.fails:
                raise OSError("cannot be closed")
            super().close()

    response = make()[1]
    broken = Broken(b"b")
    files = [io.BytesIO(b"a"), broken, io.BytesIO(b"c")]
    for file in files:
        response._adopt(file)
    with pytest.raises(OSError, match="cannot be closed"):
        response.release()
    assert [file.closed for file in files] == [True, False, True]
    response.release()
    broken.fails = False  # Python closes it, too


def test_a_wrapped_body_stays_open_until_the_end() -> None:
    response = make()[1]
    response.body = file = io.BytesIO(b"abc")
    response.body = (chunk.upper() for chunk in response.body)
    assert b"".join(response.body) == b"ABC"
    response.release()
    assert file.closed


def test_a_known_body_replaces_a_file() -> None:
    response = make()[1]
    response.body = file = io.BytesIO(b"abc")
    response.body = "error"
    assert file.closed
    assert not response.stream
    assert response._encode()[1] == b"error"


def test_an_iterator_is_closed_with_the_response() -> None:
    closed = []

    def chunks() -> Any:
        try:
            yield "a"
        finally:
            closed.append(True)

    response = make()[1]
    response.body = iterator = chunks()
    assert response.body is iterator
    next(iterator)
    response.release()
    assert closed == [True]


@pytest.mark.parametrize("wrong", [[1], [{"a": 1}], ["a", 1.5]])
def test_parts_of_another_kind_are_refused(wrong: list[Any]) -> None:
    response = make(path="/where")[1]
    response.body = wrong
    with pytest.raises(TypeError, match="/where"):
        response.prepare()


# -- responses: preparing -------------------------------------------------------------------------


def prepared(response: Response) -> dict[str, str]:
    response.prepare()
    fields = dict(response.headers.items())
    del fields["Date"]
    fields.pop("Server", None)
    fields.pop("X-Powered-By", None)
    return fields


HTML = {"Content-Type": "text/html; charset=utf-8"}


def test_a_known_body_has_a_length() -> None:
    response = make()[1]
    response.body = ["é", None, b"x"]
    assert prepared(response) == {**HTML, "Content-Length": "3"}
    response.body = ""
    assert prepared(response) == {**HTML, "Content-Length": "0"}


def test_the_length_is_that_of_the_encoding() -> None:
    response = Response(make_request(), "utf-16be")
    response.body = "ab"
    assert prepared(response)["Content-Length"] == "4"
    assert response._encode()[1] == "ab".encode("utf-16be")
    response.body = b"ab"
    assert response._encode()[1] == b"ab"


def test_a_wrong_length_is_corrected_for_a_known_body_only() -> None:
    response = make()[1]
    response.headers["Content-Length"] = "99"
    response.body = "ab"
    assert prepared(response)["Content-Length"] == "2"
    response = make()[1]
    response.headers["Content-Length"] = "99"
    response.stream, response.body = True, iter(["ab"])
    assert prepared(response) == {"Content-Length": "99", **HTML}
    assert (response.chunked, response.close) == (False, False)


def test_an_unknown_length_is_chunked_on_1_1() -> None:
    response = make()[1]
    response.body = iter(["ab"])
    assert prepared(response) == {**HTML, "Transfer-Encoding": "chunked"}
    assert (response.chunked, response.close) == (True, False)
    assert response._encode()[1] is None


@pytest.mark.parametrize("response", [make(protocol=(1, 0))[1], without_server()])
def test_an_unknown_length_ends_with_the_connection_elsewhere(response: Response) -> None:
    response.body = iter(["ab"])
    assert prepared(response) == HTML
    assert (response.chunked, response.close) == (False, True)


def test_an_unknown_length_does_not_matter_to_head() -> None:
    response = make("HEAD")[1]
    response.body = iter(["ab"])
    assert prepared(response) == HTML
    assert (response.chunked, response.close) == (False, False)
    assert response._encode()[1] == b""


def test_a_user_may_ask_for_chunks() -> None:
    response = make()[1]
    response.headers["Transfer-Encoding"] = "Chunked"
    response.headers["Content-Length"] = "2"
    response.body = "ab"
    assert prepared(response) == {**HTML, "Transfer-Encoding": "chunked"}
    assert response.chunked
    response = make(protocol=(1, 0))[1]
    response.headers["Transfer-Encoding"] = "chunked"
    response.body = "ab"
    assert prepared(response) == {**HTML, "Content-Length": "2", "Connection": "Keep-Alive"}


@pytest.mark.parametrize("code", [101, 204, 304])
def test_statuses_without_a_body(code: int) -> None:
    response = make()[1]
    response.code = code
    response.body = "ignored"
    response.headers["Transfer-Encoding"] = "chunked"
    head, payload = response._encode()
    assert payload == b""
    assert b"Content-" not in head
    assert b"Transfer-" not in head


def test_304_may_tell_the_length() -> None:
    response = make()[1]
    response.code = 304
    response.headers["Content-Length"] = "7"
    assert prepared(response) == {"Content-Length": "7"}


def test_head_tells_what_get_would() -> None:
    get, head = make("GET")[1], make("HEAD")[1]
    get.body = head.body = "hello"
    assert get._encode() == (head._encode()[0], b"hello")
    assert head._encode()[1] == b""
    response = make("HEAD")[1]
    response.headers["Content-Length"] = "7"
    response.body = None
    assert prepared(response)["Content-Length"] == "7"


@pytest.mark.parametrize(
    ("protocol", "close", "connection"),
    [
        ((1, 1), False, None),
        ((1, 1), True, "close"),
        ((1, 0), False, "Keep-Alive"),
        ((1, 0), True, None),
    ],
)
def test_the_connection_header(
    protocol: tuple[int, int], close: bool, connection: str | None
) -> None:
    response = make(protocol=protocol)[1]
    response.close = close
    response.body = "x"
    assert prepared(response).get("Connection") == connection


def test_the_connection_header_may_be_the_users_or_absent() -> None:
    response = make()[1]
    response.close = True
    response.headers["Connection"] = "Upgrade"
    assert prepared(response)["Connection"] == "Upgrade"
    response = without_server()
    response.close = True
    assert "Connection" not in prepared(response)


def test_413_closes() -> None:
    response = make()[1]
    response.code = 413
    response.body = "x"
    assert b"Connection: close" in response._encode()[0]
    assert response.close


def test_cookies_go_out_when_set_and_once() -> None:
    response = make(headers={"Cookie": "sent=1; changed=2"})[1]
    response.cookie["new"] = "3"
    response.cookie["changed"]["path"] = "/"
    response.headers.append("Set-Cookie", "own=4")
    for _ in range(3):
        response.prepare()
        assert sorted(response.headers.get_all("Set-Cookie")) == [
            "changed=2; Path=/",
            "new=3",
            "own=4",
        ]
    response.cookie.clear()
    response.prepare()
    assert response.headers.get_all("Set-Cookie") == ["own=4"]


def test_cookies_that_were_only_read_stay() -> None:
    response = make(headers={"Cookie": "sent=1"})[1]
    assert response.cookie["sent"].value == "1"
    response.body = "x"
    assert b"Set-Cookie" not in response._encode()[0]


def test_text_of_a_response_is_the_same_each_time() -> None:
    response = make(headers={"Cookie": "a=1"})[1]
    response.cookie["b"] = "2"
    response.body = iter(["x"])
    assert str(response) == str(response)
    again = make(protocol=(1, 0))[1]
    again.body = "x"
    assert str(again) == str(again)
    assert str(response).startswith(f"HTTP/1.1 200 OK\r\nDate: {NOW_TEXT}\r\nServer: ")
    assert str(response).endswith("\r\n\r\n")


@pytest.mark.parametrize("code", [99, 1000, "200", None, True])
def test_what_is_no_code_is_refused(code: Any) -> None:
    response = make()[1]
    response.code = code
    response.body = "x"
    with pytest.raises(ValueError, match="status code"):
        response._encode()


def test_header_values_beyond_latin_1_go_out_as_utf_8() -> None:
    response = make()[1]
    response.headers["X-Latin"] = "é"
    response.headers["X-More"] = "€"
    head = response._encode()[0]
    assert b"\r\nX-Latin: \xe9\r\n" in head
    assert b"\r\nX-More: \xe2\x82\xac\r\n" in head


# -- the quick way --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("protocol", [(1, 0), (1, 1)])
@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize("code", [200, 204, 304, 404, 413])
@pytest.mark.parametrize("server", [FakeServer(), None])
@pytest.mark.parametrize("body", ["é", b"bytes", "", ["a"], ["a", "b"]])
def test_prepared_heads_are_what_prepare_would_write(
    method: str, protocol: tuple[int, int], close: bool, code: int, server: Any, body: Any
) -> None:
    def response() -> Response:
        made = Response(Request(None, method, "http", "/", protocol, "", (), server), code=code)
        made.time = NOW
        made.close = close
        made.body = body
        return made

    slow, quick, again = response(), response(), response()
    assert slow.headers  # touched, so it cannot be quick
    assert quick._encode() == slow._encode() == again._encode()
    assert quick.close == slow.close
    # Whoever looks afterwards, as a logger does, sees what was sent.
    assert quick.headers.items() == slow.headers.items()


def test_prepared_heads_follow_the_clock() -> None:
    first, second = make()[1], make()[1]
    second.time = NOW + 1
    first.body = second.body = "x"
    assert NOW_TEXT.encode() in first._encode()[0]
    assert NOW_TEXT.encode() not in second._encode()[0]


def test_prepared_heads_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_response, "_CACHE_LIMIT", 3)
    for code in range(400, 410):
        response = make()[1]
        response.code, response.body = code, "x"
        response._encode()
        assert len(_response._head_cache) <= 3


def _set(**attributes: Any) -> Callable[[Response], object]:
    return lambda response: _assign(response, attributes)


def _assign(response: Response, attributes: dict[str, Any]) -> None:
    for name, value in attributes.items():
        setattr(response, name, value)


def _field(name: str, value: str) -> Callable[[Response], object]:
    return lambda response: response.headers.append(name, value)


#: What handlers may do to a response.
_DEEDS: list[Callable[[Response], object]] = [
    lambda response: response.headers.clear(),
    lambda response: response.prepare(),
    lambda response: response.set_cookie("q", "1"),
    lambda response: response.set_cookie("q", "1", httponly=True),
    lambda response: response.cookie.assign("sent", "1", cookie_attributes(*[None] * 4, *[False] * 2, None)),
    lambda response: response._take_fields((("X-Field", "1"),)),
    lambda response: response._take_fields((("Server", "other"),)),
    lambda response: _assign(response, {"headers": Headers([])}),
    _set(message=""),
    _set(message="Fine"),
    _set(close=True),
    _set(chunked=True),
    _set(encoding="latin-1"),
    _set(protocol="HTTP/1.0"),
    _set(body=b"bytes"),
    _set(body=["a", "b"]),
    *(_set(code=code) for code in (200.0, HTTPStatus.OK, HTTPStatus.NOT_FOUND, 204, 205, 304, 413)),
    _field("Set-Cookie", "q=1; Path=/; SameSite=Lax"),
    _field("Transfer-Encoding", "chunked"),
    _field("Content-Length", "7"),
    _field("X-Length", "\tContent-Length: 4242424242"),
    _field("Connection", "close"),
    _field("Content-Type", "text/plain"),
    _field("Date", "never"),
]  # fmt: skip


def _sent(method: str, server: Any, deeds: list[Callable[[Response], object]]) -> Any:
    pairs = (("Cookie", "sent=1"),)
    response = Response(Request(None, method, "http", "/", (1, 1), "", pairs, server))
    response.time = NOW
    response.body = "x"
    try:
        for deed in deeds:
            deed(response)
        sent = response._encode()
    except ValueError as problem:
        return str(problem)
    return sent, response.close, response.chunked, response.headers.items()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["GET", "HEAD"]),
            st.sampled_from([FakeServer(), FakeServer(), None]),
            st.lists(st.sampled_from(_DEEDS), max_size=3),
        ),
        min_size=2,
        max_size=4,
    )
)
def test_nothing_of_a_response_is_in_another(asked: list[Any]) -> None:
    alone = []
    for each in asked:
        _response._renew(-1)
        alone.append(_sent(*each))
    _response._renew(-1)
    assert [_sent(*each) for each in asked] == alone


@pytest.mark.parametrize("deed", [lambda r: r.headers.clear(), _set(message=""), _set(code=200.0)])
def test_what_is_left_out_of_one_head_is_in_others(deed: Callable[[Response], object]) -> None:
    _response._renew(-1)
    plain = _sent("GET", None, [])
    first = _sent("GET", None, [deed])
    assert first != plain == _sent("GET", None, [])
    _response._renew(-1)
    assert _sent("GET", None, [deed]) == first
    assert _sent("GET", None, []) == plain


def test_a_code_may_be_of_the_standard_library() -> None:
    response = make()[1]
    response.code, response.body = HTTPStatus.NOT_FOUND, "x"
    assert response._encode()[0].startswith(b"HTTP/1.1 404 Not Found\r\n")


def test_a_banner_that_one_request_hides() -> None:
    plain, hidden = make()[1], make()[1]
    hidden.request.display_banner = False
    plain.body = hidden.body = "x"
    assert b"Server" in plain._encode()[0]
    assert b"Server" not in hidden._encode()[0]


def test_a_response_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"0123456789")
    response = make()[1]
    response.body = FileRange(path.open("rb"), 2, 3)
    response.headers["Content-Length"] = "3"
    head, payload = response._encode()
    assert payload is None
    assert b"Content-Length: 3" in head
    assert b"".join(response.body) == b"234"


def test_the_url_of_a_request_can_be_taken_apart() -> None:
    uri = make_request(path="/a", qs="b=c").uri
    assert (uri.scheme, uri.netloc, uri.path, uri.query) == ("http", "example.org", "/a", "b=c")
