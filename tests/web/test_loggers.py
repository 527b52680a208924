"""Logger: one line per response, that no client can forge."""

from __future__ import annotations

import gc
import json
import locale
import os
import re
import time
import weakref
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from circuits.core.components import BaseComponent
from circuits.core.events import Event
from circuits.core.handlers import handler
from circuits.core.manager import Manager
from circuits.testing import settle
from circuits.web import events, loggers, wrappers
from circuits.web.loggers import Logger
from tests.web.http_support import App, serving

_NOW = time.struct_time((2026, 11, 3, 4, 5, 6, 1, 307, 0))


@pytest.fixture(autouse=True)
def _stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    strftime = time.strftime
    monkeypatch.setattr(time, "strftime", lambda form: strftime(form, time.gmtime(0)))
    monkeypatch.setattr(time, "localtime", lambda *seconds: _NOW)


def make(
    path: str = "/",
    *,
    method: str = "GET",
    qs: str = "",
    ip: str | None = "192.0.2.1",
    headers: list[tuple[str, str]] | None = None,
    body: Any = "hello",
    code: int = 200,
    login: Any = None,
    raw_path: str | None = None,
    sock: Any = None,
) -> wrappers.Response:
    request = wrappers.Request(
        sock, method, "http", path, (1, 1), qs, headers or [], None, raw_path
    )
    request.remote = wrappers.Host(ip, 1234)
    request.login = login
    response = wrappers.Response(request, code=code)
    response.body = body
    response.prepare()
    response.done = True
    return response


def line_of(response: wrappers.Response, **options: Any) -> str:
    file = StringIO()
    Logger(file, **options).log(response)
    return file.getvalue()


# -- the line ------------------------------------------------------------------------------------


def test_a_line_in_the_combined_format() -> None:
    response = make(
        "/a b",
        raw_path="/a%20b",
        qs="x=1",
        login="bob",
        headers=[("Referer", "http://e/"), ("User-Agent", "Test/1 (x)")],
    )
    assert line_of(response) == (
        '192.0.2.1 - bob [03/Nov/2026:04:05:06 +0000] "GET /a%20b?x=1 HTTP/1.1" 200 5 '
        '"http://e/" "Test/1 (x)"\n'
    )


@pytest.mark.parametrize("text", ["x", "a b", 'a"\\', "é\n", "x" * 600])
@pytest.mark.parametrize("login", [None, False, "bob", "b o b"])
def test_the_template_of_the_combined_format_makes_the_same(text: str, login: Any) -> None:
    for ip in ("192.0.2.1", None, "a b"):
        fields = [("Referer", text), ("USER-AGENT", text), ("User-Agent", "not this")]
        response = make(raw_path=f"/{text}", qs=text, ip=ip, login=login, headers=fields, body="")
        assert line_of(response, format=Logger.format + " ") == line_of(response)[:-1] + " \n"


def test_a_line_in_the_common_format() -> None:
    assert line_of(make(), format="common") == (
        '192.0.2.1 - - [03/Nov/2026:04:05:06 +0000] "GET / HTTP/1.1" 200 5\n'
    )


def test_a_line_of_json() -> None:
    response = make('/"a"\n', qs="b", login="bob", headers=[("User-Agent", "x")])
    response.request.id = "7"
    line = line_of(response, format="json")
    found = json.loads(line)
    assert line.count("\n") == 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", found.pop("time"))
    assert found.pop("seconds") >= 0
    assert found == {
        "client": "192.0.2.1",
        "user": "bob",
        "method": "GET",
        "target": '/"a"\n?b',
        "protocol": "HTTP/1.1",
        "status": 200,
        "bytes": 5,
        "referer": None,
        "agent": "x",
        "request_id": "7",
    }


def test_the_client_of_a_line_of_json_knows_its_id() -> None:
    file = StringIO()
    with serving(App("x"), Logger(file, format="json")) as server:
        reply = server.connect().get()
    assert json.loads(file.getvalue())["request_id"] == reply.headers["x-request-id"]


def test_standard_output_that_is_a_pipe_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    number, far = os.pipe()
    with open(number, "rb") as reader, open(far, "w") as pipe:
        monkeypatch.setattr("sys.stdout", pipe)
        log = Logger()
        for _ in range(2000):
            log.log(make())  # twice as much as a pipe takes
        line = reader.readline()
        log._close()
        assert line.startswith(b"192.0.2.1 - - [")
        assert line.endswith(b'" 200 5 "-" "-"\n')
        screen = StringIO()
        monkeypatch.setattr("sys.stdout", screen)
        log.log(make())
        assert screen.getvalue().encode() == line


