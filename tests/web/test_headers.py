from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuits.web import headers as module
from circuits.web.headers import (
    AcceptElement,
    HeaderElement,
    Headers,
    header_elements,
    parse_headers,
    replaced_by,
    split_quoted,
    to_wire,
)


def test_names_compare_without_case_and_keep_their_spelling() -> None:
    h = Headers([("Content-Type", "a")])
    assert h["content-type"] == h["CONTENT-TYPE"] == "a"
    assert "content-TYPE" in h
    assert h.has_key("Content-type")
    assert h.keys() == ["Content-Type"]
    assert isinstance(h, dict)


def test_missing_fields() -> None:
    h = Headers()
    assert h["A"] is None
    assert h.get("A") is None
    assert h.get("A", "x") == "x"
    assert h.get_all("A") == []
    assert h.elements("A") == []
    assert h.pop("A") is None
    assert h.pop("A", "x") == "x"
    assert 1 not in h  # answered, not raised
    del h["A"]
    assert not h


def test_duplicates_in_order() -> None:
    h = Headers([("A", "1"), ("B", "2"), ("a", "3")])
    assert h["A"] == "1"
    assert h.get_all("a") == ["1", "3"]
    assert h.keys() == ["A", "B", "a"]
    assert h.values() == ["1", "2", "3"]
    assert h.items() == [("A", "1"), ("B", "2"), ("a", "3")]
    assert list(h) == ["A", "B", "a"]
    assert list(reversed(h)) == ["a", "B", "A"]
    assert len(h) == 3


def test_setting_replaces_all_and_goes_to_the_end() -> None:
    h = Headers([("A", "1"), ("B", "2"), ("a", "3")])
    h["A"] = 4
    assert h.items() == [("B", "2"), ("A", "4")]
    assert h["a"] == "4"


def test_deleting_and_popping_drop_all() -> None:
    h = Headers([("A", "1"), ("B", "2"), ("a", "3")])
    assert h.pop("a") == "1"
    assert h.items() == [("B", "2")]
    assert "A" not in h
    del h["b"]
    assert len(h) == 0


def test_setdefault_and_append() -> None:
    h = Headers()
    assert h.setdefault("A", 1) == "1"
    assert h.setdefault("a", 2) == "1"
    h.append("A", "2")
    assert h.get_all("A") == ["1", "2"]
    assert h["A"] == "1"
    h.append("B", b"bytes")
    assert h["B"] == "bytes"


def test_add_header_with_parameters() -> None:
    h = Headers()
    h.add_header("Content-Disposition", "attachment", filename='a"b\\c', x_y=1, bare=None)
    assert h["Content-Disposition"] == 'attachment; filename="a\\"b\\\\c"; x-y="1"; bare'
    h.add_header("X", None, q="1")
    assert h["X"] == 'q="1"'


def test_the_list_is_copied_and_only_a_list_is_taken() -> None:
    pairs = [("A", "1")]
    h = Headers(pairs)
    h["B"] = "2"
    assert pairs == [("A", "1")]
    assert len(Headers()) == 0
    for wrong in ({"A": "1"}, (("A", "1"),), "A: 1"):
        with pytest.raises(TypeError):
            Headers(wrong)  # type: ignore[arg-type]  # the point


def test_text() -> None:
    assert str(Headers([("A", "1"), ("B", "2")])) == "A: 1\r\nB: 2\r\n\r\n"
    assert repr(Headers([("A", "1")])) == "Headers([('A', '1')])"


@pytest.mark.parametrize("bad", ["a\rb", "a\nb", "a\0b", "a\r\nSet-Cookie: x"])
def test_values_that_would_split_a_line_are_refused(bad: str) -> None:
    h = Headers()
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        h["A"] = bad
    for refuse in (h.append, h.setdefault, h.add_header):
        with pytest.raises(ValueError, match="CR, LF or NUL"):
            refuse("A", bad)
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        h.update({"A": bad})
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        Headers([("A", bad)])
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        h.add_header("A", "x", p=bad)
    assert h.items() == []


@pytest.mark.parametrize("bad", ["", "A:", "A B", "A\r\n", "A\0", "é"])
def test_names_must_be_tokens(bad: str) -> None:
    with pytest.raises(ValueError, match="not a header name"):
        Headers()[bad] = "x"


def test_checked_names_are_bounded() -> None:
    h = Headers()
    for i in range(module._CHECKED_LIMIT + 10):
        h[f"X-{i}"] = "1"
    assert len(module._checked) <= module._CHECKED_LIMIT


def test_plain_dictionaries_see_the_fields() -> None:
    h = Headers([("A", "1"), ("B", "2")])
    assert dict(h) == {"A": "1", "B": "2"}
    assert {**h} == {"A": "1", "B": "2"}
    assert h == {"A": "1", "B": "2"}
    assert h == Headers([("a", "1"), ("b", "2")])
    assert h != Headers([("a", "1")])
    assert h != 1


def test_the_rest_of_a_dictionary() -> None:
    h = Headers([("A", "1")])
    h.update({"B": 2}, C="3")
    h |= {"D": "4"}
    assert (h | {"A": "9"})["A"] == "9"
    assert h["A"] == "1"
    assert h.popitem() == ("D", "4")
    assert "D" not in h
    other = h.copy()
    other["A"] = "2"
    assert h["A"] == "1"
    assert copy.copy(h) == h
    assert pickle.loads(pickle.dumps(h)) == h
    h.clear()
    assert not h
    assert "A" not in h
    with pytest.raises(KeyError):
        h.popitem()


def test_from_pairs_is_independent() -> None:
    pairs = (("A", "1"), ("A", "2"))
    h = Headers.from_pairs(pairs)
    assert h["a"] == "1"
    h["A"] = "3"
    assert Headers.from_pairs(pairs).get_all("A") == ["1", "2"]


