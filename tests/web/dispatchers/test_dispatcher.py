"""From the path of a request to a method."""

from __future__ import annotations

from typing import Any

import pytest

from circuits import BaseComponent, handler
from circuits.web import events, exceptions, wrappers
from circuits.web._request_body import BodyStream
from circuits.web.controllers import BaseController, Controller, expose
from circuits.web.dispatchers.dispatcher import Dispatcher
from tests.web.controller_support import Site


class Watcher(BaseComponent):
    """Sees every event, so that methods are reached by events instead of calls."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    @handler()
    def _on_any(self, event: Any, *args: Any, **kwargs: Any) -> None:
        self.seen.append(event)


class Root(Controller):
    def index(self) -> str:
        return "index"

    def foo(self, a: str, b: str = "2") -> str:
        return f"foo {a} {b}"

    def pair(self, a: str, b: str) -> str:
        return f"pair {a} {b}"

    def rest(self, *args: str) -> str:
        return "rest " + "|".join(args)

    def any(self, **kwargs: Any) -> str:
        return "any " + repr(sorted(kwargs.items()))

    def only(self, *, key: str) -> str:
        return f"only {key}"

    @expose("+test", "test.txt")
    def other(self) -> str:
        return "other"

    def fails(self) -> str:
        raise TypeError("of the method itself")

    def started(self) -> None:
        """Public, and so exposed: a page of that name is the application's choice."""

    def _private(self) -> str:
        return "private"


@pytest.fixture(params=[False, True], ids=["called", "fired"])
def site(request: pytest.FixtureRequest) -> Site:
    """Both ways to reach a method; nobody may be able to tell which."""
    site = Site(Root())
    if request.param:
        Watcher().register(site)
        site.settle()
    return site


@pytest.mark.parametrize(
    ("path", "qs", "result"),
    [
        ("/", "", "index"),
        ("//", "", "index"),
        ("/index", "", "index"),
        ("/foo/1", "", "foo 1 2"),
        ("/foo/1/", "", "foo 1 2"),
        ("//foo//1/3", "", "foo 1 3"),
        ("/foo", "a=7", "foo 7 2"),
        ("/foo/1", "b=9", "foo 1 9"),
        ("/pair/x/y", "", "pair x y"),
        ("/pair", "a=1&b=2", "pair 1 2"),
        ("/rest", "", "rest "),
        ("/rest/1/2/3", "", "rest 1|2|3"),
        ("/rest/a%2Fb/c", "", "rest a/b|c"),
        ("/any", "", "any []"),
        ("/any", "name=n&cls=c&x=&x=2", "any [('cls', 'c'), ('name', 'n'), ('x', '')]"),
        ("/any", "12,34", "any [('x', 12), ('y', 34)]"),
        ("/only", "key=k", "only k"),
        ("/+test", "", "other"),
        ("/test.txt", "", "other"),
    ],
)
def test_path_and_parameters_lead_to_a_method(site: Site, path: str, qs: str, result: str) -> None:
    for _ in range(2):  # the second time from memory
        outcome = site.ask(path, qs)
        assert outcome.result == result
        assert not outcome.errors


@pytest.mark.parametrize(
    ("path", "qs", "code"),
    [
        ("/nowhere", "", 404),
        ("/_private", "", 404),
        ("/other", "", 404),
        ("/index/1", "", 404),
        ("/foo/1/2/3", "", 404),
        ("/pair/1", "", 404),
        ("/init", "", 404),
        ("/registered", "", 404),
        ("/signal/1", "", 404),
        ("/request", "", 404),
        ("/foo", "", 400),
        ("/pair", "a=1", 400),
        ("/only", "", 400),
        ("/any", "x=%ff", 400),
        ("/fails", "", 500),
    ],
)
def test_what_does_not_fit_is_refused(site: Site, path: str, qs: str, code: int) -> None:
    for _ in range(2):
        assert site.ask(path, qs).code == code
    if code != 500:
        assert site.raised == []


def test_the_request_tells_how_it_was_routed(site: Site) -> None:
    assert site.ask("/").request.index is True
    outcome = site.ask("/foo/1", "b=2")
    assert outcome.request.index is False
    assert outcome.request.args == ("1",)
    assert outcome.request.kwargs == {"b": "2"}
    assert site.ask("/nowhere").request.index is None


def test_an_exception_in_a_method_is_told_about_its_own_event(site: Site) -> None:
    outcome = site.ask("/fails")
    assert outcome.value.errors
    assert [(str(p), name, method) for p, name, method in site.raised] == [
        ("of the method itself", "fails", "fails")
    ]


