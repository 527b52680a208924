from __future__ import annotations

import ast
import re
import sys
import threading
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import circuits
from circuits import Event, Timer
from circuits.core import _clock
from circuits.core._clock import Schedule


def test_what_is_due_is_called_in_order_of_deadline_then_of_making() -> None:
    schedule, log = Schedule(), []
    for name, deadline in (("c", 3), ("a", 1), ("b", 2), ("a2", 1)):
        schedule.call_at(deadline, lambda name=name: log.append(name))  # type: ignore[misc]
    assert schedule.next_deadline() == 1
    assert not schedule.run_due(0.5)
    assert schedule.run_due(2)
    assert log == ["a", "a2", "b"]
    assert len(schedule) == 1


def test_what_is_cancelled_is_not_called() -> None:
    schedule, log = Schedule(), []
    first = schedule.call_at(1, lambda: log.append("first"))
    schedule.call_at(2, lambda: log.append("second"))
    first.cancel()
    first.cancel()
    assert len(schedule) == 1
    assert schedule.next_deadline() == 2
    schedule.run_due(5)
    assert log == ["second"]
    assert len(schedule) == 0
    assert schedule.next_deadline() is None


def test_a_callback_may_cancel_what_is_due_with_it() -> None:
    schedule, log = Schedule(), []
    schedule.call_at(1, lambda: later.cancel())
    later = schedule.call_at(1, lambda: log.append("never"))
    schedule.run_due(1)
    assert log == []
    assert len(schedule) == 0


def test_what_a_callback_enters_waits_for_the_next_time() -> None:
    schedule, log = Schedule(), []

    def again() -> None:
        log.append(1)
        schedule.call_at(0, again)

    schedule.call_at(0, again)
    schedule.run_due(1)
    assert log == [1]


def test_many_cancelled_entries_do_not_stay() -> None:
    schedule = Schedule()
    log: list[int] = []
    for n in range(10):
        schedule.call_at(n, partial(log.append, n))
    for appointment in [schedule.call_at(100 + n, print) for n in range(10_000)]:
        appointment.cancel()
    assert len(schedule) == 10
    assert len(schedule.heap) < 200
    schedule.run_due(10)
    assert log == [*range(10)]


def test_other_threads_may_enter_and_cancel_while_it_runs() -> None:
    schedule = Schedule()
    log: list[tuple[int, int]] = []

    def use(number: int) -> None:
        for n in range(1000):
            schedule.call_at(n, partial(log.append, (number, n)))
            for appointment in [schedule.call_at(n, log.clear) for _ in range(3)]:
                appointment.cancel()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=use, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            schedule.run_due(-1)  # drops nothing, and looks at the heap all the time
            schedule.next_deadline()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    schedule.run_due(1000)
    assert sorted(log) == [(number, n) for number in range(3) for n in range(1000)]


def test_merged_entries_can_still_be_cancelled() -> None:
    one, other, log = Schedule(), Schedule(), []
    moved = other.call_at(1, lambda: log.append("moved"))
    kept = other.call_at(2, lambda: log.append("kept"))
    one.merge(other)
    moved.cancel()
    assert len(other) == 0
    one.run_due(5)
    assert log == ["kept"]
    kept.cancel()


def test_a_merged_entry_is_counted_where_it_is() -> None:
    one, other = Schedule(), Schedule()
    first, second = (other.call_at(1, lambda: None) for _ in range(2))
    third = one.call_at(1, lambda: None)
    one.merge(other)
    assert sorted([second, first, third]) == [third, first, second]
    first.cancel()
    assert (len(one), len(other)) == (2, 0)


@pytest.mark.parametrize("name", ["now", "wall", "random_bytes", "new_id"])
def test_a_source_is_replaced_and_put_back(name: str) -> None:
    real = getattr(_clock, name)

    def mine(*args: object) -> Any:
        return 7

    before = _clock.install(**{name: mine})
    try:
        assert getattr(_clock, name) is mine
    finally:
        _clock.install(**before)
    assert getattr(_clock, name) is real


def test_there_are_no_other_sources() -> None:
    with pytest.raises(TypeError, match="'weather'"):
        _clock.install(weather=lambda: 0)


def test_new_ids_differ_and_random_bytes_are_as_many_as_asked_for() -> None:
    assert _clock.new_id() != _clock.new_id()
    assert len(_clock.random_bytes(5)) == 5


def test_a_timer_at_a_date_asks_the_wall_clock() -> None:
    before = _clock.install(wall=lambda: 1000.0)
    try:
        timer = Timer(datetime.fromtimestamp(1010.5), Event.create("ring"))
    finally:
        _clock.install(**before)
    assert timer.interval == 10.5


#: What may be asked of nobody but ``_clock``, by module and name.
_SOURCES = {
    "time": {"time", "monotonic", "perf_counter", "time_ns", "monotonic_ns"},
    "os": {"urandom", "getrandom"},
    "datetime": {"now", "utcnow", "today"},
    "uuid": {"uuid1", "uuid4"},
}
_NOT_AT_ALL = {"random", "secrets"}
#: What has none of these needs no closer look, which takes a hundred times as long.
_SUSPECT = re.compile(
    rf"\.[\s\\]*(?:{'|'.join(set().union(*_SOURCES.values()))})\b|{'|'.join(_NOT_AT_ALL)}"
)

#: Where the real time is meant: the end of processes and threads, measuring, programs.
_MAY_ASK = {
    "core/_clock.py", "core/_process/starting.py", "core/_asyncio_host.py", "bench.py",
    "_wire/websocket.py", "_wire/_websocket_handshake.py", "testing/_timeline.py", "tools/diagnosis.py",
}  # fmt: skip


def test_it_is_the_only_source_of_time_and_randomness() -> None:
    root = Path(circuits.__file__).parent
    found = []
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if name in _MAY_ASK or name.startswith("cli/"):
            continue
        source = path.read_text(encoding="utf-8")
        if _SUSPECT.search(source) is None:
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                found += [f"{name}: {a.name}" for a in node.names if a.name in _NOT_AT_ALL]
            elif isinstance(node, ast.ImportFrom) and node.module in _NOT_AT_ALL:
                found.append(f"{name}: {node.module}")
            elif isinstance(node, ast.Attribute):
                owner = ast.unparse(node.value).rpartition(".")[2]
                if node.attr in _SOURCES.get(owner, ()):
                    found.append(f"{name}: {ast.unparse(node)}")
    assert found == []
