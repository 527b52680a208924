"""WSGI both ways, without threads but those that the application of components runs in."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from circuits import BaseComponent, Component, Event, handler, sleep
from circuits.web import (
    Controller,
    JSONController,
    NotFound,
    Response,
    Stream,
    VirtualHosts,
    exceptions,
    wrappers,
)
from circuits.web.dispatchers import Dispatcher
from circuits.web.http import HTTP
from circuits.web.wsgi import Application, FileWrapper, Gateway
from tests.web.http_support import Client, Reply, get, post, serving

Serve = Callable[..., Client]


class Errors(BaseComponent):
    """Takes the errors that a test expects, so that nobody logs them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[BaseException] = []

    @handler("error", channel="*")
    def _on_error(self, kind: Any, problem: Any, *rest: Any) -> None:
        self.seen.append(problem)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Runs a server with applications, and connects to it."""
    contexts = []

    def start(apps: Any, *parts: Any, **options: Any) -> Client:
        context = serving(Gateway(apps, **options), *parts)
        contexts.append(context)
        return context.__enter__().connect()

    yield start
    for context in reversed(contexts):
        context.__exit__(None, None, None)


def plain(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"plain"]


class Seen:
    """An application that keeps what it was told."""

    def __init__(self) -> None:
        self.environ: dict[str, Any] = {}
        self.body = b""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.environ = environ
        self.body = environ["wsgi.input"].read()
        start_response("204 No Content", [])
        return []

    def ask(
        self, serve: Serve, request: bytes, prefix: str = "/", **options: Any
    ) -> dict[str, Any]:
        assert serve({prefix: self}, **options).ask(request).code == 204
        return self.environ


# -- environ ---------------------------------------------------------------------------------------


def test_the_environ_is_complete(serve: Serve) -> None:
    environ = Seen().ask(serve, get("/a/b?c=d&e", "X-One: 1"))
    found = {key: value for key, value in environ.items() if not key.startswith("wsgi.")}
    assert found == {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a/b",
        "QUERY_STRING": "c=d&e",
        "REQUEST_URI": "/a/b?c=d&e",
        "SERVER_NAME": "192.0.2.2",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.1",
        "REMOTE_PORT": "1",
        "HTTP_HOST": "test",
        "HTTP_X_ONE": "1",
    }
    assert {key[5:]: environ[key] for key in environ if key.startswith("wsgi.")} == {
        "version": (1, 0),
        "url_scheme": "http",
        "input": environ["wsgi.input"],
        "input_terminated": True,
        "errors": sys.stderr,
        "multithread": False,
        "multiprocess": False,
        "run_once": False,
        "file_wrapper": FileWrapper,
    }
    assert Seen().ask(serve, get(), processes=True)["wsgi.multiprocess"] is True


@pytest.mark.parametrize(
    ("prefix", "target", "script", "path"),
    [
        ("/", "/", "", "/"),
        ("/", "/a", "", "/a"),
        ("/", "//a//b/", "", "//a//b/"),
        ("", "/a", "", "/a"),
        ("/app", "/app", "/app", ""),
        ("/app", "/app/", "/app", "/"),
        ("app/", "/app/x", "/app", "/x"),
        ("/a/b", "/a/b/c", "/a/b", "/c"),
        ("/", "/gr%C3%BC%C3%9Fe", "", "/gr\xc3\xbc\xc3\x9fe"),
        ("/grüße", "/gr%C3%BC%C3%9Fe/x", "/gr\xc3\xbc\xc3\x9fe", "/x"),
        ("/", "/a%2Fb", "", "/a/b"),
        ("/", "/a%252Fb", "", "/a%2Fb"),
        ("/", "/%25", "", "/%"),
    ],
)
def test_the_path_is_cut_at_the_mount(
    serve: Serve, prefix: str, target: str, script: str, path: str
) -> None:
    environ = Seen().ask(serve, get(target), prefix)
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script, path)
    assert environ["REQUEST_URI"] == target


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (["Proxy: http://evil"], {}),
        (["X_Real: 1"], {}),
        (["X-Real: 1", "X_Real: 2"], {"HTTP_X_REAL": "1"}),
        (["X_Real: 2", "X-Real: 1"], {"HTTP_X_REAL": "1"}),
        (["Content_Length: 5"], {}),
        (["Accept: a", "Accept: b"], {"HTTP_ACCEPT": "a,b"}),
        (["Cookie: a=1", "Cookie: b=2"], {"HTTP_COOKIE": "a=1; b=2"}),
        (["Remote-User: root"], {"HTTP_REMOTE_USER": "root"}),
        (["X-Text: gr\xfc\xdfe"], {"HTTP_X_TEXT": "gr\xfc\xdfe"}),
        (["Content-Type: a/b"], {"CONTENT_TYPE": "a/b"}),
    ],
)
def test_headers_cannot_pretend_to_be_something_else(
    serve: Serve, headers: list[str], expected: dict[str, str]
) -> None:
    environ = Seen().ask(serve, get("/", *headers))
    plain = Seen().ask(serve, get("/"))
    assert {k: v for k, v in environ.items() if k not in plain} == expected


def test_a_body_with_a_length(serve: Serve) -> None:
    app = Seen()
    environ = app.ask(serve, post(b"a=1", "Content-Type: x/y"))
    assert (environ["CONTENT_LENGTH"], environ["CONTENT_TYPE"], app.body) == ("3", "x/y", b"a=1")
    assert not [key for key in environ if key.startswith("HTTP_CONTENT")]


def test_a_body_in_chunks_is_whole_and_has_its_length(serve: Serve) -> None:
    app = Seen()
    request = (
        get("/", "Transfer-Encoding: chunked", method="POST") + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    )
    environ = app.ask(serve, request)
    assert (environ["CONTENT_LENGTH"], app.body) == ("3", b"abc")
    assert "HTTP_TRANSFER_ENCODING" not in environ


def test_no_body_has_no_length(serve: Serve) -> None:
    app = Seen()
    assert "CONTENT_LENGTH" not in app.ask(serve, get())
    assert app.body == b""
    assert app.ask(serve, post(b""))["CONTENT_LENGTH"] == "0"


def test_http_1_0(serve: Serve) -> None:
    assert Seen().ask(serve, get(version="1.0"))["SERVER_PROTOCOL"] == "HTTP/1.0"


def test_the_user_that_a_filter_has_found(serve: Serve) -> None:
    class Auth(BaseComponent):
        channel = "web"

        @handler("request", priority=1)
        def _on_request(self, request: Any, response: Any) -> None:
            request.login = "ann"

    app = Seen()
    serve(app, Auth()).get()
    assert app.environ["REMOTE_USER"] == "ann"


def test_a_body_that_another_handler_wanted_piecemeal(serve: Serve) -> None:
    class Greedy(BaseComponent):
        channel = "web"

        @handler("request", stream=True, priority=1)
        def _on_request(self, request: Any, response: Any) -> None:
            """Look at nothing."""

    app = Seen()
    assert serve(app, Greedy()).ask(post(b"abc")).code == 204
    assert app.body == b"abc"


# -- mounts ----------------------------------------------------------------------------------------


def named(name: str) -> Callable[..., list[bytes]]:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [name.encode()]

    return app


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/", b"root"),
        ("/a", b"a"),
        ("/a/", b"a"),
        ("/a/b", b"a/b"),
        ("/a/b/c", b"a/b"),
        ("/a/bc", b"a"),
        ("/ab", b"root"),
    ],
)
def test_the_longest_prefix_wins(serve: Serve, target: str, name: bytes) -> None:
    apps = {"/": named("root"), "/a": named("a"), "/a/b/": named("a/b")}
    assert serve(apps).get(target).body == name


def test_other_paths_are_left_to_controllers(serve: Serve) -> None:
    class Root(Controller):
        def page(self) -> str:
            return "page"

    client = serve({"/app": plain}, Dispatcher(), Root())
    assert client.get("/page").body == b"page"
    assert client.get("/app").body == b"plain"
    assert client.get("/application").code == 404
    assert client.get("*", method="OPTIONS").code == 204


def test_without_applications_nothing_is_handled(serve: Serve) -> None:
    assert serve({}).get().code == 404


def test_an_application_must_be_callable() -> None:
    with pytest.raises(TypeError, match="'x' for '/a' is no WSGI application"):
        Gateway({"/a": "x"})  # type: ignore[dict-item]


def test_urls_below_a_virtual_host_are_those_of_the_client(serve: Serve) -> None:
    app = Seen()
    client = serve({"/forum": app}, VirtualHosts({"test": "/forum"}))
    client.get("/topic")
    assert (app.environ["SCRIPT_NAME"], app.environ["PATH_INFO"]) == ("", "/topic")


# -- responses -------------------------------------------------------------------------------------


def answer(serve: Serve, app: Any, request: bytes | None = None) -> Reply:
    return serve(app).ask(get() if request is None else request)


def returning(result: Any, *headers: tuple[str, str], status: str = "200 OK") -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response(status, list(headers))
        return result() if callable(result) else result

    return app


@pytest.mark.parametrize(
    ("result", "body"),
    [
        ([b"a", b"b"], b"ab"),
        ((b"a",), b"a"),
        ([], b""),
        ([b""], b""),
        (b"bytes", b"bytes"),
        ("täxt", "täxt".encode()),
        (["tä", b"xt"], "täxt".encode()),
        (lambda: iter([]), b""),
        (lambda: iter([b"", b""]), b""),
    ],
)
def test_what_is_known_at_once_has_a_length(serve: Serve, result: Any, body: bytes) -> None:
    reply = answer(serve, returning(result))
    assert (reply.code, reply.body) == (200, body)
    assert reply.headers["content-length"] == str(len(body))


@pytest.mark.parametrize("pieces", [[b"a", b"b"], [b"", b"a", b"", "ü", b""], [b"a" * 100_000] * 3])
def test_iterators_are_streamed(serve: Serve, pieces: list[Any]) -> None:
    reply = answer(serve, returning(lambda: iter(pieces)))
    assert reply.headers["transfer-encoding"] == "chunked"
    assert reply.body == b"".join(p.encode() if isinstance(p, str) else p for p in pieces)
    assert reply.is_whole


def test_a_length_of_the_application_is_kept(serve: Serve) -> None:
    reply = answer(serve, returning(lambda: iter([b"ab", b"c"]), ("Content-Length", "3")))
    assert "transfer-encoding" not in reply.headers
    assert (reply.headers["content-length"], reply.body) == ("3", b"abc")


def test_status_and_headers_are_those_of_the_application(serve: Serve) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        headers = [("content-type", "x/y"), ("Server", "mine"), ("X-A", "1"), ("Date", "today")]
        start_response("299 Fine enough", headers)
        return [b"x"]

    reply = answer(serve, app)
    assert reply.line == "HTTP/1.1 299 Fine enough"
    assert reply.headers == {
        "content-type": "x/y",
        "server": "mine",
        "x-a": "1",
        "date": "today",
        "content-length": "1",
    }


def test_the_same_head_goes_with_bodies_of_any_length(serve: Serve) -> None:
    texts = iter([b"a", b"", b"bcd", b"efgh"])

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 Fine", [("X-One", "1"), ("Content-Length", "99")])
        return [next(texts)]

    seen: list[tuple[str, str]] = []

    class Watcher(BaseComponent):
        @handler("response_complete", channel="*")
        def _look(self, event: Any, answered: Any, value: Any) -> None:
            headers = answered.args[0].headers
            seen.append((headers["X-One"], headers["Content-Length"]))

    server = serve({"/": app}, Watcher())
    for text in (b"a", b"", b"bcd", b"efgh"):
        reply = server.ask(get("/"))
        assert (reply.line, reply.body) == ("HTTP/1.1 200 Fine", text)
        assert reply.headers["content-length"] == str(len(text))
        assert reply.headers["x-one"] == "1"
    assert seen == [("1", "1"), ("1", "0"), ("1", "3"), ("1", "4")]


@pytest.mark.parametrize("field", [["X-One", "1"], ("X-One", "1")])
def test_fields_may_be_lists(serve: Serve, field: Any) -> None:
    assert answer(serve, returning([b"x"], field)).headers["x-one"] == "1"


@pytest.mark.parametrize("field", [("X-One", ["1"]), ("X-One", 1), ([], "1")])
def test_fields_that_are_no_text_are_refused_each_time(serve: Serve, field: Any) -> None:
    for _ in range(2):
        assert answer(serve, returning([b"x"], field)).code == 500


def test_cookies_are_kept_apart(serve: Serve) -> None:
    client = serve(returning([b""], ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")))
    client.feed(get())
    assert client.received.count(b"Set-Cookie: ") == 2


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_a_status_without_a_body(serve: Serve, status: str) -> None:
    reply = answer(serve, returning([b"ignored"], status=status))
    assert (reply.code, reply.body) == (int(status[:3]), b"")


def test_head_gets_the_head_of_get(serve: Serve) -> None:
    closed: list[str] = []
    for result in ([b"abc"], Closing([b"abc"], closed)):
        client = serve(returning(result, ("Content-Length", "3")))
        reply = client.get("/", method="HEAD")
        assert (reply.headers["content-length"], reply.body) == ("3", b"")
        assert client.received.endswith(b"\r\n\r\n")
    assert closed.count("closed") == 1


def test_http_1_0_gets_an_end_by_closing(serve: Serve) -> None:
    client = serve(returning(lambda: iter([b"a", b"b"])))
    client.feed(get(version="1.0"))
    assert client.received.endswith(b"\r\n\r\nab")
    assert client.is_closed


def test_what_is_written_goes_before(serve: Serve) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        write = start_response("200 OK", [])
        write(b"one ")
        write("two ")
        return [b"three"]

    assert answer(serve, app).body == b"one two three"

    def later(environ: dict[str, Any], start_response: Any) -> Any:
        write = start_response("200 OK", [])
        write(b"1")
        yield b"2"
        write(b"3")
        yield b"4"
        write(b"5")

    assert answer(serve, later).body == b"12345"


def test_a_generator_may_start_the_response(serve: Serve) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        yield b""
        start_response("202 Accepted", [])
        yield b"a"
        yield b"b"

    reply = answer(serve, app)
    assert (reply.code, reply.body) == (202, b"ab")


def test_an_error_before_anything_is_sent_replaces_the_head(serve: Serve) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("X-First", "1")])
        try:
            raise ValueError("no")
        except ValueError:
            start_response("503 Busy", [("X-Second", "2")], sys.exc_info())
        return [b"busy"]

    reply = answer(serve, app)
    assert (reply.line, reply.body) == ("HTTP/1.1 503 Busy", b"busy")
    assert "x-first" not in reply.headers
    assert reply.headers["x-second"] == "2"


class Closing:
    """An iterable that says when it is closed."""

    def __init__(self, pieces: list[Any], log: list[str]) -> None:
        self.pieces = pieces
        self.log = log

    def __iter__(self) -> Iterator[Any]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            self.log.append("next")
            yield piece

    def close(self) -> None:
        self.log.append("closed")


class ClosingList(list[bytes]):
    def __init__(self, pieces: list[bytes], log: list[str]) -> None:
        super().__init__(pieces)
        self.log = log

    def close(self) -> None:
        self.log.append("closed")


@pytest.mark.parametrize("pieces", [[], [b""], [b"a"], [b"a", b"b"]])
@pytest.mark.parametrize("kind", [Closing, ClosingList])
def test_a_result_is_closed_once(serve: Serve, kind: Any, pieces: list[bytes]) -> None:
    log: list[str] = []
    client = serve(returning(kind(pieces, log)))
    assert client.get().body == b"".join(pieces)
    client.leave()
    assert log.count("closed") == 1


def test_a_client_that_goes_ends_the_iterator(serve: Serve) -> None:
    log: list[str] = []
    client = serve(returning(Closing([b"x"] * 1000, log)))
    from circuits.net.sockets import Disconnect, Pause
    from circuits.testing import settle

    class Slow(BaseComponent):
        channel = "web"

        @handler("stream")
        def _on_stream(self, response: Any, data: Any) -> None:
            self.fire(Pause(response.request.sock))

    Slow().register(client.server)
    client.feed(get())
    taken = log.count("next")
    assert 0 < taken < 10
    client.server.fire(Disconnect(client.sock))
    settle(client.server)
    assert log == ["next"] * taken + ["closed"]


# -- errors ----------------------------------------------------------------------------------------


def raising(problem: BaseException) -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        raise problem

    return app


@pytest.mark.parametrize(
    ("app", "text"),
    [
        (raising(KeyError("secret")), "KeyError: 'secret'"),
        (lambda environ, start_response: [b"x"], "did not call start_response"),
        (lambda environ, start_response: iter([b"x"]), "did not call start_response"),
        (lambda environ, start_response: iter([]), "did not call start_response"),
        (lambda environ, start_response: None, "NoneType"),
        (returning(None), "NoneType"),
        (returning([1]), "TypeError"),
        (returning(lambda: iter([1])), "TypeError"),
        (returning([b""], status="OK"), "status must be three digits"),
        (returning([b""], status="2000"), "status must be three digits"),
        (returning([b""], status="99 Low"), "status must be three digits"),
        (returning([b""], status="101 Switching Protocols"), "status must be from 200 to 599"),
        (returning([b""], status="999 High"), "status must be from 200 to 599"),
        (returning([b""], status="200 O\r\nK"), "status must not contain CR"),
        (returning([b""], status=b"200 OK"), "status must be a str"),  # type: ignore[arg-type]
        (returning([b""], ("Connection", "close")), "header of the connection"),
        (returning([b""], ("transfer-encoding", "chunked")), "header of the connection"),
        (returning([b""], ("X", "a\r\nY: b")), "must not contain CR"),
        (returning([b""], ("X Y", "a")), "not a header name"),
        (returning([b""], ("X", 1)), "must be str"),  # type: ignore[arg-type]
    ],
)
def test_an_application_that_fails_is_answered_with_500(
    serve: Serve, app: Any, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    client = serve(app)
    reply = client.get()
    assert reply.code == 500
    assert b"secret" not in reply.body
    error = capsys.readouterr().err
    assert text in error
    assert error.count("Traceback") == 1


def test_start_response_twice_is_an_error(serve: Serve, capsys: Any) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        start_response("200 OK", [])

    assert answer(serve, app).code == 500
    assert "start_response was called before" in capsys.readouterr().err


def test_exc_info_after_the_head_raises_it_again(serve: Serve, capsys: Any) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])(b"x")
        try:
            raise KeyError("inner")
        except KeyError:
            start_response("500 Oh", [], sys.exc_info())
        raise AssertionError("start_response has not raised")

    assert answer(serve, app).code == 500
    assert "KeyError: 'inner'" in capsys.readouterr().err


def test_an_error_in_the_middle_cuts_the_connection(serve: Serve, capsys: Any) -> None:
    errors, log = Errors(), list[str]()
    client = serve(returning(Closing([b"a", KeyError("broken")], log)), errors)
    client.feed(get())
    assert client.received.endswith(b"1\r\na\r\n")
    assert client.is_closed
    assert log == ["next", "closed"]
    assert [repr(problem) for problem in errors.seen] == ["KeyError('broken')"]
    assert capsys.readouterr().err.count("KeyError: 'broken'") == 1


def test_an_error_at_the_close_is_told_and_nothing_else(serve: Serve, capsys: Any) -> None:
    class Odd(Closing):
        def close(self) -> None:
            raise KeyError("odd")

    client = serve(returning(Odd([b"a", b"b"], [])))
    assert client.get().body == b"ab"
    assert client.get().body == b"ab"
    assert capsys.readouterr().err.count("KeyError: 'odd'") == 2


def test_exceptions_of_the_framework_have_their_status(serve: Serve, capsys: Any) -> None:
    assert answer(serve, raising(exceptions.Gone())).code == 410
    assert "Gone" in capsys.readouterr().err


def test_error_pages_can_be_made_by_filters(serve: Serve, capsys: Any) -> None:
    class Pages(BaseComponent):
        channel = "web"

        @handler("httperror", filter=True, priority=1)
        def _on_httperror(self, *args: Any, **kwargs: Any) -> str:
            return "my page"

    reply = serve(raising(KeyError("x")), Pages()).get()
    assert (reply.code, reply.body) == (500, b"my page")
    assert "KeyError" in capsys.readouterr().err


def test_errors_go_to_where_the_application_has_them(serve: Serve) -> None:
    errors = io.StringIO()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ["wsgi.errors"] = errors
        raise KeyError("x")

    assert answer(serve, app).code == 500
    assert "KeyError: 'x'" in errors.getvalue()


# -- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("skip", [0, 2])
def test_a_file_has_a_length(serve: Serve, tmp_path: Path, length: bool, skip: int) -> None:
    (tmp_path / "f").write_bytes(b"content")
    files = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        headers = [("Content-Length", str(7 - skip))] if length else []
        start_response("200 OK", [("Content-Type", "a/b"), *headers])
        file = (tmp_path / "f").open("rb")
        file.seek(skip)
        files.append(file)
        return environ["wsgi.file_wrapper"](file, 3)

    reply = answer(serve, app)
    assert reply.body == b"content"[skip:]
    assert reply.headers["content-length"] == str(7 - skip)
    assert files[0].closed


def test_something_like_a_file_is_read_in_blocks(serve: Serve) -> None:
    reads = []

    class Source:
        data = io.BytesIO(b"abcde")

        def read(self, size: int) -> bytes:
            reads.append(size)
            return self.data.read(size)

    reply = answer(serve, returning(FileWrapper(Source(), 2)))
    assert (reply.body, set(reads)) == (b"abcde", {2})


def test_the_wrapper_passes_for_an_iterator_elsewhere(tmp_path: Path) -> None:
    file = io.BytesIO(b"abc")
    wrapper = FileWrapper(file, 2)
    assert list(wrapper) == [b"ab", b"c"]
    wrapper.close()
    assert file.closed


# -- the validator -----------------------------------------------------------------------------------


@pytest.mark.parametrize("result", [[b"a", b"b"], lambda: iter([b"a", b"b"])])
@pytest.mark.parametrize("request_", [get("/x?y"), post(b"abc"), get("/", method="HEAD")])
def test_the_gateway_satisfies_the_validator(serve: Serve, result: Any, request_: bytes) -> None:
    app = validator(returning(result, ("Content-Type", "text/plain")))
    reply = answer(serve, app, request_)
    assert reply.code == 200
    assert reply.body == (b"" if request_.startswith(b"HEAD") else b"ab")


# -- components as an application ----------------------------------------------------------------------


class Later(Event):
    pass


class Root(Controller):
    def index(self) -> str:
        return "Hello World!"

    def args(self, *args: str, **kwargs: Any) -> str:
        return f"{args} {kwargs}"

    def slow(self) -> Any:
        yield sleep(0.01)
        yield "slow"

    def fails(self) -> None:
        raise KeyError("secret")

    def gone(self) -> Any:
        raise exceptions.Gone

    def move(self) -> Any:
        return self.redirect("/else")

    def pieces(self) -> Any:
        self.response.stream = True
        self.response.body = iter([b"a", None, "ü", b""])
        return self.response

    def broken(self, after: str = "0", kind: str = "") -> Any:
        self.response.headers["X-A"] = "1"
        self.response.headers["Content-Type"] = "text/csv"
        self.response.headers["ETag"] = '"1"'
        self.request.cookie["a"] = "1"
        self.response.stream = True
        self.response.body = self._break_later(int(after)) if kind else self._break(int(after))
        return self.response

    def _break(self, after: int) -> Any:
        yield from ["a"] * after
        raise exceptions.Gone("all of it")

    async def _break_later(self, after: int) -> Any:
        for piece in self._break(after):
            yield piece

    def file(self, path: str) -> Any:
        return self.serve_file(path)

    def number(self) -> Any:
        return 5

    def nothing(self) -> Any:
        self.response.code = 204
        return self.response

    def mine(self) -> Any:
        self.response.message = "Mine"
        self.response.headers["X-A"] = "grüße €"
        self.response.headers["Connection"] = "close"
        self.response.headers["Transfer-Encoding"] = "chunked"
        self.request.cookie["a"] = "1"
        return "x"

    def exits(self) -> None:
        raise SystemExit(0)

    def never(self) -> bool:
        self.fire(Later(self.request, self.response))
        return True


class Pusher(Component):
    channel = "/"

    def later(self, request: Any, response: Any) -> None:
        response.stream = True
        self.fire(Stream(response, b"1"), "web")
        self.fire(Response(response), "web")
        self.fire(Stream(response, "ü"), "web")
        self.fire(Stream(response, None), "web")


class Answer:
    def __init__(self, application: Any, environ: dict[str, Any]) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        result = application(environ, self.start_response)
        try:
            self.pieces = list(result)
        finally:
            if hasattr(result, "close"):
                result.close()
        self.body = b"".join(self.pieces)

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Any:
        self.status, self.headers = status, headers

    def __getitem__(self, name: str) -> str | None:
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)


def complete(environ: dict[str, Any]) -> None:
    """Add what a WSGI server says in any case."""
    environ.setdefault("SCRIPT_NAME", "")
    environ.setdefault("QUERY_STRING", "")
    environ.setdefault("SERVER_PROTOCOL", "HTTP/1.1")
    setup_testing_defaults(environ)


class Server:
    """Calls an application, through the validator."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self._checked = validator(application)

    def ask(self, path: str = "/", body: bytes = b"", **variables: Any) -> Answer:
        environ: dict[str, Any] = {"PATH_INFO": path, "wsgi.input": io.BytesIO(body)}
        if body:
            environ["CONTENT_LENGTH"] = str(len(body))
            environ["REQUEST_METHOD"] = "POST"
        environ.update(variables)
        complete(environ)
        return Answer(self._checked, environ)


