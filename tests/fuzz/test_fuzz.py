"""The fuzzer in short: its seeds, what it has found once, and a few hundred inputs of each codec."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest

from tests.fuzz import engine
from tests.fuzz.codecs import TARGETS
from tests.fuzz.differences import DIFFERENCES
from tests.fuzz.engine import Growing, Target, examine, is_large, is_slow, run, smallest
from tests.fuzz.kept import KEPT


@pytest.mark.parametrize("name", TARGETS)
def test_all_that_must_hold_for_a_few_inputs(name: str) -> None:
    target = TARGETS[name]
    result = run(target, "the suite", inputs=len(target.seeds) + 60, measures=False)
    assert [str(trouble) for trouble in result.troubles.values()] == []


@pytest.mark.parametrize(("name", "data"), KEPT)
def test_what_was_found_once(name: str, data: bytes) -> None:
    _, troubles = examine(TARGETS[name], data, random.Random(0))
    assert [str(trouble) for trouble in troubles] == []


def test_every_difference_has_a_reason_and_belongs_to_a_codec() -> None:
    for difference in DIFFERENCES:
        assert difference.reason
        assert any(fnmatchcase(name, difference.target) for name in TARGETS), difference


class Broken(Target):
    """A codec with a mistake of every kind."""

    name = "broken"
    seeds = (b"hello",)
    words = (b"!", b"?", b"a")

    def outcome(self, pieces: Iterable[bytes]) -> list[Any]:
        pieces = list(pieces)
        data = b"".join(pieces)
        if b"!" in data:
            raise KeyError(data)
        return [len(pieces)] if b"??" in data else [data]

    def steps(self, pieces: Iterable[bytes]) -> Iterator[int]:
        data = b""
        for piece in pieces:
            data += piece
            data.count(b"\n") if len(piece) > 1 else sum(data)
            yield len(data)

    def check(self, data: bytes, whole: list[Any]) -> Iterator[tuple[str, str, str]]:
        if b"hello" not in data:
            yield "nobody", "otherwise", ""


def test_the_fuzzer_finds_each_kind_of_mistake_and_makes_it_small() -> None:
    result = run(Broken(), "x", inputs=600, measures=False)
    found = {trouble.kind: trouble.data for trouble in result.troubles.values()}
    assert found.keys() == {"crash", "cut", "peer"}
    assert (found["crash"], found["cut"], found["peer"]) == (b"!", b"??", b"")
    again = run(Broken(), "x", inputs=600, measures=False)
    assert [t.count for t in again.troubles.values()] == [t.count for t in result.troubles.values()]


class Counting(Broken):
    """Its own clock, which goes on by what it looks at: a busy machine must not make it look linear."""

    looked_at = 0

    def steps(self, pieces: Iterable[bytes]) -> Iterator[int]:
        for held in super().steps(pieces):
            self.looked_at += held
            yield held

    def thread_time(self) -> float:
        return self.looked_at * 1e-6


def test_the_fuzzer_finds_what_grows_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Counting()
    monkeypatch.setattr(engine, "_WAYS", [(1, 256)])
    monkeypatch.setattr(engine, "time", target)
    target.most_held = 1000
    grown = Growing(b"", b"a", b"")
    assert "ms, in pieces of 1" in str(is_slow(target, grown))
    assert "may be" in str(is_large(target, grown))


def test_what_fails_is_made_small() -> None:
    assert smallest(b"..a.....b..", lambda data: data.count(b"a") + data.count(b"b") == 2) == b"ab"
