"""Remote calls: what can be called, and by whom it is heard."""

from __future__ import annotations

import json
from typing import Any

import pytest

from circuits import Component, handler
from circuits.core.events import Event
from circuits.web import JSONRPC, XMLRPC
from circuits.web.dispatchers._rpc import RPC
from tests.web.dispatchers.rpc_support import Peer, peer
from tests.web.http_support import get


def call(peer: Peer, method: str, *params: Any) -> Any:
    request = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1}
    answer = json.loads(peer.send(json.dumps(request).encode()).body)
    return answer["result"] if "result" in answer else answer["error"]["code"]


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "params", "result"),
    [
        ("add", [1, 2], 3),
        ("calc.add", [1], 2),
        ("other.add", [1, 2], -32601),
        ("fooBar", [1], [[1], {}]),
        ("foobar", [], -32601),
        ("foo_bar", [], -32601),
        ("calc.fooBar", [], [[], {}]),
        ("other.both", [], "other"),
        ("missing", [], -32601),
        ("", [], -32601),
        (".add", [1, 2], -32601),
        ("calc.", [], -32601),
        ("*", [], -32601),
        ("*.add", [1, 2], 3),
        ("described", [5], ["described", ["calc"], 5]),
    ],
)
def test_the_name_of_a_method_is_an_event_and_perhaps_a_channel(
    method: str, params: list[Any], result: Any
) -> None:
    with peer(JSONRPC("/rpc", rpc_channel="calc")) as client:
        assert call(client, method, *params) == result


@pytest.mark.parametrize(
    "method", ["calc.read", "read", "calc.started", "started", "calc._private"]
)
@pytest.mark.parametrize("debug", [False, True])
def test_private_names_and_the_framework_s_are_out_of_reach(method: str, debug: bool) -> None:
    with peer(JSONRPC("/rpc"), debug=debug) as client:
        client.calc.calls.clear()
        assert call(client, method, 1) == -32601
        assert call(client, "add_success", 1) == -32601
        assert [c for c in client.calc.calls if isinstance(c, str)] == []


@pytest.mark.parametrize(
    "method",
    [
        "close",
        "web.close",
        "web.write",
        "web.request",
        "web.response",
        "registered",
        "error",
        "httperror",
        "signal",
        "unregistered",
        "generate_events",
        "web._linger",
        "prepare_unregister",
        "page",
        "/.page",
    ],
)
def test_no_handler_of_the_framework_can_be_called(method: str) -> None:
    with peer(JSONRPC("/rpc")) as client:
        assert call(client, method) == -32601
        assert call(client, "add", 1) == 2
        assert not client.client.is_closed


def test_the_framework_does_not_hear_what_the_application_handles_by_the_same_name() -> None:
    heard = []

    class Mine(Component):
        channel = "mine"

        def close(self, *args: Any) -> str:
            heard.append(args)
            return "mine"

    names = {"close", "mine.close"}
    with peer(JSONRPC("/rpc", methods=names), Mine()) as client:
        # On all channels there are two of the application, and the transport.
        assert sorted(call(client, "close", 7)) == ["closed", "mine"]
        assert call(client, "mine.close", 8) == "mine"
        assert call(client, "another.close") == -32601
        assert heard == [(7,), (8,)]
        assert not client.client.is_closed


def test_controllers_are_not_called() -> None:
    with peer(JSONRPC("/rpc")) as client:
        assert call(client, "add", 1, 2) == 3
        assert client.client.ask(get("/page")).body == b"a page"


def test_methods_can_be_listed() -> None:
    with peer(JSONRPC("/rpc", methods=["calc.add"])) as client:
        assert call(client, "calc.add", 1) == 2
        assert call(client, "add", 1) == -32601
        assert call(client, "calc.fooBar") == -32601
    with pytest.raises(TypeError, match="methods must be a collection of names, not 'add'"):
        JSONRPC(methods="add")