@pytest.fixture
def application() -> Iterator[Application]:
    application = Application(body_bytes=1000, parts=3, memory_body_bytes=100)
    for part in (Root(), Pusher(), Errors()):
        part.register(application)
    yield application
    application.stop()
    application.join()


@pytest.fixture
def caller(application: Application) -> Server:
    return Server(application)


def test_hello_world(caller: Server) -> None:
    answer = caller.ask()
    assert (answer.status, answer.body) == ("200 OK", b"Hello World!")
    assert answer["Content-Length"] == "12"
    assert (answer["X-Powered-By"] or "").startswith("circuits/")
    for absent in ("Server", "Connection", "Transfer-Encoding"):
        assert answer[absent] is None


def test_it_is_put_together_by_adding() -> None:
    application = Application() + Root()
    assert Server(application).ask().body == b"Hello World!"
    kinds = [type(part).__mro__ for part in application.components]
    assert any(HTTP in mro for mro in kinds)
    assert any(Dispatcher in mro for mro in kinds)
    application.stop()
    application.join()


@pytest.mark.parametrize(
    ("path", "variables", "body"),
    [
        ("/args/1/2", {"QUERY_STRING": "a=b&c="}, "('1', '2') {'a': 'b', 'c': ''}"),
        ("/args/gr\xc3\xbc\xc3\x9fe", {}, "('grüße',) {}"),
        ("/args/%2F", {}, "('%2F',) {}"),
        ("//args//", {}, "() {}"),
        ("/slow", {}, "slow"),
        ("/pieces", {}, "aü"),
        ("/never", {}, "1ü"),
    ],
)
def test_results(caller: Server, path: str, variables: dict[str, str], body: str) -> None:
    answer = caller.ask(path, **variables)  # type: ignore[arg-type]
    assert (answer.status, answer.body.decode()) == ("200 OK", body)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/missing", "404 Not Found"),
        ("/fails", "500 Internal Server Error"),
        ("/number", "500 Internal Server Error"),
        ("/gone", "410 Gone"),
        ("/move", "303 See Other"),
        ("/nothing", "204 No Content"),
        ("/a/../b", "301 Moved Permanently"),
        ("/\xff", "400 Bad Request"),
        ("/\xc3", "400 Bad Request"),
    ],
)
def test_errors(caller: Server, path: str, status: str) -> None:
    answer = caller.ask(path)
    assert answer.status == status
    assert b"secret" not in answer.body