def test_index_takes_unknown_names_that_it_accepts() -> None:
    class Pages(Controller):
        def index(self, *args: str) -> str:
            return "index " + "|".join(args)

        def foo(self, a: str, b: str) -> str:
            return "foo"

    site = Site(Pages())
    assert site.ask("/a/b").result == "index a|b"
    assert site.ask("/foo/1").result == "index foo|1"
    assert site.ask("/foo/1/2").result == "foo"
    assert site.ask("/_x").result == "index _x"


class World(Controller):
    channel = "/world/country"

    def x(self) -> str:
        return "world x"

    def index(self) -> str:
        return "world"


def test_the_longest_mounted_path_comes_first() -> None:
    class Fallback(Controller):
        def index(self, *args: str) -> str:
            return "root " + "|".join(args)

    site = Site(Fallback(), World())
    assert site.ask("/world/country/x").result == "world x"
    assert site.ask("/world/country/").result == "world"
    assert site.ask("/world/country/y").result == "root world|country|y"
    assert site.ask("/world").result == "root world"
    assert set(site.dispatcher.paths) == {"/", "/world/country"}


def test_a_channel_given_to_an_instance_mounts_it_there() -> None:
    site = Site(Root(channel="/x"))
    assert site.ask("/x/foo/1").result == "foo 1 2"
    assert site.ask("/foo/1").result is None


# -- coming and going -----------------------------------------------------------------------


class Named(Controller):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def index(self) -> str:
        return self.text


def test_the_first_on_a_path_wins_until_it_leaves() -> None:
    first, second = Named("first"), Named("second")
    site = Site(first, second)
    assert site.ask("/").result == "first"
    assert site.dispatcher.paths == {"/": first}
    first.unregister()
    site.settle()
    assert site.ask("/").result == "second"
    assert site.dispatcher.paths == {"/": second}
    second.unregister()
    site.settle()
    assert site.dispatcher.paths == {}
    assert site.ask("/").code == 404


def test_a_controller_that_comes_later_takes_its_paths_at_once(site: Site) -> None:
    assert site.ask("/world/country/x").code == 404
    World().register(site)
    site.settle()
    assert site.ask("/world/country/x").result == "world x"


def test_controllers_that_were_there_before_are_found() -> None:
    top = BaseComponent()
    (top + Root()).tick(0)
    top.tick(0)
    below = BaseComponent()
    dispatcher = Dispatcher().register(below)
    below.tick(0)
    below.register(top)
    for _ in range(3):
        top.tick(0)
    assert set(dispatcher.paths) == {"/"}


def test_controllers_that_the_dispatcher_leaves_behind_are_forgotten() -> None:
    site = Site(Root())
    site.dispatcher.unregister()
    site.settle()
    for _ in range(3):
        site.dispatcher.tick(0)
    assert site.dispatcher.paths == {}


def test_handlers_that_come_and_go_at_run_time() -> None:
    root = Root()
    site = Site(root)
    assert site.ask("/late").code == 404

    @expose("late")
    def late(self: Any) -> str:
        return "late"

    method = root.addHandler(late)
    assert site.ask("/late").result == "late"
    root.removeHandler(method)
    assert site.ask("/late").code == 404


# -- handlers that are not exposed ------------------------------------------------------------


class Explicit(BaseController):
    @handler("plain")
    def _on_plain(self, request: Any, response: Any, *args: str) -> str:
        return "plain " + "|".join(args)

    @handler("elsewhere", channel="other")
    def _on_elsewhere(self, request: Any, response: Any) -> str:
        return "elsewhere"

    @handler("started", channel="*")
    def _on_started(self, component: Any) -> str:
        return "started"

    @handler("connected")
    def _on_connected(self, host: str, port: int) -> str:
        return "connected"

    @expose()
    def shown(self) -> str:
        return "shown"

    def hidden(self) -> str:
        return "hidden"


def test_of_handlers_only_those_for_requests_are_reached() -> None:
    site = Site(Explicit())
    assert site.ask("/plain/1/2").result == "plain 1|2"
    assert site.ask("/shown").result == "shown"
    for path in ("/elsewhere", "/started", "/started/1", "/connected", "/connected/1", "/hidden"):
        assert site.ask(path).code == 404, path


# -- verbs --------------------------------------------------------------------------------------


class Things(BaseController):
    channel = "/things"

    @expose()
    def GET(self, key: str = "") -> str:
        return f"get {key}"

    @expose()
    def DELETE(self, key: str) -> str:
        return f"delete {key}"


def test_verbs_choose_their_methods(site: Site) -> None:
    Things().register(site)
    site.settle()
    assert site.ask("/things/1").result == "get 1"
    assert site.ask("/things/1", method="DELETE").result == "delete 1"
    assert site.ask("/things/1", method="HEAD").result == "get 1"
    assert site.ask("/things/1/2").code == 404
    assert site.ask("/things", method="DELETE").code == 400


