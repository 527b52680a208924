"""XMLRPC: calls and answers as the client of the standard library sees them."""

from __future__ import annotations

import datetime
import xmlrpc.client
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest

from circuits import Component
from circuits.web import XMLRPC
from tests.web.dispatchers.rpc_support import VALUES, Peer, peer


@pytest.fixture
def client() -> Iterator[Peer]:
    with peer(XMLRPC("/rpc", rpc_channel="calc")) as client:
        yield client


def send(client: Peer, body: bytes | str) -> bytes:
    reply = client.send(body.encode() if isinstance(body, str) else body)
    assert (reply.code, reply.headers["content-type"]) == (200, "text/xml")
    return reply.body


def ask(client: Peer, method: str, *params: Any) -> Any:
    body = send(client, xmlrpc.client.dumps(params, method, allow_none=True))
    ((result,), name) = xmlrpc.client.loads(body)
    assert name is None
    return result


def fault(client: Peer, body: str | bytes) -> tuple[int, str]:
    with pytest.raises(xmlrpc.client.Fault) as caught:
        xmlrpc.client.loads(send(client, body))
    return caught.value.faultCode, caught.value.faultString


def fault_of(client: Peer, method: str, *params: Any) -> tuple[int, str]:
    return fault(client, xmlrpc.client.dumps(params, method, allow_none=True))


@pytest.mark.parametrize(
    ("method", "params", "result"),
    [
        ("add", [1, 2], 3),
        ("calc.add", [1], 2),
        ("add", ["a", "b"], "ab"),
        ("fooBar", [True, 1.5], [[True, 1.5], {}]),
        ("fooBar", [None, [1, [2]], {"a": {"b": "c"}}], [[None, [1, [2]], {"a": {"b": "c"}}], {}]),
        ("nothing", [], None),
        ("slow", [], "late"),
        ("pieces", [], [1, 2]),
        ("ask", [], ["inner", "answer"]),
        ("passed", [], "answer"),
        ("give", ["Grüße <&> 世界 \U0001f600"], ["Grüße <&> 世界 \U0001f600", None]),
    ],
)
def test_a_call(client: Peer, method: str, params: list[Any], result: Any) -> None:
    assert ask(client, method, *params) == result


def test_the_answer_is_a_method_response_with_one_value(client: Peer) -> None:
    tree = ElementTree.fromstring(send(client, xmlrpc.client.dumps((1, 2), "add")))
    assert tree.tag == "methodResponse"
    assert [element.text for element in tree.findall("./params/param/value/int")] == ["3"]


@pytest.mark.parametrize(
    ("method", "params", "text"),
    [
        ("fail", [], "KeyError: 'no'"),
        ("fail", ["<&>\x85"], "KeyError: '<&>\\x85'"),
        ("missing", [], "LookupError: there is no method 'missing'"),
        ("_private", [], "LookupError: there is no method '_private'"),
        ("add", [], "TypeError: add: missing a required argument: 'a'"),
        ("add", [1, 2, 3], "TypeError: add: too many positional arguments"),
    ],
)
def test_a_failure_is_a_fault(client: Peer, method: str, params: list[Any], text: str) -> None:
    assert fault_of(client, method, *params) == (1, text)


def test_a_handler_may_choose_its_fault() -> None:
    class Shop(Component):
        channel = "shop"

        def buy(self) -> None:
            raise xmlrpc.client.Fault(1234, "sold out")

    with peer(XMLRPC("/rpc"), Shop()) as client:
        assert fault_of(client, "shop.buy") == (1234, "sold out")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (2**40, "OverflowError"),
        ("nul \x00", "ValueError"),
        ("\ud800", "ValueError"),
        (["\x1b"], "ValueError"),
        ({1: 2}, "TypeError"),
        (1j, "TypeError"),
    ],
)
def test_a_result_that_xml_cannot_carry_is_a_fault(client: Peer, value: Any, kind: str) -> None:
    VALUES["odd"] = value
    code, text = fault_of(client, "give", "odd")
    assert (code, text.partition(":")[0]) == (1, kind)


def test_the_text_of_a_fault_is_always_sendable() -> None:
    class Odd(Component):
        channel = "odd"

        def odd(self) -> None:
            raise ValueError("nul \x00 and \ud800")

    with peer(XMLRPC("/rpc"), Odd()) as client:
        assert fault_of(client, "odd.odd") == (1, "ValueError: nul ? and ?")