def test_head_has_no_body(caller: Server) -> None:
    answer = caller.ask("/", REQUEST_METHOD="HEAD")
    assert (answer.body, answer["Content-Length"]) == (b"", "12")
    assert caller.ask("/pieces", REQUEST_METHOD="HEAD").body == b""


def test_headers_are_native_text_and_none_of_the_connection(caller: Server) -> None:
    answer = caller.ask("/mine")
    assert answer.status == "200 Mine"
    assert (answer["X-A"] or "").encode("latin-1").decode() == "grüße €"
    assert answer["Set-Cookie"] == "a=1"
    assert answer["Connection"] is answer["Transfer-Encoding"] is None


@pytest.mark.parametrize(
    ("body", "variables", "status"),
    [
        (b"a=1", {"CONTENT_TYPE": "application/x-www-form-urlencoded"}, "200 OK"),
        (b"a" * 1000, {}, "200 OK"),
        (b"a" * 1001, {}, "413 Request Entity Too Large"),
        (b"abc", {"CONTENT_LENGTH": "5"}, "400 Bad Request"),
        (b"abcdef", {"CONTENT_LENGTH": "3"}, "200 OK"),
        (
            b"a" * 1001,
            {"CONTENT_LENGTH": "", "wsgi.input_terminated": True},
            "413 Request Entity Too Large",
        ),
        (b"abc", {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}, "200 OK"),
    ],
)
def test_bodies(caller: Server, body: bytes, variables: dict[str, Any], status: str) -> None:
    assert caller.ask("/args", body, **variables).status == status


