"""Descriptors over pipes and connections in memory: sending late, draining, failing, leaving."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from circuits import Manager
from circuits.core._descriptor import Descriptor, DescriptorOwner
from circuits.core.pollers import BasePoller, Poller, Select
from circuits.testing import MemoryConnection, settle

Pair = Callable[[], tuple[MemoryConnection, MemoryConnection]]


class Owner(DescriptorOwner):
    channel = "owner"

    def init(self, *args: Any, **kwargs: Any) -> None:
        self.told: list[Any] = []

    def _descriptor_readable(self, descriptor: Descriptor) -> None:
        data = descriptor.read()
        self.told.append(data)
        if data == b"":
            descriptor.close()

    def _descriptor_failed(self, descriptor: Descriptor, problem: OSError) -> None:
        self.told.append(problem.errno)

    def _descriptor_closed(self, descriptor: Descriptor) -> None:
        self.told.append("closed")

    def _poller_found(self) -> None:
        self.told.append("poller")


@pytest.fixture
def app(app_runner: Callable[[Manager], Manager]) -> Manager:
    return app_runner(Manager())


@pytest.fixture
def owner(app: Manager) -> Owner:
    owner = Owner().register(app)
    settle(app)
    owner.told.clear()
    return owner


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    os.set_blocking(ends[0], False)
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            pass


def test_a_poller_is_made_when_the_tree_has_none(app: Manager) -> None:
    owner = Owner().register(app)
    settle(app)
    assert isinstance(owner._poller, Poller)
    assert owner.told == ["poller"]


def test_the_poller_of_the_tree_is_used(app: Manager) -> None:
    poller = Select().register(app)
    owner = Owner().register(app)
    settle(app)
    assert owner._poller is poller


def test_input_and_its_end_are_told(app: Manager, owner: Owner, connections: Pair) -> None:
    near, far = connections()
    owner._adopt(Descriptor(owner, near))
    far.send(b"hello")
    settle(app)
    far.close()
    settle(app)
    assert owner.told == [b"hello", b"", "closed"]
    assert near.fileno() == -1


def test_a_descriptor_adopted_before_there_is_a_poller_is_watched_later(
    app: Manager, connections: Pair
) -> None:
    near, far = connections()
    owner = Owner()
    owner._adopt(Descriptor(owner, near))
    far.send(b"early")
    owner.register(app)
    settle(app)
    assert owner.told == ["poller", b"early"]


def test_what_fits_is_sent_at_once(owner: Owner, connections: Pair) -> None:
    near, far = connections()
    descriptor = owner._adopt(Descriptor(owner, near))
    descriptor.write(b"now")
    assert far.received() == b"now"
    assert descriptor.pending_bytes == 0
    assert owner._poller is not None
    assert not owner._poller.isWriting(near)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_what_does_not_fit_is_sent_later_as_it_was(
    app: Manager, owner: Owner, connections: Pair, kind: Callable[[bytes], Any]
) -> None:
    near, far = connections()
    descriptor = owner._adopt(Descriptor(owner, near))
    near.send_limit = 4
    data = kind(b"0123456789")
    descriptor.write(data)
    assert descriptor.pending_bytes == 6
    if isinstance(data, bytearray):
        data[:] = b"xxxxxxxxxx"
    descriptor.write(b"abc")
    settle(app)
    assert far.received() == b"0123456789abc"
    assert descriptor.pending_bytes == 0
    assert owner._poller is not None
    assert not owner._poller.isWriting(near)


def test_close_comes_after_what_is_pending(app: Manager, owner: Owner, connections: Pair) -> None:
    near, far = connections()
    descriptor = owner._adopt(Descriptor(owner, near))
    near.send_limit = 0
    descriptor.write(b"last words")
    descriptor.close()
    descriptor.write(b"too late")
    assert owner.told == []
    near.send_limit = None
    settle(app)
    assert far.received() == b"last words"
    assert far.at_end
    assert owner.told == ["closed"]


def test_closing_with_nothing_pending_closes_at_once_and_once(
    owner: Owner, connections: Pair
) -> None:
    near, _ = connections()
    descriptor = owner._adopt(Descriptor(owner, near))
    descriptor.close()
    descriptor.close()
    descriptor.finish()
    assert owner.told == ["closed"]
    assert descriptor.is_closed
    assert descriptor.read() is None


@pytest.mark.parametrize("late", [False, True])
def test_a_failing_write_is_told_and_closes(
    app: Manager, owner: Owner, connections: Pair, late: bool
) -> None:
    near, _ = connections()
    descriptor = owner._adopt(Descriptor(owner, near))
    if late:
        near.send_limit = 0
        descriptor.write(b"x")
    near.send_error = OSError(errno.EPIPE, "gone")
    descriptor.write(b"y")
    if late:
        near.send_limit = None
        settle(app)
    assert owner.told == [errno.EPIPE, "closed"]


def test_a_failing_read_is_told_and_closes(app: Manager, owner: Owner, connections: Pair) -> None:
    near, far = connections()
    owner._adopt(Descriptor(owner, near))
    near.receive_error = OSError(errno.EIO, "device is gone")
    far.send(b"x")
    settle(app)
    assert owner.told == [errno.EIO, None, "closed"] or owner.told == [errno.EIO, "closed", None]


@pytest.mark.parametrize("way", ["send", "copy", "receive"])
def test_without_memory_nothing_follows_what_is_lost(
    app: Manager, owner: Owner, connections: Pair, way: str
) -> None:
    class Large(bytearray):
        def __getitem__(self, part: Any) -> Any:
            raise MemoryError

    near, far = connections()
    descriptor = owner._adopt(Descriptor(owner, near))
    if way == "receive":
        near.receive_error = MemoryError()
        far.send(b"x")
        settle(app)
        owner.told.remove(None)
    elif way == "send":
        near.send_error = MemoryError()
        descriptor.write(b"x")
    else:
        near.send_limit = 1
        descriptor.write(Large(b"xy"))
    assert owner.told == [errno.ENOMEM, "closed"]


def test_nothing_to_read_is_no_failure(owner: Owner, connections: Pair) -> None:
    near, _ = connections()
    descriptor = owner._adopt(Descriptor(owner, near))
    assert descriptor.read() is None
    assert not descriptor.is_closed


def test_too_much_pending_is_a_failure(owner: Owner, connections: Pair) -> None:
    near, _ = connections()
    descriptor = owner._adopt(Descriptor(owner, near, max_pending=10))
    near.send_limit = 0
    descriptor.write(b"0123456789")
    assert owner.told == []
    descriptor.write(b"!")
    assert owner.told == [errno.ENOBUFS, "closed"]


def test_reading_can_be_held(app: Manager, owner: Owner, connections: Pair) -> None:
    near, far = connections()
    descriptor = owner._adopt(Descriptor(owner, near))
    descriptor.hold_reading(True)
    far.send(b"wait")
    settle(app)
    assert owner.told == []
    descriptor.hold_reading(False)
    settle(app)
    assert owner.told == [b"wait"]


def test_a_hang_up_without_input_closes(app: Manager, owner: Owner, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    descriptor = owner._adopt(Descriptor(owner, writer, reads=False))
    while not descriptor.pending_bytes:
        descriptor.write(b"x" * 65536)
    os.close(reader)
    settle(app)
    assert owner.told[-1] == "closed"


def test_a_pipe_is_drained_in_turns(app: Manager, owner: Owner, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    descriptor = owner._adopt(Descriptor(owner, writer, reads=False))
    data = bytes(range(256)) * 4096
    descriptor.write(data)
    descriptor.close()
    got = b""
    while not owner.told:
        got += os.read(reader, 65536)
        settle(app)
    while len(got) < len(data):
        got += os.read(reader, 65536)
    assert got == data


def test_a_shared_descriptor_keeps_its_mode_and_stays_open(
    app: Manager, owner: Owner, pipe: tuple[int, int]
) -> None:
    reader, writer = pipe
    descriptor = owner._adopt(Descriptor(owner, writer, reads=False, is_shared=True))
    assert os.get_blocking(writer)
    descriptor.write(b"a" * 5000)
    descriptor.write(b"b")
    descriptor.close()
    settle(app)
    assert os.read(reader, 10_000) == b"a" * 5000 + b"b"
    assert owner.told == ["closed"]
    os.fstat(writer)


def test_small_pieces_for_a_shared_descriptor_leave_together(
    app: Manager, owner: Owner, pipe: tuple[int, int]
) -> None:
    reader, writer = pipe
    descriptor = owner._adopt(Descriptor(owner, writer, reads=False, is_shared=True))
    for number in range(500):
        descriptor.write(b"%03d\n" % number)
    app.tick(0)
    assert os.read(reader, 10_000) == b"".join(b"%03d\n" % number for number in range(500))


def test_its_owner_hears_of_progress_and_hang_up(
    app: Manager, owner: Owner, pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = pipe
    monkeypatch.setattr(owner, "_descriptor_flushed", lambda d: owner.told.append("flushed"))
    monkeypatch.setattr(owner, "_descriptor_hung_up", lambda d: owner.told.append("hung up"))
    descriptor = owner._adopt(Descriptor(owner, writer, reads=False))
    descriptor.write(b"x" * 1_000_000)
    settle(app)
    os.read(reader, 65536)
    settle(app)
    assert owner.told[:1] == ["flushed"]
    os.close(reader)
    owner.told.clear()
    settle(app)
    assert owner.told == ["hung up"]
    descriptor.finish()


def test_what_cannot_be_watched_fails(app: Manager, owner: Owner, tmp_path: Any) -> None:
    if isinstance(owner._poller, Select):
        pytest.skip("select takes regular files")
    (tmp_path / "file").write_bytes(b"x")
    number = os.open(tmp_path / "file", os.O_RDONLY)
    owner._adopt(Descriptor(owner, number))
    assert owner.told == [errno.EPERM, "closed"]


def test_the_poller_of_another_tree_takes_over(app: Manager, connections: Pair) -> None:
    Select().register(app)
    owner = Owner().register(app)
    near, far = connections()
    owner._adopt(Descriptor(owner, near))
    settle(app)
    first = owner._poller
    other = Manager()
    poller = Select().register(other)
    owner.register(other)
    settle(other)
    assert owner._poller is poller
    assert isinstance(first, BasePoller)
    assert not first.isReading(near)
    far.send(b"moved")
    with other.running():
        settle(other)
        assert owner.told == ["poller", b"moved"]


def test_a_component_that_leaves_closes_what_it_has(
    app: Manager, owner: Owner, connections: Pair
) -> None:
    near, _ = connections()
    owner._adopt(Descriptor(owner, near))
    owner.unregister()
    settle(app)
    assert owner.told == ["closed"]
    assert near.fileno() == -1


def test_descriptors_of_others_are_left_alone(
    app: Manager, owner: Owner, connections: Pair
) -> None:
    other = Owner().register(app)  # on the same channel
    near, far = connections()
    owner._adopt(Descriptor(owner, near))
    settle(app)
    other.told.clear()
    far.send(b"mine")
    settle(app)
    assert owner.told == [b"mine"]
    assert other.told == []


def test_it_shows_its_state(owner: Owner, connections: Pair) -> None:
    near, _ = connections()
    descriptor = Descriptor(owner, near)
    assert "open, 0 bytes" in repr(descriptor)
    near.send_limit = 0
    descriptor.write(b"xy")
    descriptor.close()
    assert "draining, 2 bytes" in repr(descriptor)
    descriptor.finish()
    assert "closed" in repr(descriptor)


def test_a_socket_is_made_non_blocking(owner: Owner) -> None:
    near, far = socket.socketpair()
    with far:
        descriptor = owner._adopt(Descriptor(owner, near))
        assert near.gettimeout() == 0
        descriptor.finish()