_names = st.sampled_from(["A", "a", "B", "Content-Type", "content-type"])
_steps = st.lists(
    st.tuples(st.sampled_from(["set", "append", "del", "get", "pop"]), _names, st.text("xyz"))
)


@given(_steps)
def test_it_behaves_like_a_list_of_pairs(steps: list[tuple[str, str, str]]) -> None:
    h = Headers()
    model: list[tuple[str, str]] = []
    for step, name, value in steps:
        others = [pair for pair in model if pair[0].lower() != name.lower()]
        if step == "set":
            h[name] = value
            model = [*others, (name, value)]
        elif step == "append":
            h.append(name, value)
            model = [*model, (name, value)]
        elif step == "get":
            first = next((v for n, v in model if n.lower() == name.lower()), None)
            assert h[name] == h.get(name) == first
        else:
            if step == "del":
                del h[name]
            else:
                h.pop(name)
            model = others
        assert h.items() == model
        assert (name in h) == any(n.lower() == name.lower() for n, _ in model)


# -- elements --------------------------------------------------------------------------------


def test_parsing_an_element() -> None:
    assert HeaderElement.parse("token;key=val") == ("token", {"key": "val"})
    assert HeaderElement.parse(' a ; b = "c;d\\"e" ; f') == ("a", {"b": 'c;d"e', "f": ""})
    assert HeaderElement.parse("") == ("", {})


def test_text_of_an_element() -> None:
    assert str(HeaderElement("a")) == "a"
    assert str(HeaderElement.from_str("a; b=c;d")) == "a;b=c;d"
    assert str(HeaderElement("a", {"b": 'c "d"'})) == 'a;b="c \\"d\\""'
    assert repr(HeaderElement("a")) == "<HeaderElement a>"


def test_elements_compare_by_text() -> None:
    assert HeaderElement("a") == HeaderElement("a")
    assert HeaderElement("a") != HeaderElement("b")
    assert HeaderElement("a") != "a"
    assert len({HeaderElement("a"), HeaderElement("a")}) == 1


@pytest.mark.parametrize(
    ("text", "qvalue"),
    [
        ("a", 1.0),
        ("a;q=0.5", 0.5),
        ("a;Q=.5", 0.5),
        ("a;q=x", 0.0),
        ("a;q=", 0.0),
        ("a;q=nan", 0.0),
        ("a;q=2", 0.0),
        ("a;q=1.000", 1.0),
    ],
)
def test_qvalues(text: str, qvalue: float) -> None:
    assert AcceptElement.from_str(text).qvalue == qvalue


def test_the_most_preferred_comes_first_and_ties_go_by_text() -> None:
    elements = header_elements("Accept", "b;q=0.5, c, a;q=0.5, d;q=0")
    assert [e.value for e in elements] == ["c", "a", "b", "d"]
    a, b = AcceptElement.from_str("a;q=1"), AcceptElement.from_str("b;q=0.1")
    assert a < b
    assert b > a
    assert a <= b
    assert not a < HeaderElement("A")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("accept-ENCODING", AcceptElement), ("TE", AcceptElement), ("Via", HeaderElement)],
)
def test_kinds_of_elements(name: str, kind: type) -> None:
    assert [type(e) for e in header_elements(name, "a")] == [kind]


@pytest.mark.parametrize("value", [None, "", " , ,"])
def test_no_elements(value: Any) -> None:
    assert header_elements("Accept", value) == []


def test_splitting_respects_quotes() -> None:
    assert split_quoted('a, "b, c", "d\\", e", ', ",") == ["a", '"b, c"', '"d\\", e"']
    h = Headers([("Via", 'x;a="1,2"'), ("Via", "w")])
    assert [str(e) for e in h.elements("via")] == ["w", 'x;a="1,2"']


@given(st.text('a,; "\\\n', max_size=30), st.sampled_from(",;"))
def test_splitting_by_the_letter(text: str, separator: str) -> None:
    parts, quoted, escaped = [""], False, False
    for letter in text:
        if letter == separator and not quoted:
            parts.append("")
            continue
        parts[-1] += letter
        if escaped:
            escaped = False
        elif letter == '"':
            quoted = not quoted
        elif letter == "\\":
            escaped = quoted
    assert split_quoted(text, separator) == [part.strip() for part in parts if part.strip()]


# -- blocks -----------------------------------------------------------------------------------


def test_parsing_a_block() -> None:
    h = parse_headers("A: 1\r\nB:2 \r\nA: 3\r\n\r\nC: 4")
    assert h.items() == [("A", "1"), ("B", "2"), ("A", "3")]
    assert parse_headers(b"A: \xe9\r\n")["A"] == "é"


@pytest.mark.parametrize("bad", ["A", "A : 1", "A: 1\r\n folded", ": x", "A: 1\nB: 2"])
def test_malformed_blocks(bad: str) -> None:
    with pytest.raises(ValueError):
        parse_headers(bad + "\r\n\r\n")


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("a", b"a"),
        ("\xe4", b"\xe4"),
        ("\u20ac", b"\xe2\x82\xac"),
        ("\u20ac\udcff", b"\xe2\x82\xac\xff"),
    ],
)
def test_text_on_the_wire(text: str, data: bytes) -> None:
    assert to_wire(text) == data


def test_fields_replace_those_of_the_same_names() -> None:
    headers = Headers([("A", "1"), ("Set-Cookie", "a=1"), ("B", "2")])
    found = replaced_by(headers, [("a", "3"), ("a", "4"), ("set-cookie", "b=2")])
    assert found.items() == [
        ("Set-Cookie", "a=1"), ("B", "2"), ("a", "3"), ("a", "4"), ("set-cookie", "b=2"),
    ]  # fmt: skip