def test_a_form(caller: Server) -> None:
    kind = "application/x-www-form-urlencoded"
    assert caller.ask("/args", b"a=1&b=2", CONTENT_TYPE=kind).body == b"() {'a': '1', 'b': '2'}"


def test_forms_have_the_limits_of_a_server(caller: Server) -> None:
    kind = "application/x-www-form-urlencoded"
    answer = caller.ask("/args", b"a=1&b=2&c=3&d=4", CONTENT_TYPE=kind)
    assert answer.status.startswith("413")


def test_a_length_that_is_no_number_is_refused(application: Application) -> None:
    environ: dict[str, Any] = {"CONTENT_LENGTH": "x"}
    complete(environ)
    assert Answer(application, environ).status == "400 Bad Request"


def test_the_request_is_what_the_environ_says(application: Application) -> None:
    seen = []

    class Look(Component):
        channel = "web"

        @handler("request", priority=1)
        def _on_request(self, request: Any, response: Any) -> None:
            seen.append((request, response.gzip))

    Look().register(application)
    environ: dict[str, Any] = {
        "REMOTE_ADDR": "192.0.2.9",
        "REMOTE_PORT": "77",
        "SCRIPT_NAME": "/mount",
        "PATH_INFO": "/args",
        "QUERY_STRING": "q",
        "HTTP_X_A": "1",
        "HTTP_ACCEPT_ENCODING": "gzip",
        "HTTP_COOKIE": "c=2",
        "CONTENT_TYPE": "a/b",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "https",
    }
    complete(environ)
    Answer(application, environ)
    ((request, gzip),) = seen
    assert request.sock is request.server is None
    assert (request.method, request.scheme, request.path, request.qs) == (
        "GET",
        "https",
        "/args",
        "q",
    )
    assert (request.remote.ip, request.remote.port) == ("192.0.2.9", 77)
    assert (request.script_name, request.protocol) == ("/mount", (1, 1))
    assert request.wsgi_environ is environ
    assert (request.headers["X-A"], request.headers["Content-Type"]) == ("1", "a/b")
    assert request.cookie["c"].value == "2"
    assert gzip is True
    assert request.url() == "https://127.0.0.1/mount/args"


