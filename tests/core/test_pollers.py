"""What every poller does, over pipes and socket pairs; kqueue against a fake."""

from __future__ import annotations

import gc
import os
import select
import socket
import threading
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from circuits import BaseComponent, Component, Event, Manager, handler
from circuits.core import pollers
from circuits.core.pollers import (
    BasePoller,
    Disconnect,
    EPoll,
    Error,
    KQueue,
    Poll,
    Poller,
    Read,
    Select,
    Write,
)
from circuits.testing import MemoryConnection, Recorder, settle

Pair = Callable[[], tuple[MemoryConnection, MemoryConnection]]


# -- a kqueue made of poll --


class FakeKevent:
    def __init__(self, ident: int, filter: int = -1, flags: int = 1) -> None:
        self.ident, self.filter, self.flags = ident, filter, flags


class FakeKqueue:
    def __init__(self) -> None:
        self.interest: set[tuple[int, int]] = set()
        self.closed = False
        self._own = os.dup(0)

    def fileno(self) -> int:
        return self._own

    def close(self) -> None:
        self.closed = True
        os.close(self._own)

    def control(self, changes: Any, maximum: int, timeout: float | None = 0) -> list[FakeKevent]:
        for change in changes or ():
            key = (change.ident, change.filter)
            if change.flags == FAKE.KQ_EV_ADD:
                os.fstat(change.ident)
                self.interest.add(key)
            elif key in self.interest:
                self.interest.remove(key)
            else:
                raise FileNotFoundError
        if not maximum:
            return []
        poll = select.poll()
        masks: dict[int, int] = {}
        for ident, kind in self.interest:
            mask = select.POLLIN if kind == FAKE.KQ_FILTER_READ else select.POLLOUT
            masks[ident] = masks.get(ident, 0) | mask
        for ident, mask in masks.items():
            poll.register(ident, mask)
        found = []
        for ident, mask in poll.poll(None if timeout is None else timeout * 1000):
            gone = mask & (select.POLLHUP | select.POLLERR)
            end = FAKE.KQ_EV_EOF if gone else 0
            if (ident, FAKE.KQ_FILTER_READ) in self.interest and mask & (select.POLLIN | gone):
                found.append(FakeKevent(ident, FAKE.KQ_FILTER_READ, end))
            if (ident, FAKE.KQ_FILTER_WRITE) in self.interest and mask & (select.POLLOUT | gone):
                found.append(FakeKevent(ident, FAKE.KQ_FILTER_WRITE, end))
        return found[:maximum]


FAKE = types.SimpleNamespace(
    kqueue=FakeKqueue,
    kevent=FakeKevent,
    KQ_FILTER_READ=-1,
    KQ_FILTER_WRITE=-2,
    KQ_EV_ADD=1,
    KQ_EV_DELETE=2,
    KQ_EV_EOF=0x8000,
)

KINDS = [Select, Poll, EPoll, KQueue]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[BasePoller]:
    if request.param is KQueue:
        monkeypatch.setattr(pollers, "select", FAKE)
    found: type[BasePoller] = request.param
    return found


class Owner(BaseComponent):
    channel = "owner"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.log: list[tuple[str, Any]] = []

    @handler("_read")
    def _on_read(self, fd: Any) -> None:
        self.log.append(("read", fd))

    @handler("_write")
    def _on_write(self, fd: Any) -> None:
        self.log.append(("write", fd))

    @handler("_disconnect")
    def _on_disconnect(self, fd: Any) -> None:
        self.log.append(("disconnect", fd))


class Bench:
    """A running tree with a poller and an owner of descriptors."""

    def __init__(self, kind: type[BasePoller], app: Owner) -> None:
        self.app = app
        self.poller: Any = kind().register(app)

    def turn(self) -> list[tuple[str, Any]]:
        """One wait, and what it brought."""
        self.app.log.clear()
        self.app.tick(0)
        while len(self.app):
            self.app.flush()
        return list(self.app.log)


@pytest.fixture
def bench(kind: type[BasePoller]) -> Iterator[Bench]:
    app = Owner()
    made = Bench(kind, app)
    with app.running():
        made.turn()
        yield made
        for watch in list(made.poller._watches.values()):
            made.poller.discard(watch.fd)