def test_a_verb_that_is_missing_is_refused_with_what_there_is() -> None:
    site = Site(Things())
    outcome = site.ask("/things/1", method="POST")
    assert outcome.code == 405
    assert outcome.response.headers["Allow"] == "GET, DELETE, HEAD, OPTIONS"
    assert site.ask("/things/1/2", method="POST").code == 404


def test_options_tell_the_verbs() -> None:
    site = Site(Things())
    outcome = site.ask("/things/1", method="OPTIONS")
    assert outcome.result is outcome.response
    assert outcome.code == 204
    assert outcome.response.headers["Allow"] == "GET, DELETE, HEAD, OPTIONS"
    assert site.ask("*", method="OPTIONS").code == 204


def test_a_link_does_not_reach_another_verb() -> None:
    class Dangerous(BaseController):
        @expose()
        def DELETE(self, *args: str) -> str:
            return "gone"

    site = Site(Dangerous())
    assert site.ask("/DELETE/1").code == 405
    assert site.ask("/DELETE", method="POST").code == 405


def test_named_methods_answer_every_verb(site: Site) -> None:
    for verb in ("GET", "HEAD", "POST", "PATCH"):
        assert site.ask("/foo/1", method=verb).result == "foo 1 2"


# -- bodies and certificates ----------------------------------------------------------------------


def test_form_fields_replace_parameters_of_the_query(site: Site) -> None:
    outcome = site.ask(
        "/any",
        "a=1&b=1",
        "POST",
        body=b"b=2&c=3&c=4",
        Content_Type="application/x-www-form-urlencoded",
    )
    assert outcome.result == "any [('a', '1'), ('b', '2'), ('c', ['3', '4'])]"


def test_other_bodies_are_left_alone(site: Site) -> None:
    outcome = site.ask("/any", method="POST", body=b"{}", Content_Type="application/json")
    assert outcome.result == "any []"
    assert outcome.request.body.read() == b"{}"


def test_a_malformed_form_is_the_client_s_fault(site: Site) -> None:
    outcome = site.ask("/any", method="POST", body=b"x", Content_Type="multipart/form-data")
    assert outcome.code == 400


class Upload(Controller):
    @expose(stream=True)
    def put(self) -> Any:
        return (yield self.request.body.read())

    def form(self, **fields: str) -> str:
        return repr(fields)


_FORM = {"Content_Type": "application/x-www-form-urlencoded"}


def test_it_knows_which_methods_want_a_stream() -> None:
    site = Site(Upload())
    wants = [site.dispatcher.wants_stream(site.ask(path).request) for path in ("/put", "/form")]
    assert wants == [True, False]
    assert site.dispatcher.wants_stream(site.ask("/nowhere").request) is None


@pytest.mark.parametrize("body", [b"a=1", None])
def test_a_stream_method_gets_a_stream_even_of_what_is_there(body: bytes | None) -> None:
    outcome = Site(Upload()).ask("/put", method="POST", body=body, **_FORM)
    assert outcome.result == (body or b"")


def test_other_methods_wait_for_a_body_that_is_streamed() -> None:
    site = Site(Upload())
    stream = BodyStream(100)
    outcome = site.begin("/form", method="POST", body=stream, **_FORM)
    for piece in (b"a=", b"1"):
        stream.feed(piece)
        site.settle()
        assert outcome.result is None
    stream.end()
    site.settle()
    assert outcome.result == "{'a': '1'}"
    outcome.request.body.close()


def test_what_paths_lead_to_is_forgotten_in_another_tree() -> None:
    site = Site(Root())
    dispatcher = site.dispatcher
    site.ask("/foo/1")
    assert dispatcher._choices
    dispatcher.unregister()
    site.settle()
    assert not dispatcher._choices


def test_a_certificate_comes_from_the_connection_only() -> None:
    class Secret(Controller):
        def who(self, peer_cert: Any = None) -> str:
            return repr(peer_cert)

        def index(self) -> str:
            return repr(self.request.peer_cert)

    site = Site(Secret())
    assert site.ask("/who", "peer_cert=forged").result == "None"
    for path in ("/who", "/"):
        request = wrappers.Request(None, "GET", "http", path, (1, 1), "")
        response = wrappers.Response(request)
        value = site.fire(events.Request(request, response, {"subject": "me"}))
        site.settle()
        assert value.value == "{'subject': 'me'}"


# -- a call is not to be told from an event --------------------------------------------------------


def test_whoever_listens_for_the_event_sees_it() -> None:
    class Listener(BaseComponent):
        channel = "/"
        heard: list[str] = []

        @handler("foo_success")
        def _on_foo_success(self, source: Any, value: Any) -> None:
            self.heard.append(value)

    site = Site(Root(), Listener())
    assert site.ask("/foo/1").result == "foo 1 2"
    assert Listener.heard == ["foo 1 2"]