def test_unknown_names_leave_nothing_behind() -> None:
    with peer(JSONRPC("/rpc"), debug=True) as client:
        assert call(client, "calc.add", 1) == 2
        routes = client.client.server._tree_engine.routes
        before = set(routes.cache)
        for number in range(20):
            assert call(client, f"strange{number}") == -32601
            assert call(client, f"calc.strange{number}") == -32601
        assert set(routes.cache) == before
        assert not [name for name in RPC._event_created if "strange" in str(name)]


def test_components_that_come_later_can_be_called_and_those_that_went_not() -> None:
    class Late(Component):
        channel = "late"

        def hello(self) -> str:
            return "hello"

    with peer(JSONRPC("/rpc")) as client:
        assert call(client, "hello") == -32601
        late = Late().register(client.client.server)
        assert call(client, "hello") == "hello"
        late.unregister()
        assert call(client, "add", 1) == 2
        assert call(client, "hello") == -32601


# -- results ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("calc.slow", "late"),
        ("calc.pieces", [1, 2]),
        ("calc.ask", ["inner", "answer"]),
        ("calc.passed", "answer"),
        ("calc.nothing", None),
    ],
)
def test_a_handler_may_take_its_time(method: str, result: Any) -> None:
    with peer(JSONRPC("/rpc")) as client:
        assert call(client, method) == result


def test_several_results_are_a_list() -> None:
    with peer(JSONRPC("/rpc")) as client:
        assert sorted(call(client, "both")) == ["another", "other"]


def test_a_call_leaves_no_handler_behind() -> None:
    with peer(JSONRPC("/rpc")) as client:
        dispatcher = next(c for c in client.client.server.components if isinstance(c, JSONRPC))
        before = len(dispatcher.handlers()) if hasattr(dispatcher, "handlers") else 0
        count = len(dispatcher._tree_specs)
        for _ in range(3):
            assert call(client, "calc.slow") == "late"
            assert call(client, "calc.fail") == -32000
        assert len(dispatcher._tree_specs) == count
        assert (len(dispatcher.handlers()) if hasattr(dispatcher, "handlers") else 0) == before
        assert len(dispatcher._tree_engine.tasks) == 0


# -- requests --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [JSONRPC, XMLRPC])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS"])
def test_only_post_is_taken(kind: type[JSONRPC | XMLRPC], method: str) -> None:
    with peer(kind("/rpc")) as client:
        reply = client.client.ask(get("/rpc", method=method))
        assert (reply.code, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("target", ["/rpc", "/rpc/", "/rpc?a=1"])
@pytest.mark.parametrize("path", ["/rpc", "/rpc/", "rpc"])
def test_the_path_is_the_whole_path(path: str, target: str) -> None:
    body = b'{"jsonrpc": "2.0", "method": "add", "params": [1], "id": 1}'
    with peer(JSONRPC(path)) as client:
        assert json.loads(client.send(body, target).body)["result"] == 2
        for other in ("/", "/rpc2", "/rpc/more", "/RPC"):
            assert client.send(body, other).code == 404


@pytest.mark.parametrize("path", [None, "/"])
def test_it_may_answer_everywhere_or_at_the_root(path: str | None) -> None:
    body = b'{"jsonrpc": "2.0", "method": "add", "params": [1], "id": 1}'
    with peer(JSONRPC(path)) as client:
        assert json.loads(client.send(body, "/").body)["result"] == 2
        expected = 405 if path is None else 200
        assert client.client.ask(get("/page")).code == expected


def test_bodies_are_gathered_where_others_want_them_piecemeal() -> None:
    class Greedy(Component):
        channel = "web"

        @handler("request", stream=True, priority=1)
        def _on_request(self, request: Any, response: Any) -> None:
            """Look at nothing."""

    body = b'{"jsonrpc": "2.0", "method": "add", "params": [1], "id": 1}'
    with peer(JSONRPC("/rpc"), Greedy()) as client:
        assert json.loads(client.send(body).body)["result"] == 2


def test_the_event_takes_any_arguments() -> None:
    event = RPC.create("fooBar", 1, self=2, name=3, cls=4)
    assert isinstance(event, RPC)
    assert isinstance(event, Event)
    assert (event.name, event.args, event.kwargs) == (
        "fooBar",
        [1],
        {"self": 2, "name": 3, "cls": 4},
    )