# -- the table of descriptors --


def test_readable(bench: Bench, connections: Pair) -> None:
    here, there = connections()
    bench.poller.addReader(bench.app, here)
    assert bench.poller.isReading(here)
    assert not bench.poller.isWriting(here)
    assert bench.poller.getTarget(here) == "owner"
    assert bench.turn() == []
    there.send(b"x")
    assert bench.turn() == [("read", here)]
    assert bench.turn() == [("read", here)]
    here.recv(1)
    assert bench.turn() == []


def test_writable(bench: Bench, connections: Pair) -> None:
    here, _ = connections()
    bench.poller.addWriter(bench.app, here)
    assert bench.poller.isWriting(here)
    assert not bench.poller.isReading(here)
    assert bench.turn() == [("write", here)]
    bench.poller.removeWriter(here)
    assert not bench.poller.isWriting(here)
    assert bench.turn() == []


def test_numbers_are_descriptors_too(bench: Bench, connections: Pair) -> None:
    here, there = connections()
    number = here.fileno()
    bench.poller.addReader(bench.app, number)
    there.send(b"x")
    assert bench.turn() == [("read", number)]
    bench.poller.discard(number)
    assert bench.turn() == []


def test_pipes(bench: Bench) -> None:
    reader, writer = os.pipe()
    try:
        bench.poller.addReader(bench.app, reader)
        bench.poller.addWriter(bench.app, writer)
        assert bench.turn() == [("write", writer)]
        os.write(writer, b"x")
        bench.poller.removeWriter(writer)
        assert bench.turn() == [("read", reader)]
    finally:
        bench.poller.discard(reader)
        os.close(reader)
        os.close(writer)


def test_both_at_once(bench: Bench, connections: Pair) -> None:
    here, there = connections()
    bench.poller.addReader(bench.app, here)
    bench.poller.addWriter(bench.app, here)
    there.send(b"x")
    expected = [("read", here), ("write", here)]
    if isinstance(bench.poller, Select):  # all that is writable first
        expected.reverse()
    assert bench.turn() == expected


def test_select_tells_of_all_writable_ones_first(connections: Pair) -> None:
    made = Bench(Select, Owner())
    one, other = connections(), connections()
    with made.app.running():
        made.turn()
        for end, peer in (one, other):
            made.poller.addReader(made.app, end)
            made.poller.addWriter(made.app, end)
            peer.send(b"x")
        assert [name for name, _ in made.turn()] == ["write", "write", "read", "read"]


def test_removing_one_role_keeps_the_other_and_its_target(bench: Bench, connections: Pair) -> None:
    here, there = connections()
    bench.poller.addReader(bench.app, here)
    bench.poller.addWriter(bench.app, here)
    bench.poller.removeReader(here)
    assert bench.poller.getTarget(here) == "owner"
    there.send(b"x")
    assert bench.turn() == [("write", here)]
    bench.poller.addReader(bench.app, here)
    bench.poller.removeWriter(here)
    assert bench.poller.getTarget(here) == "owner"
    assert bench.turn() == [("read", here)]


def test_discard_forgets_every_role(bench: Bench, connections: Pair) -> None:
    here, there = connections()
    bench.poller.addReader(bench.app, here)
    bench.poller.addWriter(bench.app, here)
    there.send(b"x")
    bench.poller.discard(here)
    assert not bench.poller.isReading(here)
    assert not bench.poller.isWriting(here)
    assert bench.turn() == []


def test_unknown_ones_are_no_error(bench: Bench, connections: Pair) -> None:
    here, _ = connections()
    bench.poller.removeReader(here)
    bench.poller.removeWriter(here)
    bench.poller.discard(here)
    assert not bench.poller.isReading(here)
    assert bench.poller.getTarget(here) is bench.app


class Nowhere:
    channel = None


@pytest.mark.parametrize("source", [object(), Nowhere()], ids=["no attribute", "none"])
def test_a_source_without_channel_means_every_channel(
    bench: Bench, connections: Pair, source: Any
) -> None:
    here, there = connections()
    bench.poller.addReader(source, here)
    assert bench.poller.getTarget(here) == "*"
    there.send(b"x")
    assert bench.turn() == [("read", here)]