def test_a_listener_that_comes_after_the_first_request_is_seen() -> None:
    site = Site(Root())
    site.ask("/foo/1")
    watcher = Watcher().register(site)
    site.settle()
    site.ask("/foo/1")
    assert "foo" in [event.name for event in watcher.seen]
    foo = next(event for event in watcher.seen if event.name == "foo")
    assert foo.channels == ("/",)
    assert foo.args[2:] == ["1"]


def test_a_method_does_not_overtake_what_earlier_handlers_fired() -> None:
    order: list[str] = []

    class Note(events.WebEvent):
        """Fired before the method is reached."""

    class First(BaseComponent):
        channel = "web"

        @handler("request", priority=10)
        def _on_request(self, request: Any, response: Any) -> None:
            self.fire(Note())

        @handler("note")
        def _on_note(self) -> None:
            order.append("note")

    class Last(Controller):
        def index(self) -> str:
            order.append("index")
            return "x"

    assert Site(First(), Last()).ask("/").result == "x"
    assert order == ["note", "index"]


def test_whoever_waits_for_the_event_is_told() -> None:
    class Waiter(BaseComponent):
        channel = "/"
        told = False

        @handler("go")
        def _on_go(self) -> Any:
            yield self.wait("foo")
            type(self).told = True

    site = Site(Root(), Waiter())
    site.fire(events.WebEvent.create("Go"), "/")
    site.tick(0)
    site.tick(0)
    site.ask("/foo/1")
    assert Waiter.told


def test_other_handlers_of_requests_are_not_asked(site: Site) -> None:
    class Late(BaseComponent):
        channel = "web"

        @handler("request")
        def _on_request(self, request: Any, response: Any) -> str:
            return "late"

    Late().register(site)
    site.settle()
    assert site.ask("/foo/1").result == "foo 1 2"
    assert site.ask("/nowhere").result == "late"


def test_a_generator_that_loses_its_controller_is_cancelled(site: Site) -> None:
    closed: list[str] = []

    class Slow(Controller):
        channel = "/slow"

        def index(self) -> Any:
            try:
                yield self.wait("never")
            finally:
                closed.append(self.request.path)

    slow = Slow().register(site)
    site.settle()
    outcome = site.ask("/slow")
    assert outcome.value.value is None
    slow.unregister()
    site.settle()
    assert closed == ["/slow"]


def test_memory_of_paths_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("circuits.web.dispatchers.dispatcher._CHOICES_LIMIT", 4)
    site = Site(Root())
    for number in range(10):
        assert site.ask(f"/rest/{number}").result == f"rest {number}"
        assert len(site.dispatcher._choices) <= 4
    site.ask("/rest/" + "x" * 1000)
    assert all(len(path) < 300 for _, path in site.dispatcher._choices)


# -- late values ----------------------------------------------------------------------------------


class Answers(BaseComponent):
    channel = "web"

    def __init__(self) -> None:
        super().__init__()
        self.responses: list[wrappers.Response] = []

    @handler("response")
    def _on_response(self, response: wrappers.Response) -> None:
        self.responses.append(response)


def _late_value(site: Site, result: Any = None, problem: Exception | None = None) -> Any:
    request = wrappers.Request(None, "GET", "http", "/", (1, 1), "")
    response = wrappers.Response(request)
    outcome = site.outcomes[id(request)] = type(site.begin("/nowhere"))(request)
    event = events.Request(request, response)
    value = site.fire(event, "nobody")
    site.settle()
    if problem is not None:
        value.fail((type(problem), problem, []))
    else:
        value.setValue(result)
    site.fire(events.WebEvent.create("RequestValueChanged", value), "web")
    site.settle()
    return outcome, response, value


def test_a_late_value_is_answered() -> None:
    answers = Answers()
    site = Site(answers)
    _, response, value = _late_value(site, "late")
    assert answers.responses == [response]
    assert response.body == ["late"]
    assert value.handled


def test_a_late_failure_keeps_its_code() -> None:
    site = Site()
    assert _late_value(site, problem=exceptions.Forbidden())[0].errors[0].code == 403
    assert _late_value(site, problem=KeyError("x"))[0].errors[0].code == 500
    moved = _late_value(site, problem=exceptions.Redirect("/there"))[0].errors[0]
    assert moved.response.headers["Location"].endswith("/there")


def test_a_value_that_was_handled_is_left_alone() -> None:
    answers = Answers()
    site = Site(answers)
    value = site.fire(events.WebEvent.create("Other"), "nobody")
    value.handled = True
    value.setValue("x")
    site.fire(events.WebEvent.create("RequestValueChanged", value), "web")
    site.settle()
    assert answers.responses == []