def test_an_own_format_and_one_that_is_none() -> None:
    assert line_of(make(), format="%(s)s %(b)s") == "200 5\n"
    with pytest.raises(ValueError, match="combined, common, json"):
        Logger(format="nginx")


def test_a_request_that_nobody_could_read_is_a_dash() -> None:
    response = make(code=400)
    response.request._is_unread = True
    assert '] "-" 400 ' in line_of(response)
    assert json.loads(line_of(response, format="json"))["method"] is None


def test_what_is_not_known_is_a_dash() -> None:
    assert line_of(make(ip=None, body="")) == (
        '- - - [03/Nov/2026:04:05:06 +0000] "GET / HTTP/1.1" 200 - "-" "-"\n'
    )


@pytest.mark.parametrize("login", [None, False])
def test_a_failed_login_is_no_user(login: Any) -> None:
    assert " - - [" in line_of(make(login=login))


@pytest.mark.parametrize(("method", "code"), [("HEAD", 200), ("GET", 304), ("GET", 204)])
def test_no_bytes_where_no_body_is_sent(method: str, code: int) -> None:
    assert f'HTTP/1.1" {code} - "' in line_of(make(method=method, code=code))


def test_months_do_not_follow_the_locale() -> None:
    before = locale.setlocale(locale.LC_TIME)
    try:
        for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8"):
            try:
                locale.setlocale(locale.LC_TIME, name)
            except locale.Error:
                continue
            assert loggers.formattime() == "[03/Nov/2026:04:05:06]"
    finally:
        locale.setlocale(locale.LC_TIME, before)


def test_the_format_can_be_overridden() -> None:
    class Short(Logger):
        format = "%(s)s %(h)s"

    file = StringIO()
    Short(file).log(make())
    assert file.getvalue() == "200 192.0.2.1\n"


# -- forgery -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ('a" 200 1 "b', 'a\\" 200 1 \\"b'),
        ("a\\", "a\\\\"),
        ("a\r\nb", "a\\r\\nb"),
        ("a\tb\x00\x1b[2J\x7f", "a\\tb\\x00\\x1b[2J\\x7f"),
        ("caf\xe9\x85", "caf\\xc3\\xa9\\xc2\\x85"),
        ("\u2028\udce9", "\\xe2\\x80\\xa8\\xed\\xb3\\xa9"),
    ],
)
@pytest.mark.parametrize("name", ["User-Agent", "Referer"])
def test_headers_cannot_break_out_of_their_quotes(name: str, given: str, written: str) -> None:
    # Requests from a codec take its fields without a second check.
    assert f'"{written}"' in line_of(make(headers=[(name, given)]))


def test_the_request_line_is_escaped() -> None:
    line = line_of(make('/"\n', method='G"T', qs='"\x1b'))
    assert line.count("\n") == 1
    assert '"G\\"T /\\"\\n?\\"\\x1b HTTP/1.1"' in line


def test_a_user_name_cannot_make_fields() -> None:
    line = line_of(make(login='a [x] "y"\n'))
    assert ' - a\\x20[x]\\x20\\"y\\"\\n [03/' in line


# -- proxies -------------------------------------------------------------------------------------


def test_forwarded_addresses_are_ignored_by_default() -> None:
    line = line_of(make(headers=[("X-Forwarded-For", "10.0.0.1")]))
    assert line.startswith("192.0.2.1 ")


# -- where to ------------------------------------------------------------------------------------


def test_standard_output_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    Logger().log(make())
    assert capsys.readouterr().out.startswith("192.0.2.1 ")


def test_a_file_is_appended_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "log").write_text("before\n")
    logger = Logger("~/log")
    logger.log(make())
    lines = (tmp_path / "log").read_text().splitlines()  # at once: it may be watched
    logger._close()
    assert lines[0] == "before"
    assert len(lines) == 2


def test_a_file_that_cannot_be_written_fails_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        Logger(tmp_path / "missing" / "log")


def test_the_file_is_closed_when_the_component_leaves(tmp_path: Path) -> None:
    app = Manager()
    logger = Logger(tmp_path / "log").register(app)
    file = logger.file
    logger.unregister()
    for _ in range(4):
        app.tick(0)
    assert file.closed


def test_the_file_is_closed_at_a_stop_and_opened_again(tmp_path: Path) -> None:
    app = Manager()
    logger = Logger(tmp_path / "log").register(app)
    file = logger.file
    with app.running():
        app.tick(0)
    assert file.closed
    logger.log(make())
    logger._close()
    assert (tmp_path / "log").read_text().count("\n") == 1


