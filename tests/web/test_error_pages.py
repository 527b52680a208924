"""Pages of errors: by filters of ``httperror``, and by controllers; and filters that fail."""

from __future__ import annotations

import json
from typing import Any

import pytest

from circuits import Component, handler, sleep
from circuits.testing import Recorder
from circuits.web import Controller, JSONController, error_page, errors
from circuits.web.dispatchers import Dispatcher
from circuits.web.exceptions import Forbidden, Gone, NotFound, Redirect
from tests.web.http_support import App, Errors, get, post, serving


class Root(Controller):
    def index(self) -> str:
        return "index"

    def gone(self) -> str:
        raise Gone("It was sold.")

    def broken(self) -> str:
        raise ValueError("secret")

    def moved(self) -> str:
        raise Redirect("/")

    def returned(self) -> Any:
        return self.forbidden("No.")

    def number(self, number: int) -> str:
        return "number"

    @error_page(404)
    def _missing(self, error: errors.HTTPError) -> str:
        return f"nothing at {self.request.path} {self.response.code}"

    @error_page(410)
    async def gone_page(self, error: errors.HTTPError) -> str:
        await sleep(0)
        return f"<b>{error.description}</b>"


class Shop(Controller):
    channel = "/shop"

    def GET(self, item: int) -> str:
        raise NotFound("no such item")

    @error_page()
    def any_error(self, error: errors.HTTPError) -> str | None:
        return None if error.code == 404 else f"shop: {error.code}"


class Api(JSONController):
    channel = "/api"

    def fails(self) -> None:
        raise Forbidden("no")

    @error_page(403)
    def _refused(self, error: errors.HTTPError) -> Any:
        return {"sorry": error.code}


class Base(Controller):
    channel = "/base"

    @error_page(404)
    def _missing(self, error: errors.HTTPError) -> str:
        return "of the base"


class Derived(Base):
    channel = "/derived"

    def index(self) -> str:
        return "derived"


def test_an_error_page_is_no_page() -> None:
    assert "gone_page" not in Root()._bindings()
    assert "any_error" not in Shop()._bindings()


@pytest.mark.parametrize(
    ("path", "code", "body"),
    [
        ("/", 200, "index"),
        ("/nowhere", 404, "nothing at /nowhere 404"),
        ("/gone", 410, "<b>It was sold.</b>"),
        ("/shop/x", 400, "shop: 400"),
        ("/shop/5", 404, "nothing at /shop/5 404"),
        ("/base/x", 404, "of the base"),
        ("/derived/x", 404, "of the base"),
        ("/returned", 403, None),
        ("/broken", 500, None),
        ("/number/x", 400, None),
        ("/moved", 303, None),
    ],
)
def test_the_nearest_controller_makes_the_page(path: str, code: int, body: str | None) -> None:
    parts = (Root(), Shop(), Api(), Base(), Derived(), Errors())
    with serving(Dispatcher(), *parts) as server:
        reply = server.connect().get(path)
    assert reply.code == code
    if body is not None:
        assert reply.body.decode() == body
        assert reply.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("code", [0, -1, 99, 600, 999, 1000, "abc", 200.5, None])
@pytest.mark.parametrize("watch", [(), ("response",)])
def test_what_is_no_status_is_refused(watch: tuple[str, ...], code: Any) -> None:
    def act(app: App, request: Any, response: Any) -> str:
        response.code = code
        return "hello"

    with serving(App(act), Errors(), *map(Recorder, watch)) as server:
        client = server.connect()
        assert client.get("/").code == 500
        assert client.is_closed


@pytest.mark.parametrize("watch", [(), ("response",)])
@pytest.mark.parametrize("result", [None, "page"])
def test_a_filter_of_responses_that_waits_and_does_not_answer(
    watch: tuple[str, ...], result: str | None
) -> None:
    class Filter(Component):
        channel = "web"

        @handler("response", filter=True, priority=1)
        def _on_response(self, response: Any) -> Any:
            yield sleep(0)
            yield result

    with serving(App("hello"), Filter(), Errors(), *map(Recorder, watch)) as server:
        assert server.connect().get("/").code == 500


def test_a_page_may_be_data_and_the_default_below_json_is_a_problem() -> None:
    with serving(Dispatcher(), Root(), Api(), Errors()) as server:
        client = server.connect()
        reply = client.get("/api/fails")
        assert (reply.code, json.loads(reply.body)) == (403, {"sorry": 403})
        assert reply.headers["content-type"] == "application/json"


