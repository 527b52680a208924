"""Feeds: what is handed over, and that it is handed over once."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from circuits.web import _pieces
from circuits.web._pieces import NOT_YET, Feed


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


@pytest.mark.parametrize("kind", [ValueError, asyncio.CancelledError, GeneratorExit])
def test_pieces_that_break_off_have_no_end(kind: type[BaseException]) -> None:
    async def pieces() -> AsyncIterator[str]:
        yield "a"
        raise kind

    feed = Feed()
    with contextlib.suppress(asyncio.CancelledError, GeneratorExit):
        asyncio.run(feed.fill(pieces(), str.encode))
    assert next(feed) == b"a"
    with pytest.raises(kind):
        next(feed)


class Source:
    """Pieces without an end; knows how many were made, and that it was closed."""

    def __init__(self) -> None:
        self.made = 0
        self.is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while True:
                self.made += 1
                yield b"x"
        finally:
            self.is_closed = True


async def until_full(feed: Feed) -> None:
    async with asyncio.timeout(10):
        while feed._tell_room is None:
            await asyncio.sleep(0)


def test_a_task_that_fills_waits_until_half_is_taken() -> None:
    async def main() -> None:
        feed, source = Feed(8), Source()
        task = asyncio.create_task(feed.fill(source, bytes))
        await until_full(feed)
        assert source.made == 10  # nine are there: one more than the limit
        for _ in range(4):
            await asyncio.to_thread(next, feed)
        assert not await passes(task)
        assert source.made == 10
        await asyncio.to_thread(next, feed)
        await until_full(feed)
        assert source.made == 15
        await asyncio.to_thread(feed.close)
        await asyncio.wait_for(task, 10)
        assert source.is_closed

    asyncio.run(main())


async def passes(task: asyncio.Task[None]) -> bool:
    """Whether a task goes on, of what can be seen from here."""
    for _ in range(10):
        await asyncio.sleep(0)
    return task.done()


def test_a_task_that_is_cancelled_while_it_waits_is_not_told() -> None:
    async def main() -> Feed:
        feed, source = Feed(8), Source()
        task = asyncio.create_task(feed.fill(source, bytes))
        await until_full(feed)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert source.is_closed
        return feed

    feed = asyncio.run(main())
    for _ in range(9):
        assert next(feed) == b"x"  # the loop is closed, and nobody calls it
    with pytest.raises(asyncio.CancelledError):
        next(feed)


def test_nothing_is_polled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Filling goes on because it is told, and neither sooner nor later."""
    timers: list[float] = []

    async def main() -> int:
        loop = asyncio.get_running_loop()
        feed, source = Feed(8), Source()
        with monkeypatch.context() as patch:
            patch.setattr(loop, "call_later", lambda seconds, *rest: timers.append(seconds))
            patch.setattr(loop, "call_at", lambda when, *rest: timers.append(when))
            task = asyncio.create_task(feed.fill(source, bytes))
            await asyncio.to_thread(lambda: [next(feed) for _ in range(1000)])
            feed.close()
            await task
        return source.made

    assert 1000 <= asyncio.run(main()) <= 1010
    assert timers == []


def test_who_pushes_without_waiting_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pieces, "_MAX_BYTES", 20)
    feed = Feed(3)
    for _ in range(2):
        feed.push(b"x" * 10)
    assert [next(feed), next(feed)] == [b"x" * 10] * 2
    for _ in range(100):
        feed.push(b"x" * 10)
    assert feed.held_bytes == 0
    with pytest.raises(BufferError, match="breaks off"):
        next(feed)
