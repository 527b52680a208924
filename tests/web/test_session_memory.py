"""The store of sessions in memory: what it keeps, and what it lets go."""

from __future__ import annotations

import pytest

from circuits.testing import VirtualClock
from circuits.web.sessions import MemoryStore, Sessions
from tests.web.session_support import site


def test_any_object_can_be_kept() -> None:
    store = MemoryStore()
    thing = object()
    store.save("a", {"thing": thing})
    found = store.load("a")
    assert found is not None
    assert found["thing"] is thing
    assert store.load("a") is found
    store.delete("a")
    store.delete("a")
    assert store.load("a") is None
    assert (len(store), store._bytes) == (0, 0)


def test_newcomers_go_before_those_who_came_back() -> None:
    store = MemoryStore(limit=3)
    for name in "abc":
        store.save(name, {"n": name})
    assert store.load("a")
    for name in "defg":
        store.save(name, {"n": name})
    assert [name for name in "abcdefg" if store.load(name)] == ["a", "f", "g"]


def test_of_those_who_came_back_the_oldest_goes() -> None:
    store = MemoryStore(limit=2)
    for name in "ab":
        store.save(name, {"n": name})
        store.load(name)
    store.load("a")
    store.save("c", {"n": "c"})
    assert [name for name in "abc" if store.load(name)] == ["a", "c"]


def test_all_together_have_a_limit_in_bytes() -> None:
    store = MemoryStore(limit_bytes=10_000, session_bytes=5_000)
    for number in range(20):
        store.save(str(number), {"text": "x" * 2_000})
        assert store._bytes <= 10_000
    assert 2 <= len(store) <= 4
    kept = [number for number in range(20) if store.load(str(number))]
    assert kept[-1] == 19
    assert len(store) == len(kept)
    for number in kept:
        store.save(str(number), {"text": ""})
        store.delete(str(number))
    assert store._bytes == 0


@pytest.mark.parametrize(
    "data", [{"x": "y" * 2000}, {"x": [["y" * 700]] * 1, "z": ("y" * 400, {"w" * 700})}]
)
def test_a_session_that_is_too_large_is_dropped(data: dict[str, object]) -> None:
    store = MemoryStore(session_bytes=1000)
    store.save("a", {"x": "small"})
    with pytest.raises(ValueError, match="more than 1000 bytes"):
        store.save("a", data)
    assert store.load("a") is None
    assert store._bytes == 0


def test_what_refers_to_itself_is_counted_once() -> None:
    store = MemoryStore(session_bytes=2000)
    data: dict[str, object] = {"text": "x" * 500}
    data["self"] = [data, data["text"], data["text"]]
    store.save("a", data)
    assert 500 < store._bytes < 1500


@pytest.mark.usefixtures("handler_errors")
def test_clients_cannot_make_a_session_grow_without_end() -> None:
    store = MemoryStore(session_bytes=10_000)
    with site(Sessions(store=store)) as place:
        browser = place.browser()
        codes = [browser.get(f"/put?key=k{n}&value={'x' * 2000}").code for n in range(12)]
        assert codes.count(500) in (2, 3)
        assert store._bytes <= 10_000


def test_a_sweep_removes_what_is_old_and_nothing_else() -> None:
    with VirtualClock() as clock:
        store = MemoryStore()
        store.idle, store.max_age = 10.0, 25.0
        store.save("used", {"a": 1})
        store.save("unused", {"a": 1})
        for _ in range(2):
            clock.advance(9)
            assert store.load("used")
        store.save("new", {"a": 1})
        store.sweep()
        assert set(store._known) | set(store._newcomers) == {"used", "new"}
        clock.advance(8)
        store.sweep()
        assert set(store._newcomers) == {"new"}
        store.max_age = None
        clock.advance(3)
        store.sweep()
        assert len(store) == 0


def test_without_limits_of_time_nothing_expires() -> None:
    with VirtualClock() as clock:
        store = MemoryStore()
        store.idle = store.max_age = None
        store.save("a", {"a": 1})
        clock.advance(1e9)
        store.sweep()
        assert store.load("a")


def test_limits_are_checked() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        MemoryStore(limit=0)