def test_below_json_all_errors_are_problems() -> None:
    class Plain(JSONController):
        channel = "/plain"

        def GET(self, number: int) -> None:
            raise ZeroDivisionError

    with serving(Dispatcher(), Plain(), Errors()) as server:
        for request, code in (
            (get("/plain/a/b/c"), 404),
            (get("/plain/x"), 400),
            (get("/plain/5"), 500),
            (get("/plain/5", method="PUT"), 405),
            (get("/plain"), 400),
            (
                post(b"\xff", "Content-Type: application/x-www-form-urlencoded", target="/plain"),
                405,
            ),
        ):
            reply = server.connect().ask(request)
            assert reply.code == code, request
            assert reply.headers["content-type"] == "application/problem+json"
            problem = json.loads(reply.body)
            assert problem["status"] == problem["code"] == code
            assert problem["title"]
            assert problem["type"] == "about:blank"


def test_a_page_that_fails_is_the_last_resort() -> None:
    class Failing(Controller):
        @error_page()
        def _page(self, error: errors.HTTPError) -> str:
            raise ValueError("in the page")

    with serving(Dispatcher(), Failing(), Errors()) as server:
        client = server.connect()
        reply = client.get("/nowhere")
        assert (reply.code, reply.body, client.is_closed) == (500, b"", True)


class Pages(Component):
    channel = "web"

    @handler("httperror", filter=True)
    def _on_httperror(self, event: Any, request: Any, response: Any, code: int, **_: Any) -> str:
        return f"<h1>{code}</h1>"


@pytest.mark.parametrize("path", ["/gone", "/broken", "/returned", "/nowhere"])
def test_a_filter_makes_all_pages(path: str) -> None:
    class Bare(Controller):
        gone, broken, returned = Root.gone, Root.broken, Root.returned

    with serving(Dispatcher(), Bare(), Pages(), Errors()) as server:
        reply = server.connect().get(path)
    codes = {"/gone": 410, "/broken": 500, "/returned": 403, "/nowhere": 404}
    assert reply.code == codes[path]
    if path != "/returned":  # which is an answer, and no event
        assert reply.body == b"<h1>%d</h1>" % codes[path]


# -- filters that keep things to themselves --------------------------------------------------


def _raise(*args: Any, **kwargs: Any) -> Any:
    raise RuntimeError("in the filter")


@pytest.mark.parametrize("act", [_raise, lambda *args, **kwargs: True])
@pytest.mark.parametrize(
    "answer",
    [
        lambda app, request, response: "answer",
        lambda app, request, response: (part for part in ["ans", None, "wer"]),
        lambda app, request, response: app.fire(_job()),
    ],
    ids=["text", "generator", "event"],
)
def test_a_filter_of_the_success_leaves_no_client_waiting(act: Any, answer: Any) -> None:
    class Filter(Component):
        channel = "web"

        @handler("request_success", filter=True, priority=1)
        def _on_request_success(self, *args: Any) -> Any:
            return act()

        @handler("job")
        def _on_job(self) -> str:
            return "answer"

    with serving(App(answer), Filter(), Errors()) as server:
        client = server.connect()
        for _ in range(2):
            assert client.get("/").body == b"answer"


def _job() -> Any:
    from circuits import Event

    return Event.create("job")


@pytest.mark.parametrize("act", [_raise, lambda *args, **kwargs: True])
def test_a_filter_of_the_failure_leaves_no_client_waiting(act: Any) -> None:
    class Filter(Component):
        channel = "web"

        @handler("request_failure", filter=True, priority=1)
        def _on_request_failure(self, *args: Any) -> Any:
            return act()

    with serving(App(_raise), Filter(), Errors()) as server:
        assert server.connect().get("/").code == 500


@pytest.mark.parametrize("act", [_raise, lambda *args, **kwargs: True])
def test_a_filter_that_keeps_the_response_is_an_error(act: Any) -> None:
    class Filter(Component):
        channel = "web"

        @handler("response", filter=True, priority=1)
        def _on_response(self, response: Any) -> Any:
            return act() if response.code == 200 else None

    with serving(App("answer"), Filter(), Errors()) as server:
        assert server.connect().get("/").code == 500


def test_a_filter_that_keeps_every_response_gets_the_last_resort() -> None:
    class Filter(Component):
        channel = "web"

        @handler("response", filter=True, priority=1)
        def _on_response(self, response: Any) -> Any:
            return True

        @handler("response_failure", filter=True, priority=1)
        def _on_response_failure(self, *args: Any) -> Any:
            return True

    with serving(App("answer"), Filter(), Errors()) as server:
        client = server.connect()
        reply = client.get("/")
        assert (reply.code, reply.body) == (500, b"")
        assert client.is_closed
