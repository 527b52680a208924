"""What is raised to answer a client has one line in the log, and no traceback."""

from __future__ import annotations

import logging
import traceback
from typing import Any

import pytest

from circuits import sleep
from circuits.web import Controller, exceptions
from circuits.web.dispatchers import Dispatcher
from tests.web.http_support import App, Errors, get, post, serving


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING, "circuits.web")
    caplog.set_level(logging.DEBUG, "circuits")
    return caplog


def _raised(problem: Any) -> Any:
    class Root(Controller):
        def plain(self) -> None:
            raise problem

        def generator(self) -> Any:
            yield None
            raise problem

        async def coroutine(self) -> None:
            await sleep(0)
            raise problem

    return Root()


_CLIENT = [
    getattr(exceptions, name)
    for name in exceptions.__all__
    if getattr(exceptions, name).code < 500 and name not in ("Redirect", "MethodNotAllowed")
]


@pytest.mark.parametrize("cls", _CLIENT)
@pytest.mark.parametrize("way", ["plain", "generator", "coroutine"])
def test_one_line_at_info_with_the_description(
    cls: type[exceptions.HTTPException], way: str, log: pytest.LogCaptureFixture
) -> None:
    with serving(Dispatcher(), _raised(cls("no such <item>"))) as server:
        reply = server.connect().get(f"/{way}")
    assert reply.code == cls.code
    assert b"no such &lt;item&gt;" in reply.body
    [record] = log.records
    assert record.levelno == logging.INFO
    message = record.getMessage()
    assert message.startswith(f"{cls.code} ")
    assert "no such <item>" in message
    assert f"Root.{way}" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (exceptions.Redirect("/elsewhere"), "303 See Other ("),
        (exceptions.NotFound(), "404 Not Found ("),
        (exceptions.MethodNotAllowed(["GET"]), "405 Method Not Allowed ("),
        (exceptions.NotFound("a\r\nb\x1b[2J"), "404 Not Found: a\\r\\nb\\x1b[2J ("),
    ],
)
def test_the_line(
    problem: exceptions.HTTPException, text: str, log: pytest.LogCaptureFixture
) -> None:
    with serving(App(lambda *_: _throw(problem))) as server:
        server.connect().get("/")
    [record] = log.records
    assert record.levelno == logging.INFO
    assert record.getMessage().startswith(text)
    assert record.getMessage().isprintable()


def _throw(problem: BaseException) -> Any:
    raise problem


@pytest.mark.parametrize(
    "problem", [exceptions.InternalServerError("x"), exceptions.BadGateway("x"), ValueError("x")]
)
def test_failures_have_a_traceback(problem: Any, log: pytest.LogCaptureFixture) -> None:
    with serving(App(lambda *_: _throw(problem))) as server:
        server.connect().get("/")
    [record] = log.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert "_throw" in "".join(traceback.format_exception(*record.exc_info))


class Reads(Controller):
    def json(self) -> Any:
        return self.request.json()

    def form(self) -> Any:
        return dict(self.request.form)

    def fields(self, **fields: Any) -> str:
        return "fields"

    def number(self, number: int) -> str:
        return "number"

    async def stream(self) -> Any:
        return await self.request.json()

    stream.stream = True  # type: ignore[attr-defined]


_FORM = "Content-Type: application/x-www-form-urlencoded"
_MULTIPART = "Content-Type: multipart/form-data; boundary=xx"
_JSON = "Content-Type: application/json"


@pytest.mark.parametrize(
    ("target", "field", "body", "code"),
    [
        ("/json", _JSON, b"{", 400),
        ("/json", _JSON, b"\xff", 400),
        ("/json", _FORM, b"a=1", 415),
        ("/form", _FORM, b"a=%ff", 400),
        ("/form", _MULTIPART, b"--xx\r\n", 400),
        ("/form", "Content-Type: multipart/form-data", b"--xx\r\n", 400),
        ("/fields", _FORM, b"a=%ff", 400),
        ("/fields", _FORM, b"&" * 2000, 413),
        ("/fields", _MULTIPART, b"nothing", 400),
        ("/fields?a=%ff", _FORM, b"", 400),
        ("/number/x", _FORM, b"", 400),
    ],
)
def test_what_cannot_be_read_is_no_failure(
    target: str, field: str, body: bytes, code: int, log: pytest.LogCaptureFixture
) -> None:
    with serving(Dispatcher(), Reads()) as server:
        assert server.connect().ask(post(body, field, target=target)).code == code
    assert [record for record in log.records if record.levelno > logging.INFO] == []
    assert all(record.getMessage().isprintable() for record in log.records)


def test_a_handler_of_errors_still_hears_it() -> None:
    with serving(App(lambda *_: _throw(exceptions.NotFound("x"))), errors := Errors()) as server:
        server.connect().feed(get("/"))
    assert [type(problem) for problem in errors.seen] == [exceptions.NotFound]


@pytest.mark.parametrize("body", [b"{", b"\xff"])
def test_the_line_names_the_request(body: bytes, log: pytest.LogCaptureFixture) -> None:
    class Root(Controller):
        def take(self) -> Any:
            return self.request.json()

    with serving(Dispatcher(), Root()) as server:
        client = server.connect()
        client.feed(post(body, "Content-Type: application/json", target="/take?secret"))
    assert client.received.startswith(b"HTTP/1.1 400 ")
    [record] = log.records
    message = record.getMessage()
    assert record.levelno == logging.INFO
    assert "POST /take, " in message
    assert "secret" not in message
    assert "\n" not in message


def test_the_line_stays_one_whatever_the_path(log: pytest.LogCaptureFixture) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        raise exceptions.NotFound

    with serving(App(answer)) as server:
        assert server.connect().get("/a%0Ab" + "x" * 1000).code == 404
    [record] = log.records
    assert "GET /a\\nb" in record.getMessage()
    assert len(record.getMessage()) < 400
