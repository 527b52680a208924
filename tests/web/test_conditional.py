from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuits.web import _conditional as rules
from circuits.web._conditional import EntityTag

THEN = 784111777
THEN_TEXT = "Sun, 06 Nov 1994 08:49:37 GMT"


def test_entity_tags() -> None:
    assert rules.parse_etag('"a"') == EntityTag("a")
    assert rules.parse_etag(' W/"" ') == EntityTag("", weak=True)
    assert [rules.parse_etag(text) for text in ("a", '"a', 'w/"a"', '"a b"', "")] == [None] * 5
    assert str(EntityTag("a")) == '"a"'
    assert str(EntityTag("a", weak=True)) == 'W/"a"'


@pytest.mark.parametrize(
    ("text", "tags"),
    [('"a"', "a"), ('"a", W/"b" ,,"c,d"', "a b c,d"), ('"a" x, "b"', ""), ("", ""), (', "a"', "a")],
)
def test_lists_of_tags(text: str, tags: str) -> None:
    assert [tag.opaque for tag in rules.parse_etags(text)] == tags.split()


@pytest.mark.parametrize(
    ("header", "current", "goes_on"),
    [
        ("*", None, True),
        ('"a", "b"', EntityTag("b"), True),
        ('"a"', EntityTag("b"), False),
        ('W/"a"', EntityTag("a"), False),
        ('W/"a"', EntityTag("a", weak=True), False),
        ('"a"', None, False),
    ],
)
def test_if_match(header: str, current: EntityTag | None, goes_on: bool) -> None:
    assert rules.if_match(header, current) is goes_on


@pytest.mark.parametrize(
    ("header", "current", "goes_on"),
    [
        ("*", None, False),
        ('"a", "b"', EntityTag("b"), False),
        ('"a"', EntityTag("b"), True),
        ('W/"a"', EntityTag("a"), False),
        ('"a"', None, True),
    ],
)
def test_if_none_match(header: str, current: EntityTag | None, goes_on: bool) -> None:
    assert rules.if_none_match(header, current) is goes_on


def test_an_asterisk_asks_whether_there_is_anything() -> None:
    assert not rules.if_match("*", None, exists=False)
    assert rules.if_none_match("*", None, exists=False)


@pytest.mark.parametrize(
    "text", [THEN_TEXT, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
)
def test_three_forms_of_dates(text: str) -> None:
    assert rules.parse_http_date(text) == THEN


@pytest.mark.parametrize("text", ["", "x", "Sun, 99 Foo 1994", "0", "Sun, 06 Nov"])
def test_what_is_no_date(text: str) -> None:
    assert rules.parse_http_date(text) is None


@given(st.text(max_size=40))
def test_dates_from_strangers_never_raise(text: str) -> None:
    rules.parse_http_date(text)


def test_dates_compare_as_dates() -> None:
    assert not rules.if_modified_since(THEN_TEXT, THEN + 0.9)
    assert not rules.if_modified_since(THEN_TEXT, THEN - 5)
    assert rules.if_modified_since(THEN_TEXT, THEN + 1)
    assert rules.if_modified_since("nonsense", THEN)
    assert rules.if_unmodified_since(THEN_TEXT, THEN + 0.9)
    assert not rules.if_unmodified_since(THEN_TEXT, THEN + 1)
    assert rules.if_unmodified_since("nonsense", THEN)


def test_if_range() -> None:
    assert rules.if_range('"a"', EntityTag("a"), None)
    assert not rules.if_range('W/"a"', EntityTag("a", weak=True), None)
    assert not rules.if_range('"a"', None, THEN)
    assert rules.if_range(THEN_TEXT, None, THEN + 0.5)
    assert not rules.if_range(THEN_TEXT, None, THEN + 1)
    assert not rules.if_range(THEN_TEXT, None, None)
    assert not rules.if_range("nonsense", EntityTag("a"), THEN)


@pytest.mark.parametrize(
    ("header", "ranges"),
    [
        ("bytes=3-6", [(3, 7)]),
        ("bytes=2-4,-1", [(2, 5), (7, 8)]),
        ("bytes=2-", [(2, 8)]),
        ("bytes=0-99", [(0, 8)]),
        ("bytes=-99", [(0, 8)]),
        ("Bytes = 1 - 2 , ", [(1, 3)]),
        ("bytes=8-9", []),
        ("bytes=-0", []),
        ("bytes=9-,0-0", [(0, 1)]),
        (None, None),
        ("", None),
        ("bytes=6-3", None),
        ("bytes=", None),
        ("bytes=,", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=--1", None),
        ("bytes=٣-٤", None),
        ("bytes=0-" + "9" * 5000, [(0, 8)]),
        ("bytes=" + "9" * 5000 + "-", []),
        ("bytes=-" + "9" * 5000, [(0, 8)]),
        ("bytes=" + "0" * 30 + "3-" + "0" * 5000 + "5", [(3, 6)]),
        ("bytes=-" + "0" * 30 + "2", [(6, 8)]),
        ("bytes=-" + "0" * 30, []),
        ("bytes=" + "9" * 30 + "-3", None),
        ("lines=1-2", None),
        ("bytes 1-2", None),
    ],
)
def test_ranges(header: str | None, ranges: list[tuple[int, int]] | None) -> None:
    assert rules.parse_ranges(header, 8) == ranges


def test_ranges_of_nothing_and_too_many() -> None:
    assert rules.parse_ranges("bytes=0-0", 0) == []
    assert rules.parse_ranges("bytes=-1", 0) == []
    many = "bytes=" + ",".join(["0-0"] * 3)
    assert rules.parse_ranges(many, 8, 3) == [(0, 1)] * 3
    assert rules.parse_ranges(many, 8, 2) is None


def test_merging() -> None:
    assert rules.merge_ranges([(5, 6), (0, 2)]) == [(5, 6), (0, 2)]
    assert rules.merge_ranges([(0, 2), (2, 4)]) == [(0, 4)]
    assert rules.merge_ranges([(6, 8), (0, 5), (1, 2)]) == [(0, 5), (6, 8)]


_range = st.tuples(st.integers(0, 20), st.integers(1, 20)).map(lambda r: (r[0], r[0] + r[1]))


@given(st.lists(_range))
def test_merging_keeps_every_byte_and_sends_none_twice(ranges: list[tuple[int, int]]) -> None:
    merged = rules.merge_ranges(ranges)
    sent = [byte for start, stop in merged for byte in range(start, stop)]
    assert sorted(sent) == sorted({byte for start, stop in ranges for byte in range(start, stop)})