def test_adding_twice_is_adding_once(bench: Bench, connections: Pair) -> None:
    here, there = connections()
    bench.poller.addReader(bench.app, here)
    bench.poller.addReader(bench.app, here)
    there.send(b"x")
    assert bench.turn() == [("read", here)]
    bench.poller.removeReader(here)
    assert bench.turn() == []


# -- ends --


def test_an_end_with_data_is_read_first(bench: Bench, connections: Pair) -> None:
    here, there = connections()
    bench.poller.addReader(bench.app, here)
    there.send(b"last")
    there.close()
    assert bench.turn() == [("read", here)]
    assert bench.poller.isReading(here)


def test_an_end_is_told(bench: Bench, connections: Pair) -> None:
    here, there = connections()
    bench.poller.addReader(bench.app, here)
    there.close()
    # As readable, with nothing to read, where the kernel says so as well.
    assert bench.turn() in ([("read", here)], [("disconnect", here)])


def test_a_hang_up_of_what_is_only_written_is_a_disconnect(
    kind: type[BasePoller], bench: Bench
) -> None:
    reader, writer = os.pipe()
    bench.poller.addWriter(bench.app, writer)
    os.close(reader)
    got = bench.turn()
    bench.poller.discard(writer)
    os.close(writer)
    if kind is Select:  # which can tell no more than that a write would not block
        assert got == [("write", writer)]
        return
    assert got == [("disconnect", writer)]  # and not that it could be written
    assert not bench.poller.isWriting(writer)


def test_who_reads_an_end_and_forgets_it_hears_no_more(
    kind: type[BasePoller], connections: Pair
) -> None:
    class Forgetful(BaseComponent):
        channel = "owner"
        written = 0

        @handler("_read")
        def _on_read(self, fd: Any) -> None:
            poller.discard(fd)

        @handler("_write")
        def _on_write(self, fd: Any) -> None:
            self.written += 1

    app = Forgetful()
    poller: Any = kind().register(app)
    here, there = connections()
    there.send(b"x")
    with app.running():
        settle(app)
        poller.addReader(app, here)
        poller.addWriter(app, here)
        poller.report([(here.fileno(), 1 | poller._is_writable)])  # both, in one wait
        settle(app)
        assert app.written == 0


def test_a_descriptor_closed_behind_our_back_does_not_stop_the_others(
    bench: Bench, connections: Pair
) -> None:
    gone, _peer = connections()
    here, there = connections()
    bench.poller.addReader(bench.app, gone)
    bench.poller.addReader(bench.app, here)
    gone.close()
    there.send(b"x")
    bench.turn()  # select finds out first
    assert ("read", here) in bench.turn()
    bench.poller.discard(gone)
    assert not bench.poller.isReading(gone)


def test_a_number_used_again_is_another_descriptor(bench: Bench) -> None:
    one, peer = socket.socketpair()
    bench.poller.addReader(bench.app, one)
    number = one.fileno()
    one.close()
    other, there = socket.socketpair()
    if other.fileno() != number:
        os.dup2(other.fileno(), number)
        other.close()
        other = socket.socket(fileno=number)
    with other, there, peer:
        bench.poller.addReader(bench.app, other)
        there.send(b"x")
        assert ("read", other) in [*bench.turn(), *bench.turn()]
        bench.poller.discard(other)


def test_a_closed_descriptor_is_refused(bench: Bench, connections: Pair) -> None:
    here, _ = connections()
    here.close()
    with pytest.raises(OSError, match="closed"):
        bench.poller.addReader(bench.app, here)


# -- waiting --


def test_resume_ends_the_wait_and_is_not_told(bench: Bench) -> None:
    thread = threading.Thread(target=bench.poller.resume)
    thread.start()
    bench.poller.report(bench.poller.block(30.0))
    thread.join()
    assert bench.turn() == []
    assert bench.poller.block(0.0) == []


def test_many_resumes_are_one(bench: Bench) -> None:
    for _ in range(100):
        bench.poller.resume()
    bench.poller.report(bench.poller.block(30.0))
    assert bench.poller.block(0.0) == []


def test_a_fire_of_another_thread_ends_the_wait_of_the_loop(
    kind: type[BasePoller], app_thread: Any
) -> None:
    app = Owner()
    kind().register(app)
    recorder = Recorder("hello").register(app)
    app_thread(app)
    app.fire(Event.create("hello"))
    recorder.wait_for("hello")


