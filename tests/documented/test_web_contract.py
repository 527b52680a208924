"""What programs in the style of 2.1.0 and of the 3.x line may count on, from request to bytes.

Each program is a small site in memory; each test asks it as a client would.
"""

from __future__ import annotations

import gzip
from collections.abc import Generator, Iterator
from typing import Any

import pytest

import circuits.web
from circuits import BaseComponent, Component, Event, Manager, Value, handler, sleep
from circuits.web import (
    BaseController,
    Controller,
    JSONController,
    errors,
    events,
    exceptions,
    expose,
    exposeJSON,
    tools,
)
from circuits.web.dispatchers.dispatcher import Dispatcher
from tests.web.http_support import Client, MemoryServer, Reply, get, post, serving

pytestmark = pytest.mark.documented

FORM = "Content-Type: application/x-www-form-urlencoded"


class Work(Event):
    pass


class Steps(Event):
    pass


class Worker(Component):
    channel = "worker"

    def work(self, number: int) -> str:
        return f"worked {number}"

    def steps(self) -> Iterator[Any]:
        yield None
        yield "first"
        yield None
        yield "last"


class Root(Controller):
    def index(self, *args: str, **kwargs: Any) -> str:
        return f"index {args} {kwargs}"

    def hello(self) -> str:
        return "Hello"

    def pair(self, a: str, b: str = "B") -> str:
        return f"{a}|{b}"

    def keywords(self, **kwargs: Any) -> str:
        return repr(kwargs)

    def pieces(self) -> Iterator[Any]:
        yield "a"
        yield None
        yield "b"

    def late(self) -> Iterator[Any]:
        yield sleep(0)
        yield "late"

    def generator(self) -> Iterator[str]:
        return (text for text in "xyz")

    def called(self) -> Generator[Any, Any, None]:
        value = yield self.call(Work(1), "worker")
        yield value.value

    def fired(self) -> Value:
        return self.fire(Work(2), "worker")

    def stepped(self) -> Value:
        return self.fire(Steps(), "worker")

    def cookies(self) -> str:
        seen = ",".join(sorted(self.cookie))
        self.cookie["visited"] = "yes"
        self.cookie["visited"]["path"] = "/"
        return seen

    def nested(self) -> str:
        return self.hello()

    @expose("+test", "test.txt")
    def other_names(self) -> str:
        return "other"

    @exposeJSON("data")
    def _data(self) -> dict[str, Any]:
        return {"a": [1, None]}

    def with_event(self, event: Any, *args: str) -> str:
        return f"{event.name} {args}"

    def raised(self) -> None:
        raise exceptions.Gone("<b>away</b>")

    def redirected(self, code: str) -> errors.Redirect:
        return self.redirect("/hello", int(code))

    def refused(self) -> errors.Forbidden:
        return self.forbidden("no <entry>")

    def long(self) -> str:
        return "x" * 1000

    def status(self) -> str:
        self.response.status = 201
        return "made"


class Verbs(Controller):
    channel = "/verbs"

    def GET(self, *args: str) -> str:
        return f"GET {args}"

    def PUT(self, *args: str) -> str:
        return f"PUT {args}"


class Api(JSONController):
    channel = "/api"

    def index(self) -> dict[str, bool]:
        return {"success": True}

    def nothing(self) -> None:
        return None

    def missing(self) -> errors.NotFound:
        return self.notfound()


class Deep(BaseController):
    channel = "/deep/er"

    @expose()
    def page(self, x: str) -> str:
        return f"page {x}"

    def hidden(self) -> str:
        return "hidden"


class Watchful(BaseComponent):
    """With it, no event of a request is replaced by a call."""

    channel = "web"

    @handler("request", priority=0.5)
    def _on_request(self, event: Any, request: Any, response: Any) -> None:
        pass

    @handler("response", priority=0.5)
    def _on_response(self, event: Any, *args: Any) -> None:
        pass

    @handler("error", channel="*")
    def _on_error(self, *args: Any) -> None:
        pass


class Silent(BaseComponent):
    """Takes errors that are expected, so that nobody logs them."""

    @handler("error", channel="*")
    def _on_error(self, *args: Any) -> None:
        pass


def site(*parts: Manager) -> Iterator[MemoryServer]:
    with serving(Dispatcher(), Root(), Verbs(), Api(), Deep(), Worker(), *parts) as server:
        yield server