def test_files_are_read_when_the_server_wants_them(caller: Server, tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_bytes(b"x" * 200_000)
    answer = caller.ask("/file", QUERY_STRING=f"path={tmp_path / 'f.txt'}")
    assert len(answer.body) == 200_000
    assert len(answer.pieces) > 1
    assert answer["Content-Length"] == "200000"


@pytest.mark.parametrize("kind", ["", "asynchronous"])
def test_what_is_raised_before_the_first_piece_is_an_error(caller: Server, kind: str) -> None:
    answer = caller.ask("/broken", QUERY_STRING=f"kind={kind}")
    assert answer.status == "410 Gone"
    assert b"all of it" in answer.body
    assert answer["Content-Length"] == str(len(answer.body))
    assert (answer["X-A"], answer["Set-Cookie"]) == ("1", "a=1")
    assert [name for name, _ in answer.headers].count("Set-Cookie") == 1
    assert (answer["Content-Type"] or "").startswith("text/html")
    assert (answer["ETag"], answer["Transfer-Encoding"]) == (None, None)
    assert not caller.application.http.exchanges


@pytest.mark.parametrize("kind", ["", "asynchronous"])
def test_what_is_raised_behind_the_first_piece_is_for_the_server(caller: Server, kind: str) -> None:
    with pytest.raises(exceptions.Gone):
        caller.ask("/broken", QUERY_STRING=f"after=1&kind={kind}")
    assert not caller.application.http.exchanges


def test_an_error_whose_page_cannot_begin_is_answered_all_the_same(caller: Server) -> None:
    class Pages(Component):
        channel = "web"

        @handler("httperror", filter=True, priority=1)
        def _on_httperror(self, event: Any, *args: Any, **options: Any) -> Any:
            response = event.args[1]
            response.stream, response.body = True, Root()._break(0)
            return response

    Pages().register(caller.application)
    answer = caller.ask("/fails")
    assert (answer.status, answer.body) == ("500 Internal Server Error", b"")


def test_a_body_that_is_not_wanted_any_more_is_closed(application: Application) -> None:
    log: list[str] = []

    class Streaming(Component):
        channel = "web"

        @handler("request", filter=True, priority=1)
        def _on_request(self, request: Any, response: Any) -> Any:
            response.stream = True
            response.body = Closing([b"a", b"b"], log)
            return response

    Streaming().register(application)
    environ: dict[str, Any] = {}
    complete(environ)
    result = application(environ, lambda *head: None)
    assert next(iter(result)) == b"a"
    result.close()
    result.close()
    assert log.count("next") == 1
    assert log[-1] == "closed"
    assert application.http.exchanges == {}


class Feeder(Component):
    """Makes a body without an end."""

    channel = "web"

    def __init__(self) -> None:
        super().__init__()
        self.made = 0
        self.ended = threading.Event()

    @handler("request", filter=True, priority=1)
    def _on_request(self, request: Any, response: Any) -> Any:
        if request.path != "/endless":
            return None
        response.stream = True
        response.body = self._pieces()
        return response

    async def _pieces(self) -> AsyncIterator[bytes]:
        try:
            while True:
                self.made += 1
                yield b"x" * 65536
        finally:
            self.ended.set()


def test_a_coroutine_makes_no_more_than_the_server_takes(application: Application) -> None:
    feeder = Feeder().register(application)
    caller = Server(application)
    environ: dict[str, Any] = {"PATH_INFO": "/endless"}
    complete(environ)
    result = application(environ, lambda *head: None)
    pieces = iter(result)
    for taken in range(1, 50):
        assert next(pieces) == b"x" * 65536
        assert caller.ask("/").body == b"Hello World!"  # the loop is not held up
        assert feeder.made <= taken + 7  # 256 KiB, one more, and one at hand
    result.close()
    assert feeder.ended.wait(10)
    assert caller.ask("/").body == b"Hello World!"
    assert application.http.exchanges == {}
    assert not list(application._tree_engine.tasks)


def test_a_server_that_vanishes_without_taking_anything_ends_it(application: Application) -> None:
    feeder = Feeder().register(application)
    environ: dict[str, Any] = {"PATH_INFO": "/endless"}
    complete(environ)

    def start_response(*head: Any) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        application(environ, start_response)
    assert feeder.ended.wait(10)
    assert Server(application).ask("/").body == b"Hello World!"
    assert application.http.exchanges == {}


def test_nothing_is_kept_after_an_answer(caller: Server) -> None:
    for path in ("/", "/pieces", "/missing", "/fails", "/slow", "/nothing", "/never"):
        caller.ask(path)
    assert caller.application.http.exchanges == {}


def test_tools_of_responses_work(caller: Server) -> None:
    class Tool(Component):
        channel = "web"

        @handler("response", priority=1)
        def _on_response(self, event: Any, response: Any) -> None:
            if response.request.path == "/args":
                event[0] = NotFound(response.request, response)
            else:
                response.body = [part.upper() for part in response.body]

    Tool().register(caller.application)
    assert caller.ask("/").body == b"HELLO WORLD!"
    assert caller.ask("/args").status == "404 Not Found"


def test_of_two_responses_the_first_is_sent(caller: Server) -> None:
    class Twice(Component):
        channel = "web"

        @handler("request", filter=True, priority=1)
        def _on_request(self, request: Any, response: Any) -> bool:
            for text in ("first", "second"):
                another = wrappers.Response(request)
                another.body = text
                self.fire(Response(another))
            return True

    Twice().register(caller.application)
    assert caller.ask("/").body == b"first"


def test_several_threads_at_a_time(application: Application) -> None:
    barrier = threading.Barrier(8)
    failures: list[Any] = []

    def work(number: int) -> None:
        barrier.wait(10)
        for step in range(20):
            environ: dict[str, Any] = {"PATH_INFO": f"/args/{number}/{step}"}
            complete(environ)
            answer = Answer(application, environ)
            if answer.body.decode() != f"('{number}', '{step}') {{}}":
                failures.append(answer.body)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert not any(thread.is_alive() for thread in threads)


def test_a_handler_may_call_its_own_application(application: Application) -> None:
    class Nested(Controller):
        channel = "/nested"

        def index(self) -> Any:
            environ: dict[str, Any] = {"PATH_INFO": "/slow"}
            complete(environ)
            return b"nested " + Answer(application, environ).body

    Nested().register(application)
    assert Server(application).ask("/nested").body == b"nested slow"


def test_a_handler_that_ends_the_loop_does_not_end_the_server(caller: Server) -> None:
    assert caller.ask("/exits").status == "503 Service Unavailable"
    assert caller.ask("/").body == b"Hello World!"


def test_it_uses_a_loop_that_runs_already(application: Application) -> None:
    thread, _ = application.start()
    before = threading.active_count()
    assert Server(application).ask("/").body == b"Hello World!"
    assert threading.active_count() == before
    assert thread.is_alive()


def test_a_server_that_refuses_the_head_ends_the_body(application: Application) -> None:
    def refuse(*head: Any) -> None:
        raise OSError("gone")

    environ: dict[str, Any] = {"PATH_INFO": "/pieces"}
    complete(environ)
    with pytest.raises(OSError, match="gone"):
        application(environ, refuse)
    assert application.http.exchanges == {}


def test_the_environ_is_not_changed(application: Application) -> None:
    environ: dict[str, Any] = {"wsgi.input": io.BytesIO(b"a"), "CONTENT_LENGTH": "1"}
    complete(environ)
    before = dict(environ)
    Answer(application, environ)
    assert environ == before


def test_exc_info_is_passed_on(application: Application) -> None:
    given: list[Any] = []
    environ: dict[str, Any] = {}
    complete(environ)
    info = (KeyError, KeyError("x"), None)
    application(environ, lambda *head: given.append(head), info)
    assert given[0][2] is info


def test_an_application_within_an_application(application: Application) -> None:
    Gateway({"/inner": returning(lambda: iter([b"in", b"ner"]))}).register(application)
    assert Server(application).ask("/inner/x").body == b"inner"
    seen = Seen()
    Gateway({"/seen": seen}).register(application)
    Server(application).ask("/seen/x", SCRIPT_NAME="/outer")
    assert (seen.environ["SCRIPT_NAME"], seen.environ["PATH_INFO"]) == ("/outer/seen", "/x")


def test_json_controllers(application: Application) -> None:
    class Data(JSONController):
        channel = "/data"

        def x(self) -> Any:
            return {"a": 1}

    Data().register(application)
    answer = Server(application).ask("/data/x")
    assert (answer["Content-Type"], answer.body) == ("application/json", b'{"a": 1}')
