"""Recordings: the file, what it may hold, and its end. With real peers: tests/integration."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import errno
import json
import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from circuits import Component, Event
from circuits.app import Recording
from circuits.app._recorded_sockets import RecordedSocket, sockets
from circuits.app._recording_file import FORMAT, RecordingFile, read_recording
from circuits.app._recording_values import (
    Codec,
    UnrecordableError,
    component_path,
    find_component,
)
from circuits.app.recording import RecordingError, application_of
from circuits.core import _clock
from circuits.core.events import LiteralEvent
from circuits.net import _outside
from circuits.net.sockets import TCPServer
from circuits.testing import Recorder, settle


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "a.rec")


@pytest.fixture
def recording(path: str) -> Iterator[Callable[..., Recording]]:
    """Function that makes a recording, which is closed in the end."""
    made = []

    def make(**options: Any) -> Recording:
        made.append(Recording(path, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def written(path: str, *records: tuple[int, bytes], **options: Any) -> RecordingFile:
    file = RecordingFile(path, options.pop("limit", 1 << 20), 0, {"circuits": "2.1.0", **options})
    for record in records:
        file.add(*record)
    return file


# -- the file ----------------------------------------------------------------------------------


def test_what_is_written_is_read(path: str) -> None:
    records = [(84, b""), (114, b"x" * 200), (110, bytes(70_000))]
    file = written(path, *records)
    file.close("enough")
    about, found, why = read_recording(path)
    assert about["circuits"] == "2.1.0"
    assert found == records
    assert why == "enough"
    assert (file.records, file.lost, file.problem) == (3, 0, None)


def test_only_its_user_may_read_it(path: str) -> None:
    before = os.umask(0)
    try:
        written(path).close("x")
    finally:
        os.umask(before)
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_files_of_before_are_kept_so_many(path: str) -> None:
    for number in range(5):
        RecordingFile(path, 1 << 20, 2, {"number": number}).close("x")
    found = {name: read_recording(path + name)[0]["number"] for name in ("", ".1", ".2")}
    assert found == {"": 4, ".1": 3, ".2": 2}
    assert not os.path.exists(path + ".3")


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_is_refused(path: str, kept: float) -> None:
    written(path, *[(110, b"note %d" % n) for n in range(20)]).close("x")
    data = Path(path).read_bytes()
    Path(path).write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(RecordingError, match="it is cut"):
        read_recording(path)


def test_every_cut_is_refused_or_read_in_part(path: str) -> None:
    written(path, *[(110, b"note %d" % n) for n in range(3)]).close("x")
    data = Path(path).read_bytes()
    head = len(b"\n".join(data.split(b"\n")[:2])) + 1
    for length in range(head, len(data)):
        Path(path).write_bytes(data[:length])
        with pytest.raises(RecordingError, match="its end is missing"):
            read_recording(path)
        _, records, why = read_recording(path, partial=True)
        assert why == "cut"
        assert records == [(110, b"note %d" % n) for n in range(len(records))]


def test_another_version_is_refused_by_its_number(path: str) -> None:
    written(path).close("x")
    data = Path(path).read_bytes().replace(b"recording %d\n" % FORMAT, b"recording 99\n")
    Path(path).write_bytes(data)
    expected = f"circuits 2.1.0 has written it in format 99, and format {FORMAT} is read here"
    with pytest.raises(RecordingError, match=expected):
        read_recording(path)


@pytest.mark.parametrize("data", [b"", b"circuits", b"#!/bin/sh\n", bytes(1000)])
def test_what_is_no_recording_is_refused(path: str, data: bytes) -> None:
    Path(path).write_bytes(data)
    with pytest.raises(RecordingError, match="this is no recording"):
        read_recording(path)


def test_damage_is_found(path: str) -> None:
    written(path, (110, b"a note of some length")).close("x")
    data = Path(path).read_bytes()
    Path(path).write_bytes(data.replace(b"some", b"none"))
    with pytest.raises(RecordingError, match="it is damaged"):
        read_recording(path)


def test_a_huge_length_takes_no_memory(path: str) -> None:
    written(path).flush()
    with open(path, "ab") as file:
        file.write(b"n" + b"\xff" * 200)
    with pytest.raises(RecordingError, match="its end is missing"):
        read_recording(path)


def test_the_limit_leaves_room_for_the_end(path: str) -> None:
    file = written(path, *[(110, bytes(100))] * 200, limit=4096)
    assert file.is_full
    file.close("the limit is reached")
    assert os.path.getsize(path) <= 4096
    _, records, why = read_recording(path)
    assert 20 < len(records) < 45
    assert why == "the limit is reached"


def test_a_full_disk_ends_it_behind_the_last_whole_write(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(path, (110, b"written"))
    file.flush()
    real, left = os.write, [1000]

    def write(number: int, data: Any) -> int:
        if left[0] <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        count = real(number, data[: left[0]])
        left[0] -= count
        return count

    monkeypatch.setattr(os, "write", write)
    file.add(110, bytes(5000))
    file.flush()
    assert file.is_full
    assert file.problem is not None
    assert file.problem.errno == errno.ENOSPC
    file.add(110, b"never")
    left[0] = 500  # of what is cut off
    file.close("it cannot be written")
    monkeypatch.undo()
    _, records, why = read_recording(path)
    assert records == [(110, b"written")]
    assert why == "it cannot be written"
    assert file.lost > 5000


@pytest.mark.parametrize("room", range(0, 120, 10))
def test_the_end_is_written_whole_or_where_there_is_room(
    path: str, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(path, (110, b"first"))
    file.flush()
    file.add(110, bytes(200))
    file.flush()
    size, real = os.path.getsize(path), os.write

    def write(number: int, data: Any) -> int:
        left = size + room - os.lseek(number, 0, os.SEEK_CUR)
        if left <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(number, data[:left])

    monkeypatch.setattr(os, "write", write)
    file.close("over")
    monkeypatch.undo()
    _, records, why = read_recording(path)
    assert why == "over"
    assert records[0] == (110, b"first")
    assert len(records) == file.records
    assert (file.lost > 200) == (len(records) == 1)


# -- values ------------------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = 1


class Pair(NamedTuple):
    one: int
    two: Any


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: Any = None


class OddError(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(one + two)


class Told(Event[None]):
    text: str


@pytest.mark.parametrize(
    "value",
    [
        None, True, 7, 1.5, "text", b"\x00\xff", [1, [2]], (1, (2,)), {"a": 1}, {1: "b"}, {1, 2},
        frozenset("a"), datetime.datetime(2026, 11, 29, tzinfo=datetime.UTC), decimal.Decimal("1.1"),
        uuid.UUID(int=5), Colour.RED, Pair(1, Point(2)), Point(1, [Colour.RED]),
    ],
    ids=repr,
)  # fmt: skip
def test_values_that_come_back(value: Any) -> None:
    codec = Codec(lambda _: None)
    found = codec.load(codec.dump(value))
    assert found == value
    assert type(found) is type(value)


def test_exceptions_come_back_whatever_their_constructors_want() -> None:
    codec = Codec(lambda _: None)
    found = codec.load(codec.dump(OddError(1, 2)))
    assert type(found) is OddError
    assert found.args == (3,)
    strange = codec.load(codec.dump(KeyError(object)))
    assert strange.args == ("<class 'object'>",)


@pytest.mark.parametrize(
    "event",
    [
        Told("x"),
        Event.create("Made", 1, key=2),
        LiteralEvent.create(Event, "odd_name", b"x"),
        Event.create("Again", Told("inner")),
    ],
    ids=lambda event: str(event.name),
)
def test_events_come_back(event: Any) -> None:
    event.complete = True
    codec = Codec(lambda _: None)
    found = codec.load(codec.dump(event))
    assert type(found) is type(event)
    assert (found.name, found.complete, found.success) == (event.name, True, False)
    assert repr(found.args) == repr(event.args)
    assert found.kwargs == event.kwargs


def test_what_cannot_be_kept_is_named() -> None:
    class Local: ...

    codec = Codec(lambda _: None)
    with pytest.raises(UnrecordableError, match=r"Local"):
        codec.dump({"a": [Local()]})
    with pytest.raises(UnrecordableError, match="nested"):
        circle: list[Any] = []
        circle.append(circle)
        codec.dump(circle)


def test_nothing_is_imported_for_a_file() -> None:
    text = Codec(lambda _: None).dump(Point(1))
    for module in ("antigravity", "os", "circuits.nowhere"):
        forged = text.replace(__name__.encode(), module.encode())
        with pytest.raises(UnrecordableError, match="there is no class"):
            Codec(lambda _: None).load(forged)
    other = text.replace(b"data ", b"exception ")
    with pytest.raises(UnrecordableError, match="is not what it was"):
        Codec(lambda _: None).load(other)


def test_components_are_known_by_their_place() -> None:
    class App(Component): ...

    class Part(Component): ...

    app = App()
    parts = [Part().register(app) for _ in range(2)]
    inner = Part().register(parts[1])
    assert component_path(app) == "/"
    assert component_path(inner) == "/Part[1]/Part"
    assert find_component(app, "/Part[1]/Part") is inner
    codec = Codec(lambda _: None)
    codec.root = app
    assert codec.load(codec.dump([inner, app])) == [inner, app]
    inner.unregister()
    settle(app)
    with pytest.raises(UnrecordableError, match=r"no component /Part\[1\]/Part"):
        codec.load(codec.dump(parts[1]).replace(b"/Part[1]", b"/Part[1]/Part"))


# -- the component -----------------------------------------------------------------------------


class App(Component):
    channel = "app"


def test_it_puts_back_what_it_took(recording: Callable[..., Recording], path: str) -> None:
    sources = (_clock.now, _clock.wall, _clock.random_bytes, _clock.new_id)
    doors = dict(vars(_outside))
    app = App()
    engine = app._tree_engine
    made = recording().register(app)
    with app.running():
        settle(app)
        assert _clock.now is not sources[0]
        poller = engine.loop.find_poller()
        assert "block" in vars(poller)
    assert (_clock.now, _clock.wall, _clock.random_bytes, _clock.new_id) == sources
    assert {name: doors[name] for name in doors if not name.startswith("__")} == {
        name: vars(_outside)[name] for name in doors if not name.startswith("__")
    }
    assert "block" not in vars(poller)
    assert "_change" not in vars(poller)
    assert type(engine.queue).__name__ == "EventQueue"
    assert type(engine.outcomes).__name__ == "Outcomes"
    assert made.ended == "the application has ended"
    assert read_recording(path)[2] == made.ended


def test_a_listener_of_before_is_recorded_and_given_back(
    recording: Callable[..., Recording],
) -> None:
    app = App()
    server = TCPServer(("127.0.0.1", 0)).register(app)
    made = recording().register(app)
    with app.running():
        settle(app)
        assert type(server._sock) is RecordedSocket
        made.close()
        assert type(server._sock) is socket.socket
    assert sockets.listener is None


def test_a_process_has_one_at_a_time(recording: Callable[..., Recording], path: str) -> None:
    recording()
    with pytest.raises(RuntimeError, match="one recording at a time"):
        Recording(path + "2")


def test_a_limit_that_holds_nothing_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="limit must be at least 4096 bytes, not 100"):
        Recording(path, limit=100)
    assert not os.path.exists(path)


def test_a_file_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    before = _clock.now
    with pytest.raises(FileNotFoundError):
        Recording(tmp_path / "no" / "a.rec")
    assert _clock.now is before
    assert Recording._active is None


class Busy(Component):
    """Asks for random bytes at each turn."""

    channel = "busy"

    def turn(self, left: int) -> None:
        _clock.random_bytes(1000)
        if left:
            self.fire(Event.create("turn", left - 1))


def test_at_its_limit_it_ends_and_the_application_goes_on(
    recording: Callable[..., Recording], path: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = Busy()
    made = recording(limit=10_000).register(app)
    recorder = Recorder("recording_ended", "turn").register(app)
    with app.running(), caplog.at_level(logging.WARNING):
        app.fire(Event.create("turn", 200))
        settle(app)
    assert made.ended == "the limit is reached"
    recorder.expect("recording_ended", "the limit is reached")
    assert len(recorder.named("turn")) == 201
    assert [record.name for record in caplog.records] == ["circuits.app.recording"]
    assert os.path.getsize(path) <= 10_000
    assert read_recording(path)[2] == "the limit is reached"


def test_a_full_disk_is_told_once_and_the_application_goes_on(
    recording: Callable[..., Recording],
    path: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = Busy()
    made = recording().register(app)
    recorder = Recorder("turn").register(app)

    def write(number: int, data: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with app.running(), caplog.at_level(logging.WARNING):
        settle(app)
        monkeypatch.setattr(os, "write", write)
        app.fire(Event.create("turn", 300))
        settle(app)
        monkeypatch.undo()
    assert made.ended is not None
    assert "No space left on device" in made.ended
    assert made.lost > 60_000
    assert len(recorder.named("turn")) == 301
    assert len(caplog.records) == 1
    assert "the application goes on" in caplog.records[0].getMessage()


def test_other_threads_are_not_heard(recording: Callable[..., Recording], path: str) -> None:
    made = recording()
    secrets: list[bytes] = []
    thread = threading.Thread(target=lambda: secrets.append(_clock.random_bytes(16)))
    thread.start()
    thread.join()
    ours = _clock.random_bytes(16)
    made.close()
    data = Path(path).read_bytes()
    assert ours in data
    assert secrets[0] not in data


def test_what_is_fired_by_a_thread_comes_in_at_a_look(
    recording: Callable[..., Recording],
) -> None:
    app = App()
    recording().register(app)
    recorder = Recorder("told").register(app)
    with app.running():
        settle(app)

        def work() -> None:
            for number in range(3):
                app.fire(Told(str(number)), priority=-number)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert len(app) == 0  # kept back
        settle(app, lambda: len(recorder.named("told")) == 3)
        assert [record.args[0] for record in recorder.named("told")] == ["2", "1", "0"]


def test_what_is_kept_back_is_not_lost_at_the_end(recording: Callable[..., Recording]) -> None:
    app = App()
    made = recording().register(app)
    recorder = Recorder("told").register(app)
    with app.running():
        settle(app)
        thread = threading.Thread(target=lambda: app.fire(Told("x")))
        thread.start()
        thread.join()
        made.close()
        settle(app)
        recorder.expect("told", "x")


def test_it_can_leave_the_tree(recording: Callable[..., Recording], path: str) -> None:
    app = App()
    made = recording().register(app)
    with app.running():
        settle(app)
        made.unregister()
        settle(app)
        assert made.ended == "it has left the application"
    assert read_recording(path)[2] == made.ended


def test_the_head_says_where_it_comes_from(recording: Callable[..., Recording], path: str) -> None:
    made = recording(application="shop:make")
    made.close()
    about = json.loads(Path(path).read_bytes().split(b"\n")[1])
    assert about["application"] == "shop:make"
    assert about["pid"] == os.getpid()
    assert application_of(App()) == f"{__name__}:App"