def test_a_readable_descriptor_ends_the_wait_of_the_loop(
    kind: type[BasePoller], app_thread: Any, connections: Pair
) -> None:
    class Ends(BaseComponent):
        channel = "ends"

        @handler("_read")
        def _on_read(self, fd: Any) -> None:
            self.got = fd.recv(10)
            self.stop()

    here, there = connections()
    app = Ends()
    poller: Any = kind().register(app)
    poller.addReader(app, here)
    app_thread(app)
    there.send(b"hello")
    app.join()
    assert app.got == b"hello"
    poller.discard(here)


@pytest.mark.parametrize("timeout", [0.0, 0.0005, 0.001])
def test_a_wait_without_anything_ends(bench: Bench, timeout: float) -> None:
    assert bench.poller.block(timeout) == []


# -- as a component --


def test_its_handler_is_a_filter_before_the_fallback() -> None:
    poller = EPoll()
    method: Any = poller._on_generate_events
    assert (method.names, method.priority, method.filter) == (("generate_events",), -9, True)


@pytest.mark.parametrize(
    ("kind", "timeout", "channel"),
    [(Select, 0.01, "select"), (Poll, 0.01, "poll"), (EPoll, 0.01, "epoll")],
)
def test_timeout_and_channel_are_stored(kind: Any, timeout: float, channel: str) -> None:
    poller = kind()
    assert (poller.timeout, poller.channel) == (timeout, channel)
    poller = kind(5, channel="mine")
    assert (poller.timeout, poller.channel) == (5, "mine")


def test_kqueue_has_its_own_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pollers, "select", FAKE)
    poller = KQueue()
    assert (poller.timeout, poller.channel) == (0.00001, "kqueue")


@pytest.mark.parametrize(
    ("cls", "name", "args"),
    [
        (Read, "_read", (5,)),
        (Write, "_write", (5,)),
        (Error, "_error", (5, OSError())),
        (Disconnect, "_disconnect", (5,)),
    ],
)
def test_its_events(cls: Any, name: str, args: Any) -> None:
    event = cls(*args)
    assert event.name == name
    assert event.args == [*args]


def test_the_best_of_the_platform() -> None:
    best = EPoll if hasattr(select, "epoll") else KQueue if hasattr(select, "kqueue") else Poll
    assert Poller is best


