"""What methods of controllers return as data, and what requests bring: JSON, forms, cookies."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from circuits import Component, handler, sleep
from circuits.web import Controller, _json, exceptions, expose
from circuits.web._multi_values import MultiValues
from circuits.web._request_body import BodyStream
from circuits.web.dispatchers import Dispatcher
from tests.web.http_support import App, Client, Errors, get, post, serving
from tests.web.support import make, make_request

# -- results -----------------------------------------------------------------------------------


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Color(Enum):
    RED = "red"


class Root(Controller):
    def a_dict(self) -> Any:
        return {"a": [1, None], "p": Point(1)}

    def a_list(self) -> Any:
        return [1, "a"]

    def dicts(self) -> Any:
        return [{"a": 1}, {"a": 2}]

    def nothing(self) -> Any:
        return []

    def empty(self) -> Any:
        return {}

    def pieces(self) -> Any:
        return ["a", b"b", None]

    def texts(self) -> list[str]:
        return ["a", "b"]

    def one_text(self) -> list[str]:
        return ["a"]

    def no_texts(self) -> list[str]:
        return []

    def bits(self) -> list[bytes]:
        return [b"a", b"b"]

    async def texts_later(self) -> list[str]:
        await sleep(0)
        return ["a"]

    def pair(self) -> tuple[str, int]:
        return ("a", 1)

    def record(self) -> Any:
        return Point(1)

    def typed(self) -> Any:
        self.response.headers["Content-Type"] = "application/hal+json"
        return {}

    def generated(self) -> Any:
        yield sleep(0)
        yield {"a": 1}

    async def later(self) -> Any:
        await sleep(0)
        return {"a": 1}

    def is_nan(self) -> Any:
        return {"a": float("nan")}

    def an_object(self) -> Any:
        return {"a": object()}

    def a_number(self) -> Any:
        return 7

    def others(self) -> Any:
        return [
            UUID(int=1),
            Decimal("1.10"),
            date(2026, 11, 29),
            datetime(2026, 11, 29, tzinfo=UTC),
            Color.RED,
        ]


class Seeing(Component):
    channel = "web"

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[Any] = []

    @handler("response", priority=1)
    def _on_response(self, response: Any) -> None:
        self.bodies.append(response.body)


@pytest.mark.parametrize("seeing", [False, True])
@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/a_dict", {"a": [1, None], "p": {"x": 1, "y": 0}}),
        ("/a_list", [1, "a"]),
        ("/dicts", [{"a": 1}, {"a": 2}]),
        ("/nothing", []),
        ("/empty", {}),
        ("/texts", ["a", "b"]),
        ("/one_text", ["a"]),
        ("/no_texts", []),
        ("/texts_later", ["a"]),
        ("/pair", ["a", 1]),
        ("/record", {"x": 1, "y": 0}),
        ("/generated", {"a": 1}),
        ("/later", {"a": 1}),
        ("/others", [str(UUID(int=1)), "1.10", "2026-11-29", "2026-11-29T00:00:00+00:00", "red"]),
    ],
)
def test_data_is_sent_as_json(path: str, data: Any, seeing: bool) -> None:
    with serving(Dispatcher(), Root(), *([Seeing()] if seeing else [])) as server:
        reply = server.connect().get(path)
    assert (reply.code, json.loads(reply.body)) == (200, data)
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["content-length"] == str(len(reply.body))


@pytest.mark.parametrize(("path", "body"), [("/pieces", b"ab"), ("/bits", b"ab")])
def test_pieces_are_a_body(path: str, body: bytes) -> None:
    with serving(Dispatcher(), Root()) as server:
        reply = server.connect().get(path)
    assert (reply.body, reply.headers["content-type"]) == (body, "text/html; charset=utf-8")


def test_a_type_that_is_set_stays() -> None:
    with serving(Dispatcher(), Root()) as server:
        assert server.connect().get("/typed").headers["content-type"] == "application/hal+json"


@pytest.mark.parametrize("path", ["/is_nan", "/an_object", "/a_number"])
def test_what_is_no_data_is_an_error(path: str) -> None:
    errors = Errors()
    with serving(Dispatcher(), Root(), errors) as server:
        assert server.connect().get(path).code == 500
    assert len(errors.seen) == 1


def test_handlers_of_the_response_see_what_was_returned() -> None:
    class Rendering(Component):
        channel = "web"

        @handler("response", priority=1)
        def _on_response(self, response: Any) -> None:
            if isinstance(response.body, dict):
                response.body = f"<p>{response.body['a']}</p>"
            elif isinstance(response.body, int):
                response.body = str(response.body + 1)

    with serving(Dispatcher(), Root(), Rendering()) as server:
        client = server.connect()
        reply = client.get("/later")
        assert (reply.body, reply.headers["content-type"]) == (
            b"<p>1</p>",
            "text/html; charset=utf-8",
        )
        assert client.get("/a_number").body == b"8"


def test_an_error_after_data_is_a_page() -> None:
    class Refusing(Component):
        channel = "web"

        @handler("response", priority=1, filter=True)
        def _on_response(self, event: Any, response: Any) -> None:
            if response.code == 200:
                raise RuntimeError("no")

    with serving(Dispatcher(), Root(), Refusing(), Errors()) as server:
        reply = server.connect().get("/later")
    assert (reply.code, reply.headers["content-type"]) == (500, "text/html; charset=utf-8")


def test_only_methods_of_controllers_return_data() -> None:
    with serving(App(lambda app, request, response: {"a": 1}), Errors()) as server:
        assert server.connect().get("/").code == 500


# -- JSON in requests --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["application/json", "application/hal+json; charset=utf-8"])
def test_a_body_is_decoded(kind: str) -> None:
    request = make_request("POST", headers={"Content-Type": kind}, body='{"a": "ä"}'.encode())
    for _ in range(2):
        assert request.json() == {"a": "ä"}
    assert request.body.read() == '{"a": "ä"}'.encode()


@pytest.mark.parametrize(
    ("kind", "body", "error"),
    [
        ("text/plain", b"{}", exceptions.UnsupportedMediaType),
        (None, b"{}", exceptions.UnsupportedMediaType),
        ("application/json", b"", exceptions.BadRequest),
        ("application/json", b"{", exceptions.BadRequest),
        ("application/json", b"\xff", exceptions.BadRequest),
        ("application/json", b"NaN", exceptions.BadRequest),
        ("application/json", b"[" * 100_000, exceptions.BadRequest),
        ("application/json", b"[1, 2, 3, 4]", exceptions.RequestEntityTooLarge),
    ],
)
def test_a_body_that_is_none_is_told(kind: str | None, body: bytes, error: Any) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    request = make_request("POST", headers=headers, body=body)
    with pytest.raises(error):
        request.json(limit=None if len(body) > 1000 else 10)


class Streaming(Controller):
    @expose(stream=True)
    async def POST(self) -> Any:
        return await self.request.json(limit=20)

    @expose(stream=True)
    def PUT(self) -> Any:
        return self.request.form["a"]


def test_a_stream_is_decoded_when_it_is_complete() -> None:
    kind = "Content-Type: application/json"
    with serving(Dispatcher(), Streaming(), Errors()) as server:
        client = server.connect()
        client.feed(post(b'{"a": 1}', kind)[:-4])
        client.feed(b": 1")
        reply = client.ask(b"}", get("/")[:0])
        assert json.loads(reply.body) == {"a": 1}
        assert server.connect().ask(post(b" " * 30, kind)).code == 413
        assert server.connect().ask(post(b"x", kind)).code == 400


def test_a_stream_has_no_form() -> None:
    request = make_request("POST")
    request.body = BodyStream.of(b"a=1")
    for name in ("form", "files"):
        with pytest.raises(RuntimeError, match="without stream=True"):
            getattr(request, name)


# -- forms -------------------------------------------------------------------------------------

_MULTIPART = (
    b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n2\r\n'
    b'--B\r\nContent-Disposition: form-data; name="f"; filename="x.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\ncontent\r\n--B--\r\n"
)


def test_fields_and_files_of_a_form(tmp_path: Path) -> None:
    request = make_request(
        "POST", headers={"Content-Type": "multipart/form-data; boundary=B"}, body=_MULTIPART
    )
    assert (request.form["a"], request.form.getall("a"), dict(request.form)) == (
        "1",
        ["1", "2"],
        {"a": "1"},
    )
    assert list(request.files) == ["f"]
    file = request.files["f"]
    assert (file.filename, file.content_type, file.size) == ("x.txt", "text/plain", 7)
    assert file.file.read() == b"content"
    assert file.save(tmp_path / "saved") == 7
    assert (tmp_path / "saved").read_bytes() == b"content"
    assert request.files["f"] is file
    request.release()
    assert file.file.closed


def test_what_is_no_form_has_no_fields() -> None:
    request = make_request("POST", headers={"Content-Type": "text/plain"}, body=b"a=1")
    assert not request.form
    assert not make_request().files


def test_another_body_is_another_form() -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    request = make_request("POST", headers=kind, body=b"a=1")
    assert request.form["a"] == "1"
    request.body = BytesIO(b"a=2")
    assert request.form["a"] == "2"


def test_the_query_has_all_values() -> None:
    request = make_request(qs="a=1&b=&a=%C3%A4")
    assert request.query.getall("a") == ["1", "ä"]
    assert dict(request.query) == {"a": "1", "b": ""}
    assert request.query.getall("missing") == []
    with pytest.raises(exceptions.UnicodeError):
        _ = make_request(qs="a=%ff").query


def test_several_values() -> None:
    values = MultiValues([("a", 1), ("b", 2), ("a", 3)])
    assert values == MultiValues([("a", 1), ("a", 3), ("b", 2)])
    assert values == {"a": 1, "b": 2}
    assert values.pairs() == [("a", 1), ("a", 3), ("b", 2)]
    assert repr(values) == "<MultiValues {'a': [1, 3], 'b': [2]}>"
    assert values.get("c") is None


# -- where, and cookies ------------------------------------------------------------------------


def test_the_url_is_text_that_can_be_called() -> None:
    request = make_request(path="/a/b", qs="x=1")
    assert request.url == "http://example.org/a/b?x=1"
    assert request.url("c") == "http://example.org/a/c"
    assert request.url() == "http://example.org/a/b"


def test_cookies_are_what_the_client_sent() -> None:
    request, response = make(headers={"Cookie": "a=1; b=\xe2\x82\xac; c=\xe9"})
    response.set_cookie("d", "4")
    response.set_cookie("a", "5")
    assert request.cookies == {"a": "1", "b": "€", "c": "é"}


def sent(response: Any) -> list[str]:
    response.prepare()
    return list(response.headers.get_all("Set-Cookie"))


def test_a_cookie_is_set_with_its_attributes() -> None:
    _, response = make()
    response.set_cookie("plain", "1")
    response.set_cookie(
        "all",
        "a b",
        max_age=timedelta(minutes=1),
        expires=datetime(2026, 11, 29, tzinfo=UTC),
        path="/x",
        domain="example.org",
        secure=True,
        httponly=True,
        samesite="strict",
    )
    plain, everything = sorted(sent(response), reverse=True)
    assert plain == "plain=1; Path=/; SameSite=Lax"
    assert everything == (
        'all="a b"; Domain=example.org; expires=Sun, 29 Nov 2026 00:00:00 GMT; HttpOnly; '
        "Max-Age=60; Path=/x; SameSite=Strict; Secure"
    )


def test_a_cookie_is_secure_over_tls_and_can_be_deleted() -> None:
    request, response = make(headers={"Cookie": "a=1"})
    request.scheme = "https"
    response.set_cookie("a", "1", samesite="None")
    assert sent(response) == ["a=1; Path=/; SameSite=None; Secure"]
    response.delete_cookie("a")
    assert sent(response) == [
        'a=""; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; SameSite=Lax; Secure'
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "a b"},
        {"name": ""},
        {"name": "a", "path": "/;x"},
        {"name": "a", "domain": "a\r\nb"},
        {"name": "a", "samesite": "maybe"},
        {"name": "a", "samesite": "None"},
    ],
)
def test_what_cannot_stand_in_a_cookie_is_refused(wrong: Any) -> None:
    _, response = make()
    with pytest.raises(ValueError, match=r".+"):
        response.set_cookie(value="x", **wrong)


def test_what_is_written_as_json_is_said() -> None:
    with pytest.raises(TypeError, match="object cannot be written"):
        _json.encode(object())


def test_a_client_reads_back_what_it_was_given() -> None:
    class Jar(Controller):
        def index(self) -> str:
            self.response.set_cookie("a", "€é;,")
            return self.request.cookies.get("a", "-")

    with serving(Dispatcher(), Jar()) as server:
        client: Client = server.connect()
        reply = client.get("/")
        pair = reply.headers["set-cookie"].partition("; Path")[0]
        assert client.get("/", f"Cookie: {pair}").body.decode() == "€é;,"


@pytest.mark.parametrize("path", ["/greet", "/greet?name="])
def test_a_missing_field_is_the_clients_mistake(path: str) -> None:
    class Greeting(Controller):
        def greet(self, name: Any = None) -> Any:
            return f"hello {self.request.query['name']}"

    with serving(Dispatcher(), Greeting()) as server:
        reply = server.connect().get(path)
    if path.endswith("="):
        assert (reply.code, reply.body) == (200, b"hello ")
    else:
        assert reply.code == 400
        assert b"&#x27;name&#x27; is missing." in reply.body


def test_a_missing_field_is_a_key_that_is_not_there() -> None:
    fields: MultiValues[str] = MultiValues([("a", "1")])
    with pytest.raises(KeyError):
        fields["b"]
    assert fields.get("b", "2") == "2"
    assert "b" not in fields
