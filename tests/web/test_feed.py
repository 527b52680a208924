"""Feed and threads: what is handed over, and that it is handed over once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from circuits.web._async_pieces import NOT_YET
from circuits.web._feed import Feed, Threads


def test_pieces_come_in_order_and_then_the_end() -> None:
    feed = Feed()
    feed.put(b"a")
    feed.put(b"b")
    feed.end()
    assert list(feed) == [b"a", b"b"]


def test_a_problem_comes_behind_the_pieces() -> None:
    feed = Feed()
    feed.put(b"a")
    feed.end(KeyError("x"))
    assert next(feed) == b"a"
    with pytest.raises(KeyError):
        next(feed)


def test_who_has_attached_is_called_once_when_there_is_more() -> None:
    calls: list[Callable[[], Any]] = []
    feed = Feed(call=calls.append)
    resumed: list[None] = []

    def resume() -> None:
        resumed.append(None)

    feed.attach(resume)
    feed.put(b"a")
    assert calls == []  # nobody has asked in vain
    assert next(feed) == b"a"
    assert next(feed) is NOT_YET
    feed.put(b"b")
    feed.put(b"c")
    assert calls == [resume]
    assert [next(feed), next(feed), next(feed)] == [b"b", b"c", NOT_YET]
    feed.end()
    assert calls == [resume] * 2
    assert list(feed) == []


def test_without_a_way_to_the_loop_who_takes_waits() -> None:
    feed = Feed()
    feed.attach(lambda: None)
    taken: list[bytes] = []
    thread = threading.Thread(target=lambda: taken.extend(feed))
    thread.start()
    feed.put(b"a")
    feed.end()
    thread.join(10)
    assert taken == [b"a"]


def test_who_puts_waits_for_room() -> None:
    feed = Feed(3)
    feed.put(b"aaaa")
    done = threading.Event()

    def work() -> None:
        feed.put(b"b")
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert not done.is_set()
    assert next(feed) == b"aaaa"
    assert done.wait(10)
    thread.join(10)
    feed.put(b"c" * 9, wait=False)
    feed.put(b"d", wait=False)
    assert [next(feed), next(feed), next(feed)] == [b"b", b"c" * 9, b"d"]


def test_a_closed_one_takes_nothing_and_gives_nothing() -> None:
    feed = Feed(1)
    feed.put(b"aa")
    raised = threading.Event()

    def work() -> None:
        with pytest.raises(ConnectionResetError, match="client has gone"):
            feed.put(b"b")
        raised.set()

    thread = threading.Thread(target=work)
    thread.start()
    feed.close()
    assert raised.wait(10)
    thread.join(10)
    assert list(feed) == []
    with pytest.raises(ConnectionResetError):
        feed.put(b"c")


def test_threads_are_as_many_as_are_needed() -> None:
    threads = Threads(2, "few")
    done = threading.Semaphore(0)
    go = threading.Event()
    names: set[str] = set()

    def job() -> None:
        names.add(threading.current_thread().name)
        go.wait(10)
        done.release()

    threads.submit(job)
    threads.submit(job)
    threads.submit(job)
    go.set()
    for _ in range(3):
        assert done.acquire(timeout=10)
    assert names <= {"few-1", "few-2"}
    mine = [thread for thread in threading.enumerate() if thread.name in names]
    threads.close()
    for thread in mine:
        thread.join(10)
    assert not any(thread.is_alive() for thread in mine)
    threads.submit(job)  # and there are new ones
    assert done.acquire(timeout=10)
    threads.close()