@pytest.mark.parametrize(
    ("kind", "primitive"), [(EPoll, "epoll"), (KQueue, "kqueue"), (Poll, "poll")]
)
def test_what_the_platform_lacks_fails_when_it_is_made(
    kind: Any, primitive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {name: getattr(select, name) for name in dir(select) if name != primitive}
    monkeypatch.setattr(pollers, "select", types.SimpleNamespace(**names))
    with pytest.raises((AttributeError, OSError, NotImplementedError), match=primitive):
        kind()


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors in /proc")
@pytest.mark.parametrize("how", ["unregistered", "collected", "never registered"])
def test_no_descriptor_is_left(kind: type[BasePoller], how: str) -> None:
    gc.collect()
    before = open_descriptors()
    app = Component()
    poller: Any = kind()
    assert open_descriptors() > before
    if how != "never registered":
        poller.register(app)
        settle(app)
    if how == "unregistered":
        poller.unregister()
        settle(app)
        assert open_descriptors() == before
    del poller, app
    gc.collect()
    assert open_descriptors() == before


def test_one_that_left_can_come_back(kind: type[BasePoller], connections: Pair) -> None:
    made = Bench(kind, Owner())
    here, there = connections()
    with made.app.running():
        made.turn()
        made.poller.addReader(made.app, here)
        made.poller.unregister()
        settle(made.app)
        made.poller.register(made.app)
        made.turn()
        there.send(b"x")
        assert ("read", here) in made.turn()
        made.poller.discard(here)


# -- nobody can tell that the owner is called directly --


def test_others_see_the_events(bench: Bench, connections: Pair) -> None:
    recorder = Recorder("_read").register(bench.app)
    bench.turn()
    here, there = connections()
    bench.poller.addReader(bench.app, here)
    there.send(b"x")
    bench.turn()
    record = recorder.expect("_read", here)
    assert record.channels == ("owner",)


@pytest.mark.parametrize("priority", [0, -1])
def test_what_is_queued_comes_first(bench: Bench, connections: Pair, priority: int) -> None:
    here, there = connections()
    bench.poller.addReader(bench.app, here)
    bench.app.addHandler(handler("first")(lambda self: self.log.append(("first", None))))
    there.send(b"x")
    ready = bench.poller.block(1.0)
    bench.app.fire(Event.create("first"), priority=priority)
    bench.poller.report(ready)
    while len(bench.app):
        bench.app.flush()
    assert bench.app.log[-2:] == [("first", None), ("read", here)]


@pytest.mark.parametrize("what", ["raises", "generator", "coroutine"])
def test_handlers_may_do_what_handlers_may(what: str, connections: Pair) -> None:
    class App(BaseComponent):
        channel = "app"

        def __init__(self) -> None:
            super().__init__()
            self.log: list[Any] = []

        @handler("_read")
        def _on_read(self, fd: Any) -> Any:
            fd.recv(10)
            if what == "raises":
                raise ValueError("from a direct call")
            return self._later() if what == "generator" else self._async()

        def _later(self) -> Iterator[Any]:
            yield
            self.log.append("later")

        async def _async(self) -> None:
            self.log.append("later")

        @handler("error", channel="*")
        def _on_error(self, etype: Any, evalue: Any, *args: Any) -> None:
            self.log.append((etype, args[-1] == self._on_read))

    app = App()
    poller = EPoll().register(app)
    here, there = connections()
    with app.running():
        settle(app)
        poller.addReader(app, here)
        there.send(b"x")
        settle(app)
        poller.discard(here)
    assert app.log == ([(ValueError, True)] if what == "raises" else ["later"])


def test_another_owner_or_channel_is_heard_of_at_once(bench: Bench, connections: Pair) -> None:
    here, there = connections()
    other = Owner(channel="other").register(bench.app)
    bench.poller.addReader(bench.app, here)
    there.send(b"x")
    assert bench.turn() == [("read", here)]
    bench.poller.addReader(other, here)
    assert bench.turn() == []
    assert other.log == [("read", here)]
    other.channel = "third"
    bench.poller.addReader(other, here)
    bench.turn()
    assert bench.poller.getTarget(here) == "third"


def test_a_handler_of_another_component_is_found_through_the_queue(connections: Pair) -> None:
    root = Manager()
    source = Component(channel="owner").register(root)
    app = Owner().register(root)
    poller = EPoll().register(root)
    here, there = connections()
    poller.addReader(source, here)
    there.send(b"x")
    with root.running():
        for _ in range(20):
            root.tick(0)
            if app.log:
                here.received()
    assert app.log[0] == ("read", here)
    poller.discard(here)


def test_one_that_comes_into_another_tree_finds_who_handles_there(
    kind: type[BasePoller], connections: Pair
) -> None:
    """Whatever epoch that has: each tree counts its own."""
    made = Bench(kind, Owner())
    here, there = connections()
    with made.app.running():
        made.turn()
        made.poller.addReader(made.app, here)
        there.send(b"x")
        assert made.turn() == [("read", here)]
    door = made.poller._watches.find(here).doors.read
    other = BaseComponent()
    other.addHandler(
        handler("_read", channel="owner", priority=1)(
            lambda self, fd: made.app.log.append(("seen", fd))
        )
    )
    with other.running():
        made.app.register(other)
        while len(other):
            other.flush()
        made.app.log.clear()
        other._tree_engine.queue.epoch = door.epoch
        made.poller.report(made.poller.block(1.0))
        made.poller.discard(here)
        settle(other)
    assert made.app.log == [("seen", here), ("read", here)]


def test_nothing_leads_to_an_owner_that_has_left(bench: Bench, connections: Pair) -> None:
    here, there = connections()
    owner = Owner(channel="its own").register(bench.app)
    bench.turn()
    bench.poller.addReader(owner, here)
    there.send(b"x")
    bench.turn()
    assert owner.log == [("read", here)]
    bench.poller.discard(here)
    owner.unregister()
    bench.turn()
    gone = weakref.ref(owner)
    del owner
    gc.collect()
    assert gone() is None