@pytest.fixture(params=["called", "watched"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    for server in site(Watchful() if request.param == "watched" else Silent()):
        yield server.connect()


@pytest.mark.parametrize(
    ("target", "code", "body"),
    [
        ("/", 200, "index () {}"),
        ("/index/1", 200, "index ('1',) {}"),
        ("/hello/", 200, "Hello"),
        ("//hello", 200, "Hello"),
        ("/pair/1", 200, "1|B"),
        ("/pair/1/2", 200, "1|2"),
        ("/pair?b=2&a=1", 200, "1|2"),
        ("/pair/1/2/3", 200, "index ('pair', '1', '2', '3') {}"),
        ("/pair", 400, None),
        ("/pair/1?c=3", 200, "1|B"),
        ("/keywords?a=1&b=&a=2", 200, "{'a': '1', 'b': ''}"),
        ("/keywords?12,34", 200, "{'x': 12, 'y': 34}"),
        ("/keywords?a=%C3%A4", 200, "{'a': 'ä'}"),
        ("/keywords?a=%E4", 400, None),
        ("/index/a%2Fb", 200, "index ('a/b',) {}"),
        ("/pieces", 200, "ab"),
        ("/late", 200, "late"),
        ("/generator", 200, "xyz"),
        ("/called", 200, "worked 1"),
        ("/fired", 200, "worked 2"),
        ("/stepped", 200, "firstlast"),
        ("/nested", 200, "Hello"),
        ("/+test", 200, "other"),
        ("/test.txt", 200, "other"),
        ("/other_names", 200, "index ('other_names',) {}"),
        ("/data", 200, '{"a": [1, null]}'),
        ("/with_event/1", 200, "with_event ('1',)"),
        ("/status", 201, "made"),
        ("/deep/er/page/1", 200, "page 1"),
        ("/deep/er/hidden", 200, "index ('deep', 'er', 'hidden') {}"),
        ("/verbs/1", 200, "GET ('1',)"),
        ("/api", 200, '{"success": true}'),
        ("/api/nothing", 200, "null"),
        ("/started", 200, "index ('started',) {}"),
        ("/a/../hello", 301, None),
    ],
)
def test_a_path_leads_to_a_method(client: Client, target: str, code: int, body: str | None) -> None:
    reply = client.get(target)
    assert (reply.code, body) == (code, body if body is None else reply.body.decode())


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"a=1&a=2&b=", {"a": ["1", "2"], "b": ""}),
        (b"a=1", {"a": "1", "q": "query"}),
        (b"q=form", {"q": "form"}),
    ],
)
def test_a_form_goes_before_the_query(client: Client, body: bytes, fields: dict[str, Any]) -> None:
    target = "/keywords?q=query" if "q" in fields else "/keywords"
    reply = client.ask(post(body, FORM, target=target))
    assert eval(reply.body) == fields


def test_a_body_without_a_type_is_no_form(client: Client) -> None:
    assert client.ask(post(b"a=1", target="/keywords")).body == b"{}"


def test_cookies_are_shared_and_only_changed_ones_are_sent(client: Client) -> None:
    reply = client.get("/cookies", "Cookie: b=1; $bad=2; a=3")
    assert reply.body == b"a,b"
    assert reply.headers["set-cookie"] == "visited=yes; Path=/"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_keeps_the_connection(client: Client, code: int) -> None:
    reply = client.get(f"/redirected/{code}")
    assert (reply.code, reply.headers["location"]) == (code, "http://test/hello")
    assert not client.is_closed


def test_an_exception_has_its_page(client: Client) -> None:
    reply = client.get("/raised")
    assert reply.code == 410
    assert b"&lt;b&gt;away&lt;/b&gt;" in reply.body
    assert b"Traceback" not in reply.body
    assert b"ERROR" not in reply.body
    assert client.is_closed


def test_an_error_page_has_a_title_and_an_escaped_description(client: Client) -> None:
    reply = client.get("/refused")
    assert reply.code == 403
    assert b"<title>403 Forbidden</title>" in reply.body
    assert b"no &lt;entry&gt;" in reply.body


def test_errors_of_a_json_controller_are_json(client: Client) -> None:
    reply = client.get("/api/missing")
    assert (reply.code, reply.headers["content-type"]) == (404, "application/problem+json")
    assert b'"code": 404' in reply.body
    assert b"traceback" not in reply.body


@pytest.mark.parametrize(
    ("method", "target", "code", "allow"),
    [
        ("PATCH", "/verbs", 405, "GET, PUT, HEAD, OPTIONS"),
        ("OPTIONS", "/verbs", 204, "GET, PUT, HEAD, OPTIONS"),
        ("OPTIONS", "*", 204, None),
        ("PUT", "/verbs/1", 200, None),
        ("BREW", "/hello", 200, None),
    ],
)
def test_verbs(client: Client, method: str, target: str, code: int, allow: str | None) -> None:
    reply = client.get(target, method=method)
    assert (reply.code, reply.headers.get("allow")) == (code, allow)


