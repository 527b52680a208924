"""JSONRPC: requests and answers of both forms, to the letter."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from circuits import Component
from circuits.web import JSONRPC
from circuits.web.dispatchers.jsonrpc import JSONRPCError
from tests.web.dispatchers.rpc_support import VALUES, Peer, peer


@dataclass
class Point:
    x: int
    y: int


@pytest.fixture
def client() -> Iterator[Peer]:
    with peer(JSONRPC("/rpc", rpc_channel="calc")) as client:
        yield client


def ask(client: Peer, message: Any) -> Any:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    reply = client.send(body)
    assert (reply.code, reply.headers["content-type"]) == (200, "application/json")
    return json.loads(reply.body)


# -- the form of the releases before ---------------------------------------------------------------


@pytest.mark.parametrize("identity", [0, 1, "a", None, 1.5, [1], {"a": 1}, True])
def test_the_old_form(client: Peer, identity: Any) -> None:
    answer = ask(client, {"id": identity, "method": "add", "params": [1, 2]})
    assert answer == {"id": identity, "version": "1.1", "result": 3, "error": None}


@pytest.mark.parametrize("extra", [{}, {"version": "1.1"}, {"jsonrpc": "1.0"}, {"params": None}])
def test_parameters_may_be_missing(client: Peer, extra: Any) -> None:
    answer = ask(client, {"id": 1, "method": "fooBar", **extra})
    assert answer == {"id": 1, "version": "1.1", "result": [[], {}], "error": None}


def test_an_object_holds_keywords(client: Peer) -> None:
    params = {"self": 1, "name": 2, "event": 3, "cls": 4}
    assert ask(client, {"id": 1, "method": "fooBar", "params": {"a": 1}})["result"] == [
        [],
        {"a": 1},
    ]
    request = {"jsonrpc": "2.0", "id": 1, "method": "fooBar", "params": params}
    assert ask(client, request)["error"]["code"] == -32602  # "self" is taken
    del params["self"]
    assert ask(client, {**request, "params": params})["result"] == [[], params]


@pytest.mark.parametrize(
    ("request_", "identity", "message"),
    [
        ({"id": 7, "method": "fail"}, 7, "KeyError: 'no'"),
        ({"id": 0, "method": "fail"}, 0, "KeyError: 'no'"),
        ({"id": None, "method": "fail"}, -1, "KeyError: 'no'"),
        ({"method": "fail"}, -1, "KeyError: 'no'"),
        ({"id": 7, "method": "gone"}, 7, "LookupError: there is no method 'gone'"),
        ({"id": 7, "method": "add"}, 7, "TypeError: add: missing a required argument: 'a'"),
        ({"id": 7, "method": 1}, 7, "ValueError: method must be text"),
        ({"id": 7}, 7, "ValueError: method must be text"),
        (
            {"id": 7, "method": "add", "params": 1},
            7,
            "ValueError: params must be a list or an object",
        ),
        ("text", -1, "ValueError: a request must be an object"),
        (1, -1, "ValueError: a request must be an object"),
        (None, -1, "ValueError: a request must be an object"),
    ],
)
def test_errors_of_the_old_form(client: Peer, request_: Any, identity: Any, message: str) -> None:
    error = {"name": "JSONRPCError", "code": 100, "message": message}
    assert ask(client, request_) == {"id": identity, "version": "1.1", "error": error}


def test_what_is_no_json_gets_an_error_of_the_old_form(client: Peer) -> None:
    answer = ask(client, b"{")
    assert (answer["id"], answer["version"], answer["error"]["code"]) == (-1, "1.1", 100)
    assert answer["error"]["message"].startswith("JSONDecodeError: ")


# -- version 2.0: the examples of its specification ------------------------------------------------


def modern(**fields: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", **fields}


def error(code: int, identity: Any = None) -> dict[str, Any]:
    return {"code": code, "id": identity}


def shape(answer: Any) -> Any:
    """An answer; of an error, its code."""
    if isinstance(answer, list):
        return [shape(item) for item in answer]
    assert answer["jsonrpc"] == "2.0"
    if "error" in answer:
        assert answer.keys() == {"jsonrpc", "error", "id"}
        assert answer["error"].keys() == {"code", "message"}
        assert isinstance(answer["error"]["message"], str)
        return error(answer["error"]["code"], answer["id"])
    return answer


@pytest.mark.parametrize("identity", [0, 1, -5, "a", "", 1.5, None])
def test_ids_come_back(client: Peer, identity: Any) -> None:
    answer = ask(client, modern(id=identity, method="add", params=[1, 2]))
    assert answer == modern(id=identity, result=3)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (modern(method="add", params=[42, -23], id=1), modern(result=19, id=1)),
        (modern(method="add", params={"b": 23, "a": 42}, id=3), modern(result=65, id=3)),
        (modern(method="add", params=[1], id=3), modern(result=2, id=3)),
        (modern(method="nothing", id=3), modern(result=None, id=3)),
        (modern(method="nothing", params=None, id=3), modern(result=None, id=3)),
        (modern(method="foobar", id="1"), error(-32601, "1")),
        (b'{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]', error(-32700)),
        (modern(method=1, params="bar"), error(-32600)),
        (modern(method="add", params="bar", id=1), error(-32600, 1)),
        (modern(method="add", params=[1, 2, 3], id=1), error(-32602, 1)),
        (modern(method="add", params={"c": 1}, id=1), error(-32602, 1)),
        (modern(method="fail", id=1), error(-32000, 1)),
        (modern(method="add", params=[1, "a"], id=1), error(-32000, 1)),
        (modern(method="add", params=[1], id=True), error(-32600)),
        (modern(method="add", params=[1], id=[1]), error(-32600)),
        ({"jsonrpc": 2.0, "method": "add", "params": [1], "id": 1}, error(-32600, 1)),
        ({"jsonrpc": "3.0", "method": "add", "params": [1], "id": 1}, error(-32600, 1)),
        (b"[1, ", error(-32700)),
        ([], error(-32600)),
        ([1], [error(-32600)]),
        ([1, 2, 3], [error(-32600)] * 3),
        ([modern(method="add", params=[1], id=1)], [modern(result=2, id=1)]),
        ([{"method": "add", "params": [1], "id": 1}], [error(-32600, 1)]),
        (
            [
                modern(method="add", params=[1, 2], id="1"),
                modern(method="nothing"),
                modern(method="slow", id="2"),
                {"foo": "boo"},
                modern(method="foo.get", params={"name": "myself"}, id="5"),
                modern(method="give", params=["data"], id="9"),
            ],
            [
                modern(result=3, id="1"),
                modern(result="late", id="2"),
                error(-32600),
                error(-32601, "5"),
                modern(result=["data", None], id="9"),
            ],
        ),
    ],
)
def test_version_2(client: Peer, message: Any, expected: Any) -> None:
    assert shape(ask(client, message)) == expected


@pytest.mark.parametrize(
    "message",
    [
        modern(method="nothing"),
        modern(method="fail"),
        modern(method="missing"),
        modern(method="add", params=[]),
        [modern(method="nothing"), modern(method="slow")],
    ],
)
def test_notifications_are_not_answered(client: Peer, message: Any) -> None:
    reply = client.send(json.dumps(message).encode())
    assert (reply.code, reply.body) == (204, b"")
    assert "content-type" not in reply.headers


def test_notifications_are_done(client: Peer) -> None:
    client.send(json.dumps([modern(method="nothing"), modern(method="slow")]).encode())
    assert client.calc.calls == ["nothing", "slow"]


def test_the_calls_of_a_batch_begin_in_their_order(client: Peer) -> None:
    ask(client, [modern(method="add", params=[n], id=n) for n in range(5)])
    assert client.calc.calls == [("add", n, 1) for n in range(5)]


def test_a_handler_may_choose_its_error() -> None:
    class Shop(Component):
        channel = "shop"

        def buy(self, data: Any = None) -> None:
            raise JSONRPCError(1234, "sold out", data)

    with peer(JSONRPC("/rpc"), Shop()) as client:
        request = {"method": "shop.buy", "params": [{"left": 0}], "id": 1}
        expected = {"code": 1234, "message": "sold out", "data": {"left": 0}}
        assert ask(client, modern(**request))["error"] == expected
        assert ask(client, request)["error"] == {"name": "JSONRPCError", **expected}
        del request["params"]
        assert ask(client, modern(**request))["error"] == {"code": 1234, "message": "sold out"}
        VALUES["shop"] = None
    assert str(JSONRPCError(1, "text")) == "text"


# -- limits and odd data ---------------------------------------------------------------------------


@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity"])
def test_constants_that_are_no_json_are_refused(client: Peer, constant: bytes) -> None:
    body = b'{"jsonrpc": "2.0", "method": "give", "params": [%b], "id": 1}' % constant
    assert shape(ask(client, body)) == error(-32700)
    assert client.calc.calls == []


@pytest.mark.parametrize("result", [math.nan, math.inf, b"bytes", {1, 2}, object()])
def test_a_result_that_is_no_json_is_an_error(client: Peer, result: Any) -> None:
    VALUES["odd"] = result
    answer = ask(client, modern(method="give", params=["odd"], id=1))
    assert shape(answer) == error(-32603, 1)
    answer = ask(client, {"method": "give", "params": ["odd"], "id": 1})
    assert answer["error"]["code"] == 100


def test_results_are_what_controllers_may_answer(client: Peer) -> None:
    VALUES["odd"] = [date(2026, 11, 29), Decimal("1.50"), Point(1, 2)]
    answer = ask(client, modern(method="give", params=["odd"], id=1))
    assert answer["result"] == ["2026-11-29", "1.50", {"x": 1, "y": 2}]


def test_the_data_of_an_error_may_be_odd() -> None:
    class Shop(Component):
        channel = "shop"

        def buy(self) -> None:
            raise JSONRPCError(1234, "sold out", object())

    with peer(JSONRPC("/rpc"), Shop()) as client:
        assert shape(ask(client, modern(method="shop.buy", id=1))) == error(-32603, 1)


@pytest.mark.parametrize("depth", [98, 99, 100, 1000, 200_000])
@pytest.mark.parametrize("brackets", ["[]", '{"a":}'])
def test_depth_is_limited(client: Peer, depth: int, brackets: str) -> None:
    begin, end = brackets[:-1], brackets[-1]
    nested = begin * depth + "1" + end * depth
    body = f'{{"jsonrpc": "2.0", "method": "give", "params": [{nested}], "id": 1}}'.encode()
    answer = ask(client, body)
    if depth <= 98:
        assert "result" in answer
    else:
        assert shape(answer) == error(-32700)


def test_brackets_in_text_do_not_count(client: Peer) -> None:
    text = '[{"\\' * 5000
    answer = ask(client, modern(method="give", params=[text], id=1))
    assert answer["result"] == [text, None]


@pytest.mark.parametrize("unit", [b'\\"', b'"', b"\\", b'"[', b'[\\"'])
def test_odd_text_is_looked_at_once(client: Peer, unit: bytes) -> None:
    """Each of these took minutes if every quote were a place to begin anew."""
    answer = ask(client, b'{"jsonrpc": "2.0", "a": "' + b"[" * 101 + unit * 200_000)
    assert shape(answer) == error(-32700)


def test_batches_are_limited() -> None:
    with peer(JSONRPC("/rpc", batch_limit=3)) as client:
        call = modern(method="calc.add", params=[1], id=1)
        assert len(ask(client, [call] * 3)) == 3
        client.calc.calls.clear()
        answer = ask(client, [call] * 4)
        assert shape(answer) == error(-32600)
        assert answer["error"]["message"] == "ValueError: a batch has 1 to 3 calls, not 4"
        assert client.calc.calls == []


def test_a_hundred_calls_are_a_batch(client: Peer) -> None:
    assert len(ask(client, [modern(method="nothing", id=n) for n in range(100)])) == 100
    assert shape(ask(client, [1] * 101)) == error(-32600)


@pytest.mark.parametrize("body", [b"", b"\xff", b'{"jsonrpc": "2.0', b"1" * 5000, b"\x00"])
def test_garbage_is_answered(client: Peer, body: bytes) -> None:
    answer = ask(client, body)
    assert answer["error"]["message"].partition(":")[0] in (
        "JSONDecodeError",
        "UnicodeDecodeError",
        "ValueError",
    )


def test_text_goes_both_ways(client: Peer) -> None:
    text = "Grüße, 世界 \U0001f600 \x00"
    answer = ask(client, modern(method="give", params=[text], id="ü"))
    assert (answer["result"][0], answer["id"]) == (text, "ü")


def test_another_encoding() -> None:
    with peer(JSONRPC("/rpc", "utf-16")) as client:
        body = json.dumps(modern(method="calc.give", params=["ä"], id=1), ensure_ascii=False)
        reply = client.send(body.encode("utf-16"))
        assert json.loads(reply.body.decode("utf-16"))["result"] == ["ä", None]