def test_results_that_contain_themselves_are_a_fault(client: Peer) -> None:
    loop: list[Any] = []
    loop.append(loop)
    VALUES["odd"] = loop
    assert fault_of(client, "give", "odd")[1].startswith("TypeError: ")


def test_dates_and_binary_data_come_as_the_standard_library_has_them(client: Peer) -> None:
    when = xmlrpc.client.DateTime("20260102T03:04:05")
    body = xmlrpc.client.dumps((when, xmlrpc.client.Binary(b"\x00")), "fooBar")
    answer: Any = xmlrpc.client.loads(send(client, body))
    found = answer[0][0][0]
    assert [str(found[0]), found[1].data] == ["20260102T03:04:05", b"\x00"]


def test_dates_and_binary_data_may_come_as_builtin_types() -> None:
    class Types(Component):
        channel = "types"

        def types(self, *args: Any) -> list[str]:
            return [type(a).__name__ for a in args]

    when = datetime.datetime(2026, 1, 2)
    with peer(XMLRPC("/rpc", use_builtin_types=True), Types()) as client:
        assert ask(client, "types.types", when, b"\x00") == ["datetime", "bytes"]


@pytest.mark.parametrize("encoding", ["iso-8859-1", "us-ascii", "utf-16"])
def test_another_encoding(encoding: str) -> None:
    with peer(XMLRPC("/rpc", encoding)) as client:
        body = send(client, xmlrpc.client.dumps(("ä", "世界"), "calc.give"))
        assert xmlrpc.client.loads(body) == ((["ä", "世界"],), None)


@pytest.mark.parametrize("encoding", ["iso-8859-1", "utf-16"])
def test_a_request_says_its_encoding(client: Peer, encoding: str) -> None:
    text = xmlrpc.client.dumps(("ä",), "give", encoding=encoding)
    assert xmlrpc.client.loads(send(client, text.encode(encoding)))[0] == (["ä", None],)


# -- hostile requests ------------------------------------------------------------------------------

BOMB = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;">]>
<methodCall><methodName>give</methodName>
<params><param><value><string>&c;</string></value></param></params></methodCall>"""
EXTERNAL = """<?xml version="1.0"?>
<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<methodCall><methodName>give</methodName>
<params><param><value><string>&a;</string></value></param></params></methodCall>"""


@pytest.mark.parametrize("body", [BOMB, EXTERNAL, "<!DOCTYPE x><methodCall/>"])
def test_document_types_are_refused(client: Peer, body: str) -> None:
    assert fault(client, body) == (1, "ValueError: a call has no document type")
    assert client.calc.calls == []


@pytest.mark.parametrize("levels", [50, 80, 100_000])
def test_depth_is_limited(client: Peer, levels: int) -> None:
    begin, end = "<value><array><data>" * levels, "</data></array></value>" * levels
    head = "<methodCall><methodName>give</methodName><params><param>"
    body = f"{head}{begin}{end}</param></params></methodCall>"
    if levels == 50:
        assert xmlrpc.client.loads(send(client, body))[1] is None
    else:
        assert fault(client, body)[1].startswith("ValueError: the call is nested too deeply")


def test_the_number_of_values_is_limited(client: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("circuits.web.dispatchers.xmlrpc._ELEMENTS_LIMIT", 5_000)
    values = "<value/>" * 5_000
    head = "<methodCall><methodName>give</methodName><params><param><value><array><data>"
    body = f"{head}{values}</data></array></value></param></params></methodCall>"
    assert fault(client, body)[1].startswith("ValueError: the call is nested too deeply, or has")


def call(value: str) -> str:
    params = f"<params><param><value>{value}</value></param></params>"
    return f"<methodCall><methodName>add</methodName>{params}</methodCall>"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no XML",
        "<methodCall>",
        "<methodCall/>",
        "<methodCall></methodCall>",
        "<methodCall><methodName>add</methodName><params>",
        "<x/>",
        "\x00",
        b"\xff\xfe",
        xmlrpc.client.dumps((1,), methodresponse=True),
        call("<int>x</int>"),
        call(f"<int>{'1' * 5000}</int>"),
        call("<strange>x</strange>"),
    ],
)
def test_garbage_is_a_fault(client: Peer, body: str | bytes) -> None:
    assert fault(client, body)[0] == 1
    assert client.calc.calls == []
    assert ask(client, "add", 1) == 2


def test_a_method_without_parameters(client: Peer) -> None:
    body = "<methodCall><methodName>nothing</methodName></methodCall>"
    assert xmlrpc.client.loads(send(client, body)) == ((None,), None)
