"""One request with its response: what becomes of results, failures and streams."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from circuits import BaseComponent, Event, handler, sleep
from circuits.net.sockets import Pause, Read, Resume
from circuits.testing import Recorder, VirtualClock, settle
from circuits.web import (
    EventStream,
    HTTPError,
    NotFound,
    Redirect,
    Response,
    Stream,
    exceptions,
    wrappers,
)
from circuits.web.controllers import Controller
from circuits.web.dispatchers.dispatcher import Dispatcher
from circuits.web.errors import Forbidden
from tests.web.http_support import (
    App,
    Errors,
    MemoryServer,
    Pieces,
    Serve,
    get,
    parse,
    serving,
    streaming,
)


class Job(Event):
    pass


# -- what handlers return --------------------------------------------------------------------------------


class Bytes(bytes):
    pass


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ("text \xe4", "text \xe4".encode()),
        (b"\xff", b"\xff"),
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"ab"), b"ab"),
        (Bytes(b"ab"), b"ab"),
        (["a", b"b", None, "c"], b"abc"),
        (("a", b"b"), b"ab"),
        (("a", ValueError("b"), "c")[:1], b"a"),
    ],
)
def test_values_with_a_length(serve: Serve, value: Any, body: bytes) -> None:
    reply = serve(lambda app, request, response: value).get()
    assert (reply.code, reply.body) == (200, body)
    assert reply.headers["content-length"] == str(len(body))


@pytest.mark.parametrize("value", ["", b"", [], [None], ()])
def test_nothing_to_say_is_an_answer(serve: Serve, value: Any) -> None:
    reply = serve(lambda app, request, response: value).get()
    assert (reply.code, reply.headers["content-length"]) == (200, "0")


def test_text_is_encoded_as_the_server_says(serve: Serve) -> None:
    client = serve(
        lambda app, request, response: "\xe4" if request.path == "/" else b"\xe4",
        encoding="utf-16be",
    )
    assert client.get("/").body == b"\x00\xe4"
    assert client.get("/bytes").body == b"\xe4"


def test_no_answer_is_not_found(serve: Serve) -> None:
    client = serve(None)
    recorder = Recorder("httperror").register(client.server)
    assert client.get().code == 404
    assert isinstance(recorder.expect("httperror").event, NotFound)


@pytest.mark.parametrize("value", [True, False])
def test_an_answer_may_be_owed(serve: Serve, value: bool) -> None:
    responses = []

    def answer(app: App, request: Any, response: Any) -> Any:
        responses.append(response)
        return value

    client = serve(answer)
    client.feed(get())
    assert not client.writes
    responses[0].body = "at last"
    client.server.fire(Response(responses[0]))
    settle(client.server)
    assert parse(client.received)[0].body == b"at last"


@pytest.mark.parametrize("value", [1, 1.5, {"a": 1}, object(), iter("ab")])
def test_other_values_are_mistakes(serve: Serve, value: Any) -> None:
    errors = Errors()
    client = serve(lambda app, request, response: value, errors)
    assert client.get().code == 500
    (problem,) = errors.seen
    assert isinstance(problem, TypeError)
    assert type(value).__name__ in str(problem)


def test_a_file_is_streamed_and_closed(serve: Serve) -> None:
    file = io.BytesIO(b"x" * 200_000)
    reply = serve(lambda app, request, response: file).get()
    assert reply.body == b"x" * 200_000
    assert reply.headers["transfer-encoding"] == "chunked"
    assert file.closed


class OnlyRead:
    """As little of a file as can be sent."""

    def __init__(self) -> None:
        self.pieces = [b"a" * 70_000, b"b"]

    def read(self, size: int = -1) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""


@pytest.mark.parametrize("spelling", ["result", "body", "wrapped"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_what_can_only_be_read_is_sent(serve: Serve, spelling: str, version: str) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        if spelling == "result":
            return OnlyRead()
        response.body = OnlyRead()
        if spelling == "wrapped":
            response.body = iter(response.body)
        return response

    errors = Errors()
    client = serve(answer, errors)
    client.feed(get(version=version))
    (reply,) = parse(client.received)
    assert reply.body == b"a" * 70_000 + b"b"
    assert reply.is_whole
    assert not client.is_reset
    assert not errors.seen


def test_what_can_only_be_read_may_come_too_late(serve: Serve) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        app.fire(Forbidden(request, response))
        return OnlyRead()

    errors = Errors()
    assert serve(answer, errors).get().code == 403
    assert not errors.seen


def test_the_pieces_of_a_generator_are_one_body(virtual_clock: VirtualClock, serve: Serve) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        yield "a"
        yield None
        yield sleep(3)
        yield b"b"

    client = serve(answer)
    client.feed(get())
    assert not client.writes
    settle(client.server, until=virtual_clock.now + 4)
    (reply,) = parse(client.received)
    assert (reply.body, reply.headers["content-length"]) == (b"ab", "2")


def test_a_generator_without_pieces_is_not_found(serve: Serve) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        yield None

    assert serve(answer).get().code == 404


class Worker(BaseComponent):
    channel = "work"

    @handler("job")
    def _on_job(self, what: str) -> Any:
        if what == "fail":
            raise exceptions.Gone()
        if what == "wait":
            return (part for part in [None, None, "waited"])
        return None if what == "nothing" else what


@pytest.mark.parametrize(
    ("what", "code", "body"),
    [("done", 200, b"done"), ("wait", 200, b"waited"), ("nothing", 404, None), ("fail", 410, None)],
)
def test_the_value_of_an_event_is_waited_for(
    serve: Serve, what: str, code: int, body: bytes | None
) -> None:
    client = serve(lambda app, request, response: app.fire(Job(what), "work"), Worker(), Errors())
    reply = client.get()
    assert reply.code == code
    assert body is None or reply.body == body


def test_an_event_that_nobody_handles_is_not_found(serve: Serve) -> None:
    client = serve(lambda app, request, response: app.fire(Job("x"), "nowhere"))
    assert client.get().code == 404


def test_an_event_with_a_priority_is_waited_for(serve: Serve) -> None:
    client = serve(lambda app, request, response: app.fire(Job("x"), "work", priority=-5), Worker())
    assert client.get().body == b"x"


@pytest.mark.usefixtures("handler_errors")
def test_a_value_marked_as_handled_is_left_alone(serve: Serve) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        value = app.fire(Job("x"), "work")
        response.body = "mine"
        app.fire(Response(response))
        return value

    class Mark(BaseComponent):
        channel = "web"

        @handler("request_success", priority=10)
        def _mark(self, event: Any, value: Any) -> None:
            event.value.handled = True

    client = serve(answer, Worker(), Mark())
    assert client.get().body == b"mine"


def test_answers_of_several_handlers_are_joined(serve: Serve) -> None:
    class Second(BaseComponent):
        channel = "web"

        @handler("request", priority=1)
        def _on_request(self, request: Any, response: Any) -> str:
            return "first "

    assert serve("second", Second()).get().body == b"first second"


@pytest.mark.parametrize("name", ["request_success", "request_failure"])
@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("is_response", [False, True])
def test_a_result_that_is_told_twice_stays_open(
    serve: Serve, name: str, is_late: bool, is_response: bool
) -> None:
    """Where a filter could keep the feedback of a request from us, we look by ourselves, too."""

    class Filter(BaseComponent):
        channel = "web"

        @handler(name, filter=True, priority=10)
        def _look(self, *args: Any) -> None:
            pass

    def answer(app: App, request: Any, response: Any) -> Any:
        body = io.BytesIO(b"content")
        if not is_response:
            return body
        another = wrappers.Response(request)
        another.body = body
        return another

    def late(app: App, request: Any, response: Any) -> Iterator[Any]:
        yield sleep(0)
        yield answer(app, request, response)

    reply = serve(late if is_late else answer, Filter()).get()
    assert (reply.code, reply.body) == (200, b"content")


def test_several_events_are_waited_for(serve: Serve) -> None:
    class Second(BaseComponent):
        channel = "web"

        @handler("request", priority=1)
        def _on_request(self, request: Any, response: Any) -> Any:
            return self.fire(Job("wait"), "work")

    client = serve(lambda app, request, response: app.fire(Job("x"), "work"), Second(), Worker())
    assert client.get().body == b"waitedx"


def test_an_error_that_is_returned_fires_no_httperror(serve: Serve) -> None:
    client = serve(lambda app, request, response: Forbidden(request, response))
    recorder = Recorder("httperror").register(client.server)
    reply = client.get()
    assert reply.code == 403
    assert b"Forbidden" in reply.body
    recorder.expect_none("httperror")


def test_the_response_is_sent_as_it_was_prepared(serve: Serve) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        response.code = 201
        response.message = "Made"
        response.headers["X-A"] = "b"
        response.body = "there"
        return response

    reply = serve(answer).get()
    assert reply.line == "HTTP/1.1 201 Made"
    assert (reply.headers["x-a"], reply.body) == ("b", b"there")


def test_another_response_to_the_request_is_as_good(serve: Serve) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        response.body = io.BytesIO(b"not wanted")
        other = wrappers.Response(request, code=202)
        other.body = "other"
        return other

    client = serve(answer)
    for _ in range(2):
        reply = client.get()
        assert (reply.code, reply.body) == (202, b"other")


def test_the_response_to_another_request_is_a_mistake(serve: Serve) -> None:
    kept: list[Any] = []

    def answer(app: App, request: Any, response: Any) -> Any:
        kept.append(response)
        return kept[0]

    client = serve(answer, Errors())
    assert client.get().code == 200
    assert client.get().code == 500


def test_the_first_of_two_answers_counts(serve: Serve) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        response.body = "fired"
        app.fire(Response(response))
        return "returned"

    client = serve(answer)
    assert client.get().body == b"fired"
    assert client.get().body == b"fired"


def test_an_error_that_was_fired_counts(serve: Serve) -> None:
    def answer(app: App, request: Any, response: Any) -> None:
        app.fire(Forbidden(request, response))

    client = serve(answer)
    assert client.get().code == 403


def test_an_error_that_was_fired_counts_for_whom_it_is_filtered(serve: Serve) -> None:
    class Pages(BaseComponent):
        channel = "web"

        @handler("httperror", filter=True, priority=5)
        def _on_httperror(self, request: Any, response: Any, *rest: Any, **kwargs: Any) -> bool:
            response.body = f"my page for {response.code}"
            self.fire(Response(response))
            return True

    def answer(app: App, request: Any, response: Any) -> None:
        app.fire(Forbidden(request, response))

    client = serve(answer, Pages())
    reply = client.get()
    assert (reply.code, reply.body) == (403, b"my page for 403")
    assert client.server.http._connections == {}


def test_an_error_after_the_answer_comes_too_late(serve: Serve) -> None:
    kept: list[tuple[Any, Any]] = []

    def answer(app: App, request: Any, response: Any) -> Any:
        kept.append((request, response))
        return "hello"

    client = serve(answer)
    client.get()
    client.server.fire(HTTPError(*kept[0], 500))
    settle(client.server)
    assert len(parse(client.received)) == 1


# -- what handlers raise ------------------------------------------------------------------------------


def _raise(problem: BaseException) -> Any:
    def answer(app: App, request: Any, response: Any) -> Any:
        raise problem

    return answer


def test_an_exception_is_an_internal_error(serve: Serve) -> None:
    errors = Errors()
    client = serve(_raise(RuntimeError("secret")), errors)
    reply = client.get()
    assert reply.code == 500
    assert b"secret" not in reply.body
    assert [str(problem) for problem in errors.seen] == ["secret"]
    assert client.is_closed


def test_an_http_exception_has_its_code(serve: Serve) -> None:
    client = serve(_raise(exceptions.Gone("not <this>")), Errors())
    reply = client.get()
    assert reply.code == 410
    assert b"not &lt;this&gt;" in reply.body


def test_a_redirect_may_be_raised(serve: Serve) -> None:
    client = serve(_raise(exceptions.Redirect("/there", 302)), Errors())
    reply = client.get("/here")
    assert (reply.code, reply.headers["location"]) == (302, "http://test/there")
    assert not client.is_closed


def test_a_redirect_may_be_returned(serve: Serve) -> None:
    client = serve(lambda app, request, response: Redirect(request, response, "there"))
    reply = client.get("/a/here")
    assert (reply.code, reply.headers["location"]) == (303, "http://test/a/there")


def test_a_second_failure_is_ignored(serve: Serve) -> None:
    class Second(BaseComponent):
        channel = "web"

        @handler("request")
        def _on_request(self, request: Any, response: Any) -> None:
            raise RuntimeError("second")

    errors = Errors()
    client = serve(_raise(exceptions.Gone()), errors, Second())
    assert client.get().code == 410
    assert len(errors.seen) == 2


def test_a_suspended_handler_may_raise(serve: Serve) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        yield None
        raise exceptions.Gone()

    assert serve(answer, Errors()).get().code == 410


def test_debugging_shows_the_traceback(serve: Serve) -> None:
    client = serve(_raise(RuntimeError("<secret>")), Errors())
    client.server.debug = True
    assert b"&lt;secret&gt;" in client.get().body


@pytest.mark.parametrize("is_watched", [False, True])
def test_a_response_that_cannot_be_sent_is_an_error(serve: Serve, is_watched: bool) -> None:
    errors = Errors()
    client = serve(["a", 1], errors)
    if is_watched:
        Recorder("response").register(client.server)
    reply = client.get()
    assert (reply.code, reply.headers["connection"]) == (500, "close")
    assert [type(problem) for problem in errors.seen] == [TypeError]


def test_a_failing_response_handler_is_an_error(serve: Serve) -> None:
    class Tool(BaseComponent):
        channel = "web"
        left = 1

        @handler("response", filter=True, priority=1)
        def _on_response(self, response: Any) -> None:
            if self.left:
                self.left -= 1
                raise RuntimeError("tool")

    client = serve("hello", Tool(), Errors())
    assert client.get().code == 500


def test_a_response_handler_that_always_fails_leaves_the_last_resort(serve: Serve) -> None:
    class Tool(BaseComponent):
        channel = "web"

        @handler("response", filter=True, priority=1)
        def _on_response(self, response: Any) -> None:
            raise RuntimeError("tool")

    client = serve("hello", Tool(), Errors())
    reply = client.get()
    assert (reply.code, reply.body) == (500, b"")
    assert reply.headers == {"content-length": "0", "connection": "close"}
    assert client.is_closed


def test_a_response_handler_that_fails_after_the_answer_changes_nothing(serve: Serve) -> None:
    class Log(BaseComponent):
        channel = "web"

        @handler("response", priority=-1)
        def _on_response(self, response: Any) -> None:
            raise RuntimeError("log")

    client = serve("hello", Log(), Errors())
    assert client.get().code == 200


def test_a_tool_may_change_or_replace_the_response(serve: Serve) -> None:
    class Tool(BaseComponent):
        channel = "web"

        @handler("response", priority=1)
        def _on_response(self, event: Any, response: Any) -> None:
            if response.request.path == "/change":
                response.body = "changed"
            else:
                event[0] = wrappers.Response(response.request)
                event[0].body = "replaced"

    client = serve("hello", Tool())
    assert client.get("/change").body == b"changed"
    assert client.get("/replace").body == b"replaced"
    assert client.get("/change").body == b"changed"


# -- HEAD and answers without a body ----------------------------------------------------------------


def _stream(app: App, request: Any, response: Any) -> Any:
    response.stream = True
    response.body = iter(["a"])
    return response


def _file(app: App, request: Any, response: Any) -> Any:
    return io.BytesIO(b"file")


@pytest.mark.parametrize("answer", ["hello", "", _file, _stream])
def test_head_has_no_body(serve: Serve, answer: Any) -> None:
    client = serve(answer)
    client.feed(get(method="HEAD"))
    assert client.received.endswith(b"\r\n\r\n")
    assert client.received.count(b"\r\n\r\n") == 1
    assert client.get("/").code == 200  # nothing is left in between


def test_head_tells_the_length(serve: Serve) -> None:
    client = serve("hello")
    head, whole = client.get(method="HEAD"), client.get()
    assert {**head.headers, "date": ""} == {**whole.headers, "date": ""}


@pytest.mark.parametrize("code", [204, 304])
@pytest.mark.parametrize("body", ["text", "file"])
def test_some_codes_have_no_body(serve: Serve, code: int, body: str) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        response.code = code
        response.body = io.BytesIO(b"x") if body == "file" else "x"
        return response

    client = serve(answer)
    client.feed(get())
    assert client.received.endswith(b"\r\n\r\n")
    (reply,) = parse(client.received)
    assert "transfer-encoding" not in reply.headers
    assert "content-type" not in reply.headers


# -- writes -----------------------------------------------------------------------------------------


def test_head_and_small_body_are_one_write(serve: Serve) -> None:
    client = serve("x" * 60_000)
    client.get()
    assert len(client.writes) == 1


def test_a_large_body_is_not_copied_to_its_head(serve: Serve) -> None:
    body = b"x" * 300_000
    client = serve(body)
    assert client.get().body == body
    assert len(client.writes) == 2


@pytest.mark.parametrize("size", [0, 1, 70_000])
def test_a_known_body_may_be_chunked(serve: Serve, size: int) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        response.headers["Transfer-Encoding"] = "chunked"
        return "x" * size

    client = serve(answer)
    reply = client.get()
    assert reply.body == b"x" * size
    assert reply.is_whole
    assert client.received.endswith(b"0\r\n\r\n")
    assert "content-length" not in reply.headers


# -- streams ------------------------------------------------------------------------------------------


def test_an_iterator_is_streamed_and_closed(serve: Serve) -> None:
    pieces = Pieces("\xe4", b"", None, "", b"b", bytearray(b"c"))
    client = serve(streaming(pieces))
    recorder = Recorder("stream").register(client.server)
    reply = client.get()
    assert reply.body == "\xe4bc".encode()
    assert reply.is_whole
    assert client.received.endswith(b"\r\n2\r\n\xc3\xa4\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n")
    assert [record.args[1] for record in recorder] == ["\xe4", b"b", bytearray(b"c"), None]
    assert pieces.closed == 1
    assert not client.is_closed


def test_a_stream_of_known_length_is_not_chunked(serve: Serve) -> None:
    reply = serve(streaming(Pieces("ab", "c"), Content_Length="3")).get()
    assert (reply.body, reply.headers["content-length"]) == (b"abc", "3")
    assert "transfer-encoding" not in reply.headers


@pytest.mark.parametrize("length", ["2", "4"])
def test_a_stream_that_breaks_its_word_breaks_the_connection(serve: Serve, length: str) -> None:
    errors = Errors()
    client = serve(streaming(Pieces("ab", "c"), Content_Length=length), errors)
    client.feed(get() + get())
    assert client.is_closed
    assert len(parse(client.received)) == 1
    assert len(errors.seen) == 1


@pytest.mark.parametrize(
    ("problem", "code"), [(RuntimeError("broken"), 500), (exceptions.NotFound("broken"), 404)]
)
@pytest.mark.parametrize("kind", ["iterator", "generator", "asynchronous"])
def test_what_is_raised_before_the_first_piece_is_answered(
    serve: Serve, problem: Exception, code: int, kind: str
) -> None:
    pieces = Pieces(problem)

    async def give() -> AsyncIterator[str]:
        await asyncio.sleep(0)
        for piece in pieces:
            yield piece

    body = {"iterator": pieces, "generator": (piece for piece in pieces)}.get(kind) or give()
    errors = Errors()
    client = serve(streaming(body), errors)
    client.feed(get())
    settle(client.server)
    (reply,) = parse(client.received)
    assert (reply.code, reply.is_whole) == (code, True)
    assert pieces.closed == (kind == "iterator")
    assert errors.seen == [problem]


def test_of_what_could_not_begin_the_headers_stay_that_tell_nothing_of_it(serve: Serve) -> None:
    """As if the handler itself had raised."""

    def answer(app: App, request: Any, response: Any) -> Any:
        response.headers["X-One"] = "1"
        response.headers["Content-Type"] = "text/csv"
        response.headers["ETag"] = '"1"'
        request.cookie["a"] = "1"
        response.stream = True
        response.body = Pieces(RuntimeError("broken"))
        return response

    client = serve(App(answer), Errors())
    client.feed(get())
    (reply,) = parse(client.received)
    assert (reply.code, reply.is_whole) == (500, True)
    assert reply.headers["x-one"] == "1"
    assert client.received.count(b"Set-Cookie: a=1") == 1
    assert client.received.count(b"Date: ") == 1
    assert reply.headers["content-type"].startswith("text/html")
    assert not {"etag", "transfer-encoding"} & {*reply.headers}


def test_a_page_that_cannot_begin_is_not_made_again(serve: Serve) -> None:
    class Pages(BaseComponent):
        channel = "web"

        @handler("httperror", filter=True, priority=1)
        def _on_httperror(self, event: Any, *args: Any, **options: Any) -> Any:
            response = event.args[1]
            response.stream, response.body = True, Pieces(RuntimeError("broken, too"))
            return response

    errors = Errors()
    client = serve(streaming(Pieces(RuntimeError("broken"))), errors, Pages())
    client.feed(get())
    (reply,) = parse(client.received)
    assert (reply.code, reply.body) == (500, b"")
    assert client.is_closed
    assert [str(problem) for problem in errors.seen] == ["broken", "broken, too"]


@pytest.mark.parametrize("first", ["", None, "a"])
def test_the_head_waits_for_the_first_piece(serve: Serve, first: str | None) -> None:
    steps: list[asyncio.Future[None]] = []

    async def give() -> AsyncIterator[str | None]:
        for piece in (first, "b"):
            steps.append(asyncio.get_running_loop().create_future())
            await steps[-1]
            yield piece

    client = serve(streaming(give()))
    client.feed(get())
    settle(client.server)
    assert client.received == b""
    steps[0].set_result(None)
    settle(client.server)
    assert client.received.startswith(b"HTTP/1.1 200 OK")
    steps[1].set_result(None)
    settle(client.server)
    assert parse(client.received)[0].body == (first or "").encode() + b"b"


def test_the_head_of_events_does_not_wait(serve: Serve) -> None:
    async def give() -> AsyncIterator[str]:
        await asyncio.Event().wait()
        yield "never"

    client = serve(lambda app, request, response: EventStream(give(), heartbeat=None))
    client.feed(get())
    assert client.received.startswith(b"HTTP/1.1 200 OK")
    client.leave()


def test_an_iterator_that_raises_breaks_the_connection(serve: Serve) -> None:
    pieces = Pieces("some", RuntimeError("broken"))
    errors = Errors()
    client = serve(streaming(pieces), errors)
    client.feed(get())
    (reply,) = parse(client.received)
    assert not reply.is_whole
    assert client.is_closed
    assert pieces.closed == 1
    assert [str(problem) for problem in errors.seen] == ["broken"]


def test_a_piece_of_the_wrong_kind_breaks_the_connection(serve: Serve) -> None:
    pieces = Pieces("a", [1])
    client = serve(streaming(pieces), Errors())
    client.feed(get())
    assert not parse(client.received)[0].is_whole
    assert client.is_closed
    assert pieces.closed == 1


def test_a_client_that_leaves_ends_the_iterator(serve: Serve) -> None:
    pieces = Pieces(*["x"] * 10)
    client = serve(streaming(pieces))
    client.server.fire(Read(client.sock, get()))
    client.server.tick(0)
    client.server.tick(0)
    client.leave()
    assert pieces.closed == 1
    assert pieces.left
    assert client.server.http._connections == {}


def test_a_client_that_does_not_read_pauses_the_iterator(serve: Serve) -> None:
    pieces = Pieces(*["x"] * 10)
    client = serve(streaming(pieces))
    server = client.server
    server.fire(Read(client.sock, get()))
    server.fire(Pause(client.sock))
    settle(server)
    left = len(pieces.left)
    assert left >= 7
    assert not any(reply.is_whole for reply in parse(client.received))
    server.fire(Resume(client.sock))
    settle(server)
    assert parse(client.received)[0].body == b"x" * 10


@pytest.mark.parametrize("pieces", [("a", "b"), ()])
def test_the_head_comes_first_even_if_a_client_reads_again_meanwhile(
    serve: Serve, pieces: tuple[str, ...]
) -> None:
    responses = []

    def answer(app: App, request: Any, response: Any) -> bool:
        responses.append(streaming(Pieces(*pieces))(app, request, response))
        return True

    client = serve(answer)
    client.feed(get())
    client.server.fire(Pause(client.sock))
    settle(client.server)
    client.server.fire(Response(responses[0]))
    client.server.fire(Resume(client.sock))  # before the head, which has to wait its turn
    settle(client.server)
    (reply,) = parse(client.received)
    assert reply.body == "".join(pieces).encode()


def test_an_application_may_push(serve: Serve) -> None:
    responses = []

    def answer(app: App, request: Any, response: Any) -> Any:
        response.stream = True
        responses.append(response)
        return response

    client = serve(answer)
    client.feed(get())
    assert len(client.writes) == 1  # the head
    for data in ("a", b"", "\xe4"):
        client.server.fire(Stream(responses[0], data))
        settle(client.server)
    assert not parse(client.received)[0].is_whole
    client.server.fire(Stream(responses[0], None))
    client.server.fire(Stream(responses[0], "too late"))
    settle(client.server)
    (reply,) = parse(client.received)
    assert (reply.body, reply.is_whole) == ("a\xe4".encode(), True)
    assert client.get("/").is_whole is False  # the next one is pushed, too


def test_what_is_pushed_before_the_head_is_not_lost(serve: Serve) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        response.stream = True
        for data in ("a", "b", None):
            app.fire(Stream(response, data))
        return response

    reply = serve(answer).get()
    assert (reply.body, reply.is_whole) == (b"ab", True)


def test_pushing_to_a_client_that_has_left_does_nothing(serve: Serve) -> None:
    responses = []

    def answer(app: App, request: Any, response: Any) -> Any:
        response.stream = True
        responses.append(response)
        return response

    client = serve(answer)
    client.feed(get())
    client.leave()
    before = client.received
    client.server.fire(Stream(responses[0], "a"))
    client.server.fire(Stream(responses[0], None))
    settle(client.server)
    assert client.received == before


def test_an_answer_for_a_client_that_has_left_is_released(serve: Serve) -> None:
    responses = []

    def answer(app: App, request: Any, response: Any) -> Any:
        responses.append(response)
        return True

    client = serve(answer)
    client.feed(get())
    client.leave()
    file = responses[0].body_file = io.BytesIO(b"x")
    responses[0].body = file
    client.server.fire(Response(responses[0]))
    settle(client.server)
    assert file.closed
    assert not client.writes


def test_a_client_that_leaves_in_its_body_leaves_nothing(serve: Serve) -> None:
    client = serve("x", memory_body_bytes=1)
    client.feed(get("/", "Content-Length: 10", method="POST") + b"abc")
    client.leave()
    assert client.server.http._connections == {}


# -- one answer, whatever raises --------------------------------------------------------------------


class BadHeaders(exceptions.HTTPException):
    code = 418
    headers = (("X-A", "a\r\nb"),)


class BadPage(HTTPError):
    def __str__(self) -> str:
        raise RuntimeError("no page")


def _refuses(problem: BaseException) -> Any:
    def act(app: App, request: Any, response: Any) -> Any:
        raise problem

    return act


def _bad_cookie(app: App, request: Any, response: Any) -> Any:
    response.cookie["a"] = "b"
    response.cookie["a"]["path"] = "/\r\nX: y"
    return "text"


def _bad_header(app: App, request: Any, response: Any) -> Any:
    response.headers["X-A"] = "b\nc"
    return "text"


def _bad_code(code: Any) -> Any:
    def act(app: App, request: Any, response: Any) -> Any:
        response.code = code
        return "text"

    return act


def _bad_length(length: str, *pieces: str) -> Any:
    return streaming(Pieces(*pieces or ["ab"]), Content_Length=length)


#: What cannot be answered as it should.
_BROKEN: dict[str, Any] = {
    "redirect with a line break": _refuses(exceptions.Redirect("/\r\nX: y")),
    "redirect with NUL": _refuses(exceptions.Redirect("/\0")),
    "redirect to nowhere": _refuses(exceptions.Redirect([])),
    "redirect with 306": _refuses(exceptions.Redirect("/", 306)),
    "description is a number": _refuses(exceptions.NotFound(123)),  # type: ignore[arg-type]
    "header of an exception": _refuses(BadHeaders()),
    "returned redirect": lambda app, request, response: Redirect(request, response, "/\n"),
    "returned page": lambda app, request, response: BadPage(request, response),
    "fired page": lambda app, request, response: app.fire(BadPage(request, response)) and None,
    "page in a list": lambda app, request, response: ["a", BadPage(request, response)],
    "cookie attribute": _bad_cookie,
    "header": _bad_header,
    "code 100": _bad_code(100),
    "code 103": _bad_code(103),
    "code 1000": _bad_code(1000),
    "code in words": _bad_code("200"),
    "length in words": _bad_length("abc"),
    "negative length": _bad_length("-5"),
    "length with a sign": _bad_length("+2"),
    "length with a blank": _bad_length(" 2"),
    "no iterator": streaming(7),
    "number in a list": lambda app, request, response: ["a", 1],
    "other value": lambda app, request, response: {"a": 1},
}


def _as_generator(act: Any) -> Any:
    def answer(app: App, request: Any, response: Any) -> Any:
        yield None
        yield act(app, request, response)

    return answer


def _as_sleeper(act: Any) -> Any:
    def answer(app: App, request: Any, response: Any) -> Any:
        yield sleep(1)
        yield act(app, request, response)

    return answer


def _as_coroutine(act: Any) -> Any:
    async def answer(app: App, request: Any, response: Any) -> Any:
        await sleep(0)
        return act(app, request, response)

    return answer


_SPELLINGS = {
    "plain": lambda act: act,
    "generator": _as_generator,
    "sleeper": _as_sleeper,
    "coroutine": _as_coroutine,
}


@pytest.mark.parametrize("spelling", _SPELLINGS)
@pytest.mark.parametrize("name", _BROKEN)
@pytest.mark.parametrize("watch", [(), ("request", "response", "httperror"), ("write",)])
def test_what_cannot_be_answered_is_500(
    virtual_clock: VirtualClock, name: str, spelling: str, watch: tuple[str, ...]
) -> None:
    app = App(_SPELLINGS[spelling](_BROKEN[name]))
    with serving(app, Errors(), *([Recorder(*watch)] if watch else [])) as server:
        client = server.connect()
        client.feed(get())
        settle(server, until=virtual_clock.now + 2)
        (reply,) = parse(client.received)
        assert (reply.code, reply.headers["connection"]) == (500, "close")
        assert "x-a" not in reply.headers
        assert client.is_closed
        assert not server.http._connections
        assert not server._tree_engine.loop.holds


@pytest.mark.parametrize("name", _BROKEN)
def test_what_cannot_be_answered_does_not_delay_a_stop(name: str) -> None:
    app = App(_BROKEN[name])
    server = MemoryServer(app, Errors())
    with server.running():
        client = server.connect()
        settle(server)
        server.fire(Read(client.sock, get()))
        server.stop()
    assert [reply.code for reply in parse(client.received)] == [500]
    assert not server.http._connections


class Pages(BaseComponent):
    """Makes the pages of errors."""

    channel = "web"

    def __init__(self, make: Any) -> None:
        super().__init__()
        self.make = make

    @handler("httperror", filter=True, priority=5)
    def _on_httperror(self, event: Any, request: Any, response: Any, *rest: Any, **kw: Any) -> Any:
        return self.make(self, event, response)


@pytest.mark.parametrize(
    "make",
    [
        lambda pages, event, response: 1 / 0,
        lambda pages, event, response: 7,
        lambda pages, event, response: {"a": 1},
        lambda pages, event, response: ["a", 1],
        lambda pages, event, response: BadPage(event.request, response),
        lambda pages, event, response: event.stop(),
        lambda pages, event, response: pages.fire(Job("x"), "nowhere"),
        lambda pages, event, response: (part for part in [sleep(0), 7]),
        lambda pages, event, response: (1 / 0 for _ in "a"),
    ],
    ids=["raise", "int", "dict", "parts", "page", "stop", "fired", "generator", "late raise"],
)
@pytest.mark.parametrize("problem", [exceptions.Gone(), exceptions.Redirect("/x"), KeyError("k")])
def test_filters_of_errors_that_fail_leave_the_last_resort(
    serve: Serve, make: Any, problem: Exception
) -> None:
    client = serve(_refuses(problem), Pages(make), Errors())
    reply = client.get()
    assert (reply.code, reply.body) == (500, b"")
    assert client.is_closed
    assert not client.server.http._connections


def _page(pages: Pages, event: Any, response: Any) -> Any:
    return f"page for {event.code}"


def _late_page(pages: Pages, event: Any, response: Any) -> Any:
    yield sleep(0)
    yield f"page for {event.code}"


def _page_response(pages: Pages, event: Any, response: Any) -> Any:
    response.body = f"page for {event.code}"
    return response


def _fired_page(pages: Pages, event: Any, response: Any) -> Any:
    response.body = f"page for {event.code}"
    pages.fire(Response(response))
    event.stop()


def _value_of_fired_page(pages: Pages, event: Any, response: Any) -> Any:
    response.body = f"page for {event.code}"
    return pages.fire(Response(response))


_PAGES: list[Any] = [
    _page,
    _late_page,
    lambda pages, event, response: _page(pages, event, response).encode(),
    lambda pages, event, response: ["page for ", str(event.code)],
    lambda pages, event, response: io.BytesIO(_page(pages, event, response).encode()),
    _page_response,
    _fired_page,
    _value_of_fired_page,
]


@pytest.mark.parametrize("make", _PAGES)
@pytest.mark.parametrize(
    ("act", "code"),
    [
        (None, 404),
        (_refuses(exceptions.Gone()), 410),
        (_refuses(ValueError("x")), 500),
        (_refuses(exceptions.Redirect("/there")), 303),
        (lambda app, request, response: app.fire(Forbidden(request, response)) and None, 403),
    ],
)
def test_a_filter_of_errors_may_return_the_page(
    serve: Serve, make: Any, act: Any, code: int
) -> None:
    client = serve(act, Pages(make), Errors())
    reply = client.get()
    assert (reply.code, reply.body) == (code, f"page for {code}".encode())
    assert ("location" in reply.headers) == (code == 303)
    assert not client.server._tree_engine.loop.holds


def test_refused_requests_get_the_page_of_a_filter_too(serve: Serve) -> None:
    client = serve("x", Pages(_page))
    client.feed(b"nonsense\r\n\r\n")
    (reply,) = parse(client.received)
    assert (reply.code, reply.body) == (400, b"page for 400")


def test_other_handlers_of_errors_do_no_harm(serve: Serve) -> None:
    class Watching(BaseComponent):
        channel = "web"

        @handler("httperror", priority=7)
        def _on_httperror(self, *rest: Any, **kwargs: Any) -> None:
            raise RuntimeError("watching")

    client = serve(_refuses(exceptions.Gone("away")), Watching(), Errors())
    reply = client.get()
    assert reply.code == 410
    assert b"away" in reply.body


# -- handlers that are cut --------------------------------------------------------------------------


def _stubborn(app: App, request: Any, response: Any) -> Any:
    try:
        yield sleep(1000)
    except GeneratorExit:
        raise ValueError("cut") from None


def _asleep(app: App, request: Any, response: Any) -> Any:
    yield sleep(1000)
    yield "too late"


async def _waiting(app: App, request: Any, response: Any) -> Any:
    await sleep(1000)
    return "too late"


def _exit(app: App, request: Any, response: Any) -> Any:
    raise SystemExit


def _late_exit(app: App, request: Any, response: Any) -> Any:
    yield None
    raise SystemExit


@pytest.mark.parametrize("act", [_stubborn, _asleep, _waiting, _exit, _late_exit])
@pytest.mark.parametrize("watch", [(), ("request_success",), ("response",)])
def test_a_handler_that_is_cut_by_a_stop_is_unavailable(act: Any, watch: tuple[str, ...]) -> None:
    server = MemoryServer(App(act), Errors(), *([Recorder(*watch)] if watch else []))
    server.stop_timeout = 0
    with server.running():
        client = server.connect()
        settle(server)
        client.feed(get())
        server.stop()
    assert [reply.code for reply in parse(client.received)] == [503]
    assert client.is_closed
    assert not server.http._connections


@pytest.mark.parametrize("act", [_stubborn, _asleep, _waiting])
def test_a_handler_whose_component_leaves_is_unavailable(serve: Serve, act: Any) -> None:
    app = App(act)
    client = serve(app, Errors())
    client.feed(get())
    app.unregister()
    settle(client.server)
    assert [reply.code for reply in parse(client.received)] == [503]


class Exits(Controller):
    def exits(self) -> None:
        raise SystemExit

    def later(self) -> Any:
        yield sleep(0)
        raise SystemExit

    def sleeps(self) -> Any:
        yield sleep(1000)


@pytest.mark.parametrize("target", ["/exits", "/later", "/sleeps"])
def test_an_exposed_method_that_is_cut_is_unavailable(target: str) -> None:
    server = MemoryServer(Dispatcher(), Exits(), Errors())
    server.stop_timeout = 0
    with server.running():
        client = server.connect()
        settle(server)
        client.feed(get(target))
        server.stop()
    assert [reply.code for reply in parse(client.received)] == [503]


# -- streams that break off -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "length", "is_reset"),
    [("1.0", None, True), ("1.1", None, False), ("1.0", "9", False)],
)
@pytest.mark.parametrize("before", [1, 3])
def test_a_body_without_length_is_reset_and_not_ended(
    serve: Serve, version: str, length: str | None, is_reset: bool, before: int
) -> None:
    pieces = Pieces(*["x"] * before, RuntimeError("broken"))
    headers = {} if length is None else {"Content_Length": length}
    client = serve(streaming(pieces, **headers), Errors())
    client.feed(get(version=version))
    assert client.is_closed
    assert client.is_reset == is_reset
    assert pieces.closed == 1


def test_where_nothing_can_be_reset_it_is_closed(serve: Serve) -> None:
    client = serve(streaming(Pieces("x", RuntimeError("broken"))), Errors())
    client.server.server.can_reset = False
    client.feed(get(version="1.0"))
    assert client.is_closed
    assert not client.is_reset


class Middleman(BaseComponent):
    channel = "web"

    def __init__(self, act: Any) -> None:
        super().__init__()
        self.act = act

    @handler("stream", filter=True, priority=5)
    def _on_stream(self, response: Any, data: Any) -> Any:
        return self.act(data)


def test_a_filter_may_keep_pieces_to_itself(serve: Serve) -> None:
    client = serve(streaming(Pieces("a", "b", "c")), Middleman(lambda data: data == "b" or None))
    reply = client.get()
    assert (reply.body, reply.is_whole) == (b"ac", True)


@pytest.mark.parametrize("act", [lambda data: data is None or None, lambda data: 1 / 0])
def test_a_filter_of_pieces_that_fails_or_keeps_the_end_cuts(serve: Serve, act: Any) -> None:
    pieces = Pieces("a", "b")
    client = serve(streaming(pieces), Middleman(act), Errors())
    client.feed(get())
    assert not parse(client.received)[0].is_whole
    assert client.is_closed
    assert pieces.closed == 1


# -- streams at constant memory ---------------------------------------------------------------------


class Noted:
    """Pieces that tell how many of them are alive."""

    alive = 0
    most = 0

    def __iter__(self) -> Iterator[Any]:
        class Piece(bytes):
            def __del__(self) -> None:
                Noted.alive -= 1

        Noted.alive = Noted.most = 0
        for _ in range(200):
            Noted.alive += 1
            Noted.most = max(Noted.most, Noted.alive)
            yield Piece(b"x" * 100)


@pytest.mark.parametrize("watch", ["response_complete", "stream_success", "stream", "write", "x"])
def test_a_stream_does_not_keep_what_was_sent(serve: Serve, watch: str) -> None:
    class Watching(BaseComponent):
        channel = "web"

        @handler(watch)
        def _on(self, *rest: Any) -> None:
            pass

    client = serve(streaming(Noted()), Watching())
    assert len(client.get().body) == 20_000
    assert Noted.most < 10


def test_the_response_is_complete_after_its_last_piece(serve: Serve) -> None:
    client = serve(streaming(Pieces("a", "b", "c")))
    recorder = Recorder("stream", "response_complete").register(client.server)
    client.get()
    assert recorder.names == ["stream"] * 4 + ["response_complete"]


@pytest.mark.parametrize("ends", ["whole", "cut", "left"])
def test_it_is_not_complete_while_the_client_pauses(serve: Serve, ends: str) -> None:
    pieces = Pieces("a", "b", RuntimeError("x") if ends == "cut" else "c")
    client = serve(streaming(pieces), Errors())
    server = client.server
    recorder = Recorder("response_complete").register(server)
    server.fire(Read(client.sock, get()))
    server.fire(Pause(client.sock))
    settle(server)
    recorder.expect_none("response_complete")
    if ends == "left":
        client.leave()
    else:
        server.fire(Resume(client.sock))
        settle(server)
    assert recorder.names == ["response_complete"]


def test_who_pauses_and_goes_on_at_once_is_sent_every_piece_once(serve: Serve) -> None:
    client = serve(streaming(Pieces(*"abcdefgh")))
    server = client.server
    server.fire(Read(client.sock, get()))
    for _ in range(6):
        server.fire(Pause(client.sock))
        server.fire(Resume(client.sock))
        server.tick(0)
    settle(server)
    assert parse(client.received)[0].body == b"abcdefgh"


def test_a_large_body_is_one_write_behind_its_head(serve: Serve) -> None:
    client = serve(b"h" * 75_000_000)
    client.feed(get())
    assert [len(data) for data in client.writes[1:]] == [75_000_000]


# -- results that come too late ---------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [lambda file, response: file, lambda file, response: response])
def test_a_file_for_a_client_that_has_left_is_closed(
    virtual_clock: VirtualClock, serve: Serve, wrap: Any
) -> None:
    file = io.BytesIO(b"x")

    def answer(app: App, request: Any, response: Any) -> Any:
        yield sleep(1)
        result = wrap(file, response)
        if result is response:
            response.body = file
        yield result

    client = serve(answer)
    client.feed(get())
    client.leave()
    settle(client.server, until=virtual_clock.now + 2)
    assert file.closed
    assert not client.writes


def test_a_file_behind_an_error_that_was_fired_is_closed(serve: Serve) -> None:
    file = io.BytesIO(b"x")

    def answer(app: App, request: Any, response: Any) -> Any:
        app.fire(Forbidden(request, response))
        return file

    assert serve(answer).get().code == 403
    assert file.closed


# -- taken over by another protocol -----------------------------------------------------------------


class Talk:
    """A protocol that repeats what it hears."""

    def __init__(self, fails: str = "", kind: type[BaseException] = RuntimeError) -> None:
        self.told: list[Any] = []
        self.fails = fails
        self.kind = kind

    def _note(self, name: str, *what: Any) -> None:
        self.told.append((name, *what))
        if name == self.fails:
            raise self.kind(name)

    def begin(self, connection: Any) -> None:
        self.connection = connection
        self._note("begin")
        connection.write(b"welcome;")

    def receive_data(self, data: bytes) -> None:
        self._note("receive", data)
        self.connection.write(data)

    def congested(self, is_congested: bool) -> None:
        self._note("congested", is_congested)

    def stopping(self) -> None:
        self._note("stopping")
        self.connection.write(b"bye;")
        self.connection.close()

    def closed(self) -> None:
        self._note("closed")


def _taking_over(talk: Talk, code: int = 101) -> Any:
    def answer(app: App, request: Any, response: Any) -> Any:
        http = request.server.http
        http.exchange_of(response).take_over(talk)
        with pytest.raises(RuntimeError, match="cannot be taken over"):
            http.exchange_of(response).take_over(talk)
        response.code = code
        return response

    return answer


@pytest.mark.parametrize("spelling", _SPELLINGS)
@pytest.mark.parametrize("watch", [(), ("write", "response")])
def test_another_protocol_takes_over_behind_the_head(
    virtual_clock: VirtualClock, serve: Serve, spelling: str, watch: tuple[str, ...]
) -> None:
    talk = Talk()
    act = _SPELLINGS[spelling](_taking_over(talk))
    client = serve(act, *([Recorder(*watch)] if watch else []))
    client.feed(get() + b"early;")
    settle(client.server, until=virtual_clock.now + 2)
    client.feed(get())
    head, _, rest = client.received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert rest == b"welcome;early;" + get()
    assert talk.told == [("begin",), ("receive", b"early;"), ("receive", get())]
    settle(client.server, until=virtual_clock.now + 1000)  # its time is its own business
    assert not client.is_closed
    assert not client.end()
    client.leave()
    assert talk.told[3:] == [("closed",)]
    assert not client.server.http._connections


@pytest.mark.parametrize("kind", [RuntimeError, GeneratorExit])
@pytest.mark.parametrize("fails", ["begin", "receive"])
def test_a_protocol_that_fails_ends_its_connection(
    serve: Serve, fails: str, kind: type[BaseException]
) -> None:
    talk = Talk(fails, kind)
    errors = Errors()
    client = serve(_taking_over(talk), errors)
    client.feed(get() + b"early;")
    assert client.is_closed
    assert talk.told[-1] == ("closed",)
    assert [str(problem) for problem in errors.seen] == [fails]
    assert not client.server.http._connections


@pytest.mark.parametrize("code", [200, 426])
def test_any_other_answer_does_not_hand_over(serve: Serve, code: int) -> None:
    talk = Talk()
    client = serve(_taking_over(talk, code))
    assert client.get().code == code
    assert talk.told == [("closed",)]


def test_a_failure_does_not_hand_over(serve: Serve) -> None:
    talk = Talk("closed")

    def answer(app: App, request: Any, response: Any) -> Any:
        _taking_over(talk)(app, request, response)
        raise exceptions.Gone

    errors = Errors()
    assert serve(answer, errors).get().code == 410
    assert talk.told == [("closed",)]
    assert len(errors.seen) == 2


def test_a_client_that_leaves_before_closes_the_protocol(serve: Serve) -> None:
    talk = Talk()

    def answer(app: App, request: Any, response: Any) -> Any:
        request.server.http.exchange_of(response).take_over(talk)
        return True

    client = serve(answer)
    client.feed(get())
    client.leave()
    assert talk.told == [("closed",)]


@pytest.mark.parametrize("is_late", [False, True])
def test_a_stop_is_told_to_the_protocol(is_late: bool) -> None:
    talk = Talk()
    server = MemoryServer(App(_taking_over(talk)))
    with server.running():
        client = server.connect()
        settle(server)
        if is_late:
            server.fire(Read(client.sock, get()))
        else:
            client.feed(get())
        server.stop()
    assert client.received.endswith(b"welcome;bye;")
    assert talk.told == [("begin",), ("stopping",), ("closed",)]
    assert not server.http._connections


def test_without_a_protocol_other_handlers_get_what_follows(serve: Serve) -> None:
    class Raw(BaseComponent):
        channel = "web"

        def __init__(self) -> None:
            super().__init__()
            self.heard: list[bytes] = []

        @handler("read", priority=10)
        def _on_read(self, sock: Any, data: bytes) -> None:
            self.heard.append(data)

    raw = Raw()

    def answer(app: App, request: Any, response: Any) -> Any:
        response.code = 101
        return response

    client = serve(answer, raw)
    client.feed(get() + b"early;", b"more;")
    assert raw.heard[1:] == [b"early;", b"more;"]
    assert client.received.count(b"HTTP/1.1") == 1


# -- pieces that are pushed past a filter -----------------------------------------------------------


@pytest.mark.parametrize("fails_at", [1, 2, 3])
@pytest.mark.parametrize("is_early", [False, True])
def test_a_filter_that_fails_at_a_pushed_piece_leaves_one_answer(
    serve: Serve, fails_at: int, is_early: bool
) -> None:
    count = 0

    def perhaps(data: Any) -> None:
        nonlocal count
        count += 1
        if count == fails_at:
            raise RuntimeError("filter")

    def answer(app: App, request: Any, response: Any) -> Any:
        response.stream = True
        for data in ("a", "b", None) if is_early else ():
            app.fire(Stream(response, data))
        return response if is_early else app.fire(Job(response), "push")

    class Push(BaseComponent):
        channel = "push"

        @handler("job")
        def _on_job(self, response: Any) -> Any:
            self.fire(Response(response), "web")
            yield sleep(0)
            for data in ("a", "b", None):
                self.fire(Stream(response, data), "web")
            yield True

    client = serve(answer, Push(), Middleman(perhaps), Errors())
    client.feed(get())
    (reply,) = parse(client.received)
    assert client.is_closed
    if is_early:
        assert reply.code == 500
    else:
        assert not reply.is_whole
    assert not client.server.http._connections


def test_a_request_that_is_cancelled_is_refused() -> None:
    class Cancels(BaseComponent):
        channel = "web"

        @handler("read", priority=-1)  # when the request has been fired
        def _on_read(self, *args: Any) -> None:
            for waiting in self._tree_engine.queue.events():
                if waiting.name == "request":
                    waiting.cancel()

    with serving(Cancels(), Recorder("request")) as server:
        client = server.connect()
        client.feed(get())
        (reply,) = parse(client.received)
        assert reply.code == 503
        connection = server.http._connections.get(client.sock)
        assert connection is None or connection.exchange is None


# -- the connection: what is said is what is done -----------------------------------------------------


def _says(field: str, body: Any) -> Any:
    def answer(app: App, request: Any, response: Any) -> Any:
        response.headers["Connection"] = field
        response.body = body() if callable(body) else body
        response.stream = callable(body)
        return response

    return answer


@pytest.mark.parametrize("body", ["x", lambda: iter(["a", "b"])], ids=["whole", "streamed"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("wish", ["", "Connection: close", "Connection: keep-alive"])
@pytest.mark.parametrize(
    "field", ["close", "Close", "close, X", "X, close", "keep-alive", "Keep-Alive", "X", ""]
)
def test_the_field_of_a_handler_and_what_becomes_of_it_agree(
    serve: Serve, field: str, wish: str, version: str, body: Any
) -> None:
    server = serve(_says(field, body)).server
    for _ in range(2):  # the second head may be one that was kept
        client = server.connect()
        client.feed(get("/", *([wish] if wish else []), version=version))
        (reply,) = parse(client.received)
        said = [option.strip() for option in reply.headers.get("connection", "").lower().split(",")]
        if "close" in said:
            assert client.is_closed
        if "keep-alive" in said:
            assert not client.is_closed
        asked = "close" in field.lower()
        if asked or "close" in wish or (version == "1.0" and "keep-alive" not in wish):
            assert client.is_closed
        # Without a word, a connection of HTTP/1.0 is closed.
        assert version == "1.1" or client.is_closed or "keep-alive" in said
        assert version == "1.0" or not client.is_closed or "close" in said or field == "X"
        assert not {"close", "keep-alive"} <= set(said)
        assert ("x" in said) is ("X" in field)


def test_the_next_one_without_such_a_field_stays_open(serve: Serve) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        if request.path == "/close":
            response.headers["Connection"] = "close"
        return "x"

    server = serve(answer).server
    for target in ("/", "/close", "/", "/close", "/"):
        client = server.connect()
        client.feed(get(target))
        assert client.is_closed is (target == "/close")


@pytest.mark.parametrize("body", ["text", b"bytes", ["a", "b"], lambda: iter(["a"])])
def test_a_form_to_be_cleared_comes_with_nothing_else(serve: Serve, body: Any) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        response.status = 205
        return body() if callable(body) else body

    client = serve(answer)
    for _ in range(2):
        reply = client.get()
        assert (reply.code, reply.body) == (205, b"")
        assert reply.headers["content-length"] == "0"
