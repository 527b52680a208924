"""What is said of mistakes that are often made in web applications."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from circuits import handler
from circuits.web import Controller, JSONController, Server, error_page, expose, exposeJSON
from circuits.web.wrappers import Response
from tests.web.controller_support import Site

server: Any = Server


def page() -> None: ...


#: What is done, and the whole text.
RAISED: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "host and port apart": (
        lambda: server("127.0.0.1", 8000),
        TypeError,
        "Server takes one address, and all else by name: write Server(('127.0.0.1', 8000))",
    ),
    "a port as text": (
        lambda: server("8000"),
        ValueError,
        "bind '8000' is no address: a port is a number, 8000",
    ),
    "a URL": (
        lambda: server("http://127.0.0.1:8000/"),
        ValueError,
        "bind must be host:port, [host]:port or a path, not 'http://127.0.0.1:8000/'",
    ),
    "no port": (
        lambda: server("127.0.0.1:http"),
        ValueError,
        "bind must be host:port, [host]:port or a path, not '127.0.0.1:http'",
    ),
    "nothing": (
        lambda: server(None),
        TypeError,
        "bind must be a port, an address or a path, not None",
    ),
    "a port that is none": (
        lambda: server(("127.0.0.1", 99999)),
        ValueError,
        "a port is a number from 0 to 65535: ('127.0.0.1', 99999)",
    ),
    "an unknown option": (
        lambda: server(0, debg=True),
        TypeError,
        "TCPServer() has no option debg",
    ),
    "TLS without a certificate": (
        lambda: server(("127.0.0.1", 0), secure=True),
        RuntimeError,
        "TCPServer(secure=True) needs a certfile, or a context of ssl",
    ),
    "expose without brackets": (
        lambda: expose(page),  # type: ignore[arg-type]
        TypeError,
        "@expose is to be called: write @expose() before page",
    ),
    "exposeJSON without brackets": (
        lambda: exposeJSON(page),  # type: ignore[arg-type]
        TypeError,
        "@exposeJSON is to be called: write @exposeJSON() before page",
    ),
    "error_page without brackets": (
        lambda: error_page(page),  # type: ignore[arg-type]
        TypeError,
        "@error_page is to be called: write @error_page() before page",
    ),
}


@pytest.mark.parametrize("what", RAISED)
def test_a_mistake_is_refused_with_its_cure(what: str) -> None:
    act, kind, text = RAISED[what]
    with pytest.raises(kind) as caught:
        act()
    assert str(caught.value) == text


@pytest.mark.parametrize("status", ["abc", "", None, "4o4 Not Found"])
def test_a_status_is_a_number(status: Any) -> None:
    response = object.__new__(Response)
    with pytest.raises(ValueError) as caught:
        response.status = status
    assert str(caught.value) == f"a status is a number, or text as '404 Not Found', not {status!r}"


def test_a_certificate_alone_is_no_tls() -> None:
    text = r"^Server\(certfile='server.pem'\) does not speak TLS without secure=True$"
    with pytest.warns(RuntimeWarning, match=text) as told:
        Server(("127.0.0.1", 0), certfile="server.pem").server.close()
    assert told[0].filename == __file__


# -- what fails when it is asked for ------------------------------------------------------------


class Root(Controller):
    def selfless():  # type: ignore[misc,no-untyped-def]
        raise AssertionError

    def awaited(self) -> Any:
        return self.fire_and_add()

    @handler(False)
    def fire_and_add(self) -> Any:
        return self.session["x"]

    def page(self) -> Any:
        return self.serve_file("page.html")

    def missing(self) -> Any:
        return self.serve_file(os.path.abspath("no-such-page.html"))


class Data(JSONController):
    channel = "/data"

    def index(self) -> Any:
        return {"one": object}


def failure(path: str, controller: Controller | JSONController) -> BaseException:
    site = Site(controller)
    site.ask(path)
    [(problem, _, _)] = site.raised
    return problem  # type: ignore[no-any-return]


def line_of(function: Any) -> str:
    code = function.__code__
    return f"{code.co_filename}:{code.co_firstlineno}"


def test_a_method_without_self_is_told_to_take_it() -> None:
    problem = failure("/selfless", Root())
    assert problem.__notes__ == [
        (
            f"Root.selfless() at {line_of(Root.selfless.exposed_function)} takes nothing, not even "  # type: ignore[attr-defined]
            "self: write def selfless(self, ...)"
        )
    ]


def test_a_result_that_cannot_be_sent_is_told_with_its_method() -> None:
    problem = failure("/data", Data())
    assert str(problem) == "type cannot be written as JSON: <class 'object'>"
    assert problem.__notes__ == [
        f"the handler is Data.index at {line_of(Data.index.exposed_function)}"  # type: ignore[attr-defined]
    ]


def test_a_session_without_sessions_names_what_is_needed() -> None:
    problem = failure("/awaited", Root())
    assert str(problem) == "Root.session needs a Sessions component beside the server"
    assert not hasattr(problem, "__notes__")


def test_a_relative_file_is_refused_with_its_cure() -> None:
    assert str(failure("/page", Root())) == (
        "'page.html' is not an absolute path: join it to its folder, such as that of __file__"
    )


def test_a_missing_file_is_told_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CIRCUITS_DEBUG", "1")
    assert Site(Root()).ask("/missing").code == 404
    path = os.path.abspath("no-such-page.html")
    told = [record.getMessage() for record in caplog.records]
    assert any(
        text.startswith("GET /missing: no file to serve: ") and text.endswith(f"{path!r}")
        for text in told
    )