def test_a_logger_wins_over_a_file(tmp_path: Path) -> None:
    class Collector(list[str]):
        def info(self, message: str) -> None:
            self.append(message)

    collector = Collector()
    Logger(tmp_path / "log", collector).log(make())
    assert len(collector) == 1
    assert not collector[0].endswith("\n")
    assert not (tmp_path / "log").exists()


# -- when ----------------------------------------------------------------------------------------


class Http(BaseComponent):
    """Stands for the HTTP component: a response without a stream is done at once."""

    channel = "web"

    @handler("response")
    def _on_response(self, response: wrappers.Response) -> None:
        response.done = not response.stream


def play(*fired: Any) -> list[str]:
    app, file = Manager(), StringIO()
    Http().register(app)
    Logger(file).register(app)
    for event in fired:
        app.fire(event, "web")
    for _ in range(4):
        app.tick(0)
    return [re.sub(r".*HTTP/1.1. ", "", line) for line in file.getvalue().splitlines()]


def test_one_line_per_response() -> None:
    first, second = make(sock=object()), make(sock=object(), code=404)
    first.done = second.done = False
    assert play(events.Response(first), events.Response(second)) == [
        '200 5 "-" "-"',
        '404 5 "-" "-"',
    ]


def test_a_streamed_response_is_logged_at_its_end_with_what_was_sent() -> None:
    response = make(sock=object(), body=iter(()))
    response.stream, response.done = True, False
    fired = [
        events.Response(response),
        events.Stream(response, b"12345"),
        events.Stream(response, "ä"),
    ]
    assert play(*fired) == []
    assert play(*fired, events.Stream(response, None)) == ['200 7 "-" "-"']


def test_a_client_that_went_away_is_logged_with_what_was_sent() -> None:
    sock = object()
    response = make(sock=sock, body=iter(()))
    response.stream, response.done = True, False
    assert play(
        events.Response(response),
        events.Stream(response, b"123"),
        Event.create("Disconnect", sock),
        Event.create("Disconnect", sock),
        events.Stream(response, None),
    ) == ['200 3 "-" "-"']


def test_a_stream_whose_client_left_before_it_began_is_not_kept() -> None:
    late: list[wrappers.Response] = []

    class Late(BaseComponent):
        channel = "web"

        @handler("request")
        def _on_request(self, request: wrappers.Request, response: wrappers.Response) -> bool:
            late.append(response)
            return True

    file = StringIO()
    with serving(Late(), Logger(file)) as server:
        client = server.connect()
        client.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.leave()
        response = late.pop()
        response.stream = True
        response.body = iter(("a", "b"))
        kept = weakref.ref(response)
        server.fire(events.Response(response))
        settle(server)
        del response
        gc.collect()
        assert kept() is None
    assert file.getvalue() == ""


def test_of_two_responses_to_a_request_the_one_that_is_sent_is_logged() -> None:
    class Two(BaseComponent):
        channel = "web"

        @handler("request")
        def _on_request(self, request: wrappers.Request, response: wrappers.Response) -> bool:
            response.stream = True
            other = wrappers.Response(request, code=404)
            other.stream = True
            for one in (response, other):
                self.fire(events.Response(one))
            for data in (b"123", None):
                self.fire(events.Stream(response, data))
            return True

    file = StringIO()
    with serving(Two(), Logger(file)) as server:
        client = server.connect()
        assert client.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").code == 200
        client.leave()
    assert [line.partition('" ')[2] for line in file.getvalue().splitlines()] == ['200 3 "-" "-"']


def test_a_stream_that_ended_is_not_logged_again() -> None:
    sock = object()
    response = make(sock=sock, body=iter(()))
    response.stream, response.done = True, False
    assert play(
        events.Response(response),
        events.Stream(response, b"123"),
        events.Stream(response, None),
        Event.create("Disconnect", sock),
    ) == ['200 3 "-" "-"']


def test_an_empty_stream_has_no_bytes() -> None:
    response = make(sock=object(), body=iter(()))
    response.stream, response.done = True, False
    assert play(events.Response(response), events.Stream(response, None)) == ['200 - "-" "-"']


def test_a_response_that_was_not_sent_is_not_logged() -> None:
    response = make(sock=object())
    response.done = False
    app, file = Manager(), StringIO()
    Logger(file).register(app)
    app.fire(events.Response(response), "web")
    for _ in range(4):
        app.tick(0)
    assert file.getvalue() == ""


def test_another_channel() -> None:
    app, file = Manager(), StringIO()
    Logger(file, channel="other").register(app)
    app.fire(events.Response(make()), "web")
    app.fire(events.Response(make()), "other")
    for _ in range(4):
        app.tick(0)
    assert file.getvalue().count("\n") == 1