@pytest.mark.parametrize("target", ["/hello", "/pieces", "/verbs/1", "/long", "/refused"])
def test_head_says_what_get_says(client: Client, target: str) -> None:
    whole = client.get(target)
    if client.is_closed:
        client = client.server.connect()
    bare = client.get(target, method="HEAD")
    assert (bare.code, bare.body) == (whole.code, b"")
    assert {**bare.headers, "date": ""} == {**whole.headers, "date": ""}


def test_pipelined_requests_are_answered_in_order(client: Client) -> None:
    client.feed(get("/late") + get("/hello") + get("/pieces"))
    bodies = [part.rpartition(b"\r\n\r\n")[2] for part in client.received.split(b"HTTP/1.1 200")]
    assert bodies[1:] == [b"late", b"Hello", b"ab"]


# -- what stands between ----------------------------------------------------------------------


def ask(*parts: Manager, target: str = "/hello", headers: tuple[str, ...] = ()) -> Reply:
    """Ask a site that has some more parts."""
    for server in site(Silent(), *parts):
        return server.connect().get(target, *headers)
    raise AssertionError


class Compressing(Component):
    channel = "web"

    @handler("response", priority=1.0)
    def compress_response(self, event: Any, response: Any) -> None:
        event[0] = tools.gzip(response)


def test_a_filter_may_compress() -> None:
    reply = ask(Compressing(), target="/long", headers=("Accept-Encoding: gzip",))
    assert reply.headers["content-encoding"] == "gzip"
    assert gzip.decompress(reply.body) == b"x" * 1000


def test_a_filter_may_put_an_error_in_place_of_the_response() -> None:
    reply = ask(Compressing(), headers=("Accept-Encoding: gzip;q=0, identity;q=0",))
    assert reply.code == 406
    assert b"406 Not Acceptable" in reply.body


def test_a_filter_may_change_text() -> None:
    class Upper(Component):
        channel = "web"

        @handler("response", priority=1.0)
        def _on_response(self, response: Any) -> None:
            response.body = "".join(response.body).upper()

    assert ask(Upper()).body == b"HELLO"


def test_a_filter_of_requests_may_answer_or_refuse() -> None:
    class Doorkeeper(Component):
        channel = "web"

        @handler("request", filter=True, priority=1.0)
        def _on_request(self, request: Any, response: Any) -> Any:
            if request.remote.ip != "192.0.2.1":
                return "a stranger"
            return errors.Forbidden(request, response)

    assert ask(Doorkeeper()).code == 403


def test_a_request_may_be_stopped_on_its_way() -> None:
    class Stopping(Component):
        channel = "web"

        @handler("request", priority=0.2)
        def _on_request(self, event: Any, request: Any, response: Any) -> str:
            event.stop()
            return "mine"

    assert ask(Stopping()).body == b"mine"


def test_an_error_page_may_be_made_by_a_handler() -> None:
    class Pages(Component):
        channel = "web"

        @handler("httperror", filter=True)
        def _on_error_page(self, request: Any, response: Any, code: int, **kwargs: Any) -> bool:
            response.body = f"sorry: {code}"
            self.fire(events.Response(response))
            return True

    reply = ask(Pages(), target="/raised")
    assert (reply.code, reply.body) == (410, b"sorry: 410")


def test_basic_authentication_by_a_filter() -> None:
    class Guard(Component):
        channel = "web"

        @handler("request", filter=True, priority=1.0)
        def _on_request(self, request: Any, response: Any) -> Any:
            if not tools.check_auth(request, response, "Test", {"admin": "admin"}, str):
                return tools.basic_auth(request, response, "Test", {"admin": "admin"}, str)
            return None

    refused = ask(Guard())
    assert (refused.code, refused.headers["www-authenticate"]) == (401, 'Basic realm="Test"')
    assert ask(Guard(), headers=("Authorization: Basic YWRtaW46YWRtaW4=",)).body == b"Hello"
    for malformed in ("Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Bogus x", "Digest foo"):
        assert ask(Guard(), headers=(f"Authorization: {malformed}",)).code == 401


# -- names of the 3.x line ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "name", "meant"),
    [
        (events, "request", events.Request),
        (events, "response", events.Response),
        (events, "stream", events.Stream),
        (errors, "httperror", errors.HTTPError),
        (errors, "forbidden", errors.Forbidden),
        (errors, "notfound", errors.NotFound),
        (errors, "redirect", errors.Redirect),
        (errors, "unauthorized", errors.Unauthorized),
    ],
)
def test_classes_have_their_names_in_lower_case(module: Any, name: str, meant: Any) -> None:
    assert getattr(module, name) is meant
    assert getattr(circuits.web, name) is meant
