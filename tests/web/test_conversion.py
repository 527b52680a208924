"""Parameters that are made what annotations say, and what is said of those that cannot be."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuits import Component, handler
from circuits.web import Controller, JSONController, _conversion, _json, expose
from circuits.web._conversion import BodyType, Converter, make_converter
from circuits.web._upload import Upload
from circuits.web.headers import Headers
from tests.web.controller_support import Outcome, Site


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


UserId = NewType("UserId", int)
_UUID = "12345678-1234-5678-1234-567812345678"

# -- one value ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (int, "5", 5),
        (int, "-5", -5),
        (int, "+5", 5),
        (float, "1.5", 1.5),
        (float, "1e3", 1000.0),
        (bool, "1", True),
        (bool, "Yes", True),
        (bool, "ON", True),
        (bool, "false", False),
        (bool, "0", False),
        (str, "5", "5"),
        (str, "", ""),
        (bytes, "ä", "ä".encode()),
        (Decimal, "1.10", Decimal("1.10")),
        (UUID, _UUID, UUID(_UUID)),
        (date, "2026-11-29", date(2026, 11, 29)),
        (datetime, "2026-11-29T06:38:16Z", datetime(2026, 11, 29, 6, 38, 16, tzinfo=UTC)),
        (Color, "red", Color.RED),
        (Level, "2", Level.HIGH),
        (Literal["a", 1, True], "1", 1),
        (Literal["a", 1, True], "true", True),
        (int | None, "5", 5),
        (int | None, "", None),
        (date | None, "", None),
        (str | None, "", ""),
        (int | str, "5", 5),
        (int | str, "x", "x"),
        (UserId, "5", 5),
        (Annotated[int, "a note"], "5", 5),
        (int, ["5", "6"], 5),
        (str, ["5", "6"], "5"),
        (list[int], ["5", "6"], [5, 6]),
        (list[int], "5", [5]),
        (list[str] | None, ["", "a"], ["", "a"]),
        (list, ["a"], ["a"]),
        (list[Any], ["a"], ["a"]),
        (int, 12, 12),  # of a click on an image map
    ],
)
def test_text_becomes_what_is_asked_for(annotation: Any, text: Any, value: Any) -> None:
    converter = make_converter(annotation)
    assert isinstance(converter, Converter)
    made = converter(text)
    assert made == value
    assert type(made) is type(value)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, ""),
        (int, "x"),
        (int, "1.0"),
        (int, "1_000"),
        (int, " 1"),
        (int, "٣"),
        (int, "9" * 5000),
        (float, "nan"),
        (float, "inf"),
        (float, "1_0"),
        (Decimal, "NaN"),
        (Decimal, "x"),
        (Decimal, "１"),
        (bool, "2"),
        (bool, ""),
        (UUID, "123"),
        (date, "2026-13-01"),
        (datetime, "yesterday"),
        (Color, "RED"),
        (Level, "LOW"),
        (Literal["a"], "b"),
        (int | None, "x"),
        (int | date, "x"),
        (list[int], ["5", "x"]),
    ],
)
def test_what_does_not_fit_is_told(annotation: Any, text: Any) -> None:
    converter = make_converter(annotation)
    assert isinstance(converter, Converter)
    with pytest.raises(ValueError, match=r"^'"):
        converter(text)


def test_a_file_is_bytes_or_an_upload_and_nothing_else() -> None:
    upload = Upload("a", "a.txt", Headers(), BytesIO(b"content"))

    def made(annotation: Any) -> Any:
        converter = make_converter(annotation)
        assert isinstance(converter, Converter)
        return converter(upload)

    assert made(bytes) == b"content"
    assert made(Upload) is upload
    for annotation in (str, int, Color):
        with pytest.raises(ValueError, match=r"^a file$"):
            made(annotation)
    of_text = make_converter(Upload)
    assert isinstance(of_text, Converter)
    with pytest.raises(ValueError, match="'text'"):
        of_text("text")


@pytest.mark.parametrize("annotation", [Any, object])
def test_what_says_nothing_converts_nothing(annotation: Any) -> None:
    assert make_converter(annotation) is None


@pytest.mark.parametrize("annotation", [Path, dict, dict[str, int], set[int], tuple, complex, None])
def test_nothing_can_be_converted_to_other_types(annotation: Any) -> None:
    with pytest.raises(TypeError, match="cannot be converted to"):
        make_converter(annotation)


# -- methods -----------------------------------------------------------------------------------


class Items(Controller):
    def item(self, number: int, color: Color = Color.RED) -> str:
        return f"{number!r} {color.name}"

    def rest(self, first: str, *numbers: int) -> str:
        return f"{first} {numbers}"

    def many(self, tag: list[str], size: list[int] | None = None) -> str:
        return f"{tag} {size}"

    def keyword(self, *, limit: int = 10) -> str:
        return f"{limit!r}"

    def every(self, **values: Any) -> str:
        return f"{values}"

    def text(self, name: str) -> str:
        return repr(name)

    def told(self, event: Any, number: int) -> str:
        return f"{event.name} {number!r}"

    @expose(strict=True)
    def exact(self, number: int = 0) -> str:
        return f"{number}"

    def index(self, page: int = 1) -> str:
        return f"page {page!r}"

    def suspended(self, number: int) -> Any:
        yield f"{number + 1}"

    def later(self, when: Later) -> str:
        return when.name

    def calls(self, number: int) -> str:
        return self.item(number + 1)


class Later(Enum):
    NOW = "now"


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("path", "qs", "result"),
    [
        ("/item/5", "", "5 RED"),
        ("/item/5", "color=blue", "5 BLUE"),
        ("/item", "number=5", "5 RED"),
        ("/rest/a/1/2", "", "a (1, 2)"),
        ("/many", "tag=a&tag=b&size=1&size=2", "['a', 'b'] [1, 2]"),
        ("/many", "tag=a", "['a'] None"),
        ("/keyword", "limit=5", "5"),
        ("/keyword", "", "10"),
        ("/keyword", "utm_source=x", "10"),
        ("/every", "a=1&b=2", "{'a': '1', 'b': '2'}"),
        ("/told/5", "", "told 5"),
        ("/", "page=2", "page 2"),
        ("/3", "", "page 3"),
        ("/suspended/5", "", "6"),
        ("/later/now", "", "NOW"),
        ("/calls/5", "", "6 RED"),
    ],
)
def test_methods_get_what_they_ask_for(path: str, qs: str, result: str) -> None:
    site = Site(Items())
    for _ in range(2):  # the second time from memory
        outcome = site.ask(path, qs)
        assert outcome.result == result, site.raised


WORDS = [
    "number",
    "color",
    "tag",
    "size",
    "limit",
    "name",
    "page",
    "x",
    "5",
    "red",
    "%35",
    "=",
    "&",
]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["item", "item/5", "rest/a/1", "many", "every", "text/a", "exact", "3"]
            ),
            st.lists(st.sampled_from(WORDS), max_size=7).map("".join),
        ),
        max_size=6,
    )
)
def test_what_was_made_of_a_query_is_kept_for_the_same_one_only(
    asked: list[tuple[str, str]],
) -> None:
    def said(site: Site, path: str, qs: str) -> tuple[object, ...]:
        outcome = site.ask(f"/{path}", qs)
        return outcome.code, outcome.result, [error.description for error in outcome.errors]

    site = Site(Items())
    for path, qs in [*asked, *asked]:
        assert said(site, path, qs) == said(Site(Items()), path, qs)


def test_what_is_kept_of_queries_is_bounded_and_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("circuits.web.dispatchers.dispatcher._BOUND_LIMIT", 4)
    seen: list[Any] = []

    class Root(Controller):
        def every(self, **values: Any) -> str:
            self.request.kwargs.clear()  # type: ignore[union-attr]
            return str(values.pop("a"))

        def many(self, tag: list[str]) -> str:
            tag.append("mine")
            return str(len(tag))

        def index(self, path: str, a: str = "") -> str:
            return a

        def told(self, event: Any, **values: Any) -> str:
            seen.append(dict(event.kwargs))
            event.kwargs.clear()
            return ""

    class Listener(Component):
        @handler("told", channel="*", priority=-1)
        def _on_told(self, *args: Any, **kwargs: Any) -> None:
            """Have the event fired."""

    site = Site(Root())
    Listener().register(site)
    for number in range(20):
        for _ in range(2):
            assert site.ask("/every", f"a={number}").result == f"{number}"
            assert site.ask("/many", "tag=a").result == "2"
            site.ask("/told", f"a={number}")
            assert seen[-1] == {"a": str(number)}
        site.ask("/every", "a=" + "x" * 200)
        site.ask("/" + "x" * 300, "a=1")
        assert len(site.dispatcher._bound) <= 4
    for (_, qs), (segments, _values) in site.dispatcher._bound.items():
        assert len(qs) + len("".join(segments)) < 200
    Root(channel="/other").register(site)
    site.settle()
    assert not site.dispatcher._bound


def description(outcome: Outcome) -> str:
    assert outcome.errors
    return str(outcome.errors[0].description)


@pytest.mark.parametrize(
    ("path", "qs", "said"),
    [
        ("/item/x", "", "Parameter number must be int, not 'x'."),
        (
            "/item/1",
            "color=pink",
            "Parameter color must be Color, one of 'red', 'blue', not 'pink'.",
        ),
        ("/rest/a/1/b", "", "Parameter number 3 must be int, not 'b'."),
        ("/many", "tag=a&size=1&size=x", "Parameter size must be list[int], not 'x'."),
        ("/item/" + "x" * 500, "", f"Parameter number must be int, not {'x' * 500!r:.80}."),
        ("/x", "", "Parameter page must be int, not 'x'."),
        ("/exact", "number=1&other=2", "Unexpected parameter: other"),
    ],
)
def test_a_misfit_is_bad_and_says_which_and_why(path: str, qs: str, said: str) -> None:
    outcome = Site(Items()).ask(path, qs)
    assert (outcome.code, description(outcome)) == (400, said)


def test_a_form_counts_before_the_query_and_gives_all_its_values() -> None:
    site = Site(Items())
    body = b"tag=c&tag=d"
    outcome = site.ask("/many", "tag=a", method="POST", body=body, Content_Type=FORM)
    assert outcome.result == "['c', 'd'] None"
    outcome = site.ask("/many", "tag=a&tag=b", method="POST", body=b"size=5", Content_Type=FORM)
    assert outcome.result == "['a', 'b'] [5]"
    outcome = site.ask("/text", method="POST", body=b"name=a&name=b", Content_Type=FORM)
    assert outcome.result == "'a'"


def test_what_is_annotated_with_nonsense_is_refused_with_the_class() -> None:
    with pytest.raises(TypeError, match=r"parameter path of .*read.* converted to pathlib\..*Path"):

        class Files(Controller):
            def read(self, path: Path) -> str:
                return ""


def test_a_name_that_is_never_defined_is_told_by_the_first_request() -> None:
    class Lost(Controller):
        def page(self, thing: Nowhere) -> str:  # type: ignore[name-defined]  # noqa: F821
            return ""

    site = Site(Lost())
    assert site.ask("/page/1").code == 500
    assert "parameter thing of" in str(site.raised[0][0])
    assert "must be imported at run time" in str(site.raised[0][0])


def test_names_of_the_function_around_a_class_are_found() -> None:
    class Size(Enum):
        SMALL = "s"

    class Sizes(Controller):
        def index(self, size: Size) -> str:
            return size.name

    assert Site(Sizes()).ask("/s").result == "SMALL"


def test_below_a_json_controller_errors_are_problems() -> None:
    class Api(JSONController):
        channel = "/api"

        def item(self, number: int) -> int:
            return number

        def GET(self, number: int) -> int:
            return number

    class Verbs(JSONController):
        channel = "/verbs"

        def GET(self) -> None:
            """Nothing."""

    site = Site(Api(), Verbs())
    assert site.ask("/api/5").result == "5"
    for path, method, code in (("/api/x", "GET", 400), ("/verbs", "PUT", 405)):
        outcome = site.ask(path, method=method)
        assert outcome.code == code
        page = str(outcome.errors[0])
        assert outcome.response.headers["Content-Type"] == "application/problem+json"
        assert f'"status": {code}' in page


# -- bodies ------------------------------------------------------------------------------------


@dataclasses.dataclass
class Place:
    street: str
    number: int = 1


@dataclasses.dataclass
class Person:
    name: str
    age: int
    tags: list[str] = dataclasses.field(default_factory=list)
    place: Place | None = None


class People(JSONController):
    channel = "/people"

    @classmethod
    def define(cls) -> type[JSONController]:
        """The rest, which cannot be defined without the extra."""

        class Defined(cls):  # type: ignore[misc, valid-type]
            def POST(self, person: Person) -> Any:
                return [person.name, person.age, person.tags, person.place]

            def PUT(self, number: int, people: list[Person]) -> Any:
                return [number, len(people)]

            def PATCH(self, person: Person | None) -> Any:
                return person is None

        return Defined


@pytest.fixture
def people() -> Site:
    pytest.importorskip("msgspec")
    return Site(People.define()())


JSON = "application/json"


def test_a_body_becomes_an_object(people: Site) -> None:
    body = b'{"name": "Ann", "age": 5, "place": {"street": "S"}}'
    outcome = people.ask("/people", method="POST", body=body, Content_Type=JSON)
    assert outcome.result == '["Ann", 5, [], {"street": "S", "number": 1}]'
    outcome = people.ask(
        "/people", method="POST", body=b"name=Ann&age=5&tags=a&tags=b&x=y", Content_Type=FORM
    )
    assert outcome.result == '["Ann", 5, ["a", "b"], null]'
    body = b'[{"name": "Ann", "age": 5}]'
    assert people.ask("/people/7", method="PUT", body=body, Content_Type=JSON).result == "[7, 1]"
    assert people.ask("/people", method="PATCH").result == "true"


@pytest.mark.parametrize(
    ("body", "kind", "code", "said"),
    [
        (b'{"name": "Ann", "age": "x"}', JSON, 422, "$.age"),
        (b'{"name": "Ann"}', JSON, 422, "`age`"),
        (b'{"name": "Ann", "age": 5, "place": {"street": 5}}', JSON, 422, "$.place.street"),
        (b"name=Ann&age=x", FORM, 422, "$.age"),
        (b'{"name": ', JSON, 400, "no JSON"),
        (b"\xff", JSON, 400, "no JSON"),
        (b"[" * 100_000, JSON, 400, ""),
        (b"hello", "text/plain", 415, "must be Person"),
        (None, JSON, 400, "no body"),
    ],
)
def test_a_body_that_does_not_fit_is_told_where(
    people: Site, body: bytes | None, kind: str, code: int, said: str
) -> None:
    outcome = people.ask("/people", method="POST", body=body, Content_Type=kind)
    assert outcome.code in (code, 422 if body == b"[" * 100_000 else code)
    assert said in description(outcome)


def test_a_struct_is_read_and_written() -> None:
    msgspec = pytest.importorskip("msgspec")
    point = msgspec.defstruct("point", [("x", int), ("y", int, 0)], rename="upper")

    class Points(JSONController):
        def POST(self, at: point) -> Any:  # type: ignore[valid-type]
            return at

    outcome = Site(Points()).ask("/", method="POST", body=b'{"X": 5}', Content_Type=JSON)
    assert outcome.result == '{"X": 5, "Y": 0}'


def test_one_body_is_one_parameter() -> None:
    pytest.importorskip("msgspec")
    with pytest.raises(TypeError, match="takes the body of a request twice"):

        class Twice(Controller):
            def POST(self, a: Person, b: Place) -> None:
                """Nothing."""

    with pytest.raises(TypeError, match="stream=True"):

        class Streamed(Controller):
            @expose(stream=True)
            def POST(self, a: Person) -> None:
                """Nothing."""


def test_without_the_extra_an_object_is_refused_with_the_class(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_conversion, "_msgspec", None)
    with pytest.raises(TypeError, match=r"needs msgspec: install circuits\[typed\]"):
        People.define()


def test_records_are_known_without_the_extra() -> None:
    assert _json.is_record(Person)
    assert not _json.is_record(Person("Ann", 5))
    assert isinstance(BodyType(Person, False).what, str)
