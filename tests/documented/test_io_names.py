"""The documented names of circuits.io: where they are, and how they may be called."""

from __future__ import annotations

import inspect
import io
from pathlib import Path
from typing import Any

import pytest

import circuits.io
from circuits import Component, Event, Manager
from circuits.io import (
    File,
    Notify,
    Process,
    Serial,
    events,
    file,
    notify,
    process,
    serial,
    stderr,
    stdin,
    stdout,
)
from circuits.io.events import (
    EOF,
    Close,
    Closed,
    Error,
    Open,
    Opened,
    Read,
    Ready,
    Seek,
    Write,
)
from circuits.testing import settle


def signature_of(thing: Any) -> str:
    """Names, order and defaults of what may be given by position."""
    shown = []
    for parameter in inspect.signature(thing).parameters.values():
        if parameter.name == "self" or parameter.kind in (
            parameter.KEYWORD_ONLY,
            parameter.VAR_KEYWORD,
        ):
            continue
        shown.append(str(parameter.replace(annotation=parameter.empty)))
    return f"({', '.join(shown)})"


@pytest.mark.parametrize("event", [Close, Closed, EOF, Error, Opened, Read, Seek, Write])
def test_events(event: type[Event]) -> None:
    assert event.__module__ == "circuits.io.events"
    assert event.__bases__ == (Event,)
    made = event("anything", at="all")
    assert (list(made.args), made.kwargs) == (["anything"], {"at": "all"})


def test_names_of_events() -> None:
    names = [event.name for event in (Close, Closed, EOF, Error, Opened, Read, Seek, Write)]
    assert names == ["close", "closed", "eof", "error", "opened", "read", "seek", "write"]
    assert (Open.name, Ready.name) == ("open", "ready")


@pytest.mark.parametrize(
    "name", ["Close", "Closed", "EOF", "Error", "Opened", "Read", "Seek", "Write", "Open", "Ready"]
)
def test_events_are_in_the_module_of_files_too(name: str) -> None:
    assert getattr(file, name) is getattr(events, name)


@pytest.mark.parametrize(
    "name",
    [
        "File",
        "Close",
        "Open",
        "Seek",
        "Write",
        "Process",
        "Start",
        "Stop",
        "Signal",
        "Kill",
        "Wait",
        "Notify",
        "Serial",
        "stdin",
        "stdout",
        "stderr",
    ],  # as the list in the manual reads
)
def test_what_the_package_exports(name: str) -> None:
    assert hasattr(circuits.io, name)
    assert name in circuits.io.__all__


@pytest.mark.parametrize("name", ["Start", "Stop", "Signal", "Kill", "Wait", "Started", "Stopped"])
def test_events_of_processes(name: str) -> None:
    assert getattr(process, name) is getattr(events, name)
    assert getattr(process, name).name == name.lower()


@pytest.mark.parametrize(
    "name",
    [
        "Moved",
        "Opened",
        "Closed",
        "Created",
        "Deleted",
        "Accessed",
        "Modified",
        "Unmounted",
        "AddPath",
        "RemovePath",
        "Ready",
    ],  # as the list in the manual reads
)
def test_events_of_watched_folders(name: str) -> None:
    assert getattr(notify, name) is getattr(events, name)


def test_bases() -> None:
    assert issubclass(File, Component)
    assert issubclass(Serial, Component)
    assert file.File is File
    assert serial.Serial is Serial
    assert notify.Notify is Notify
    assert process.Process is Process


@pytest.mark.parametrize(
    ("component", "signature"),
    [
        (File, "(filename, mode='r', bufsize=4096, encoding=None, channel='file')"),
        (Process, "(args, cwd=None, shell=False)"),
        (Serial, "(port, baudrate=115200, bufsize=4096, timeout=0.2, channel='serial')"),
        (Notify, "(channel='notify')"),
        (File.seek, "(offset, whence=0)"),
        (File.write, "(data)"),
        (File.close, "()"),
        (File.open, "(filename=None, mode=None, bufsize=None)"),
        (Process.start, "()"),
        (Process.kill, "()"),
        (Process.signal, "(number)"),
        (Process.wait, "()"),
        (Process.write, "(data)"),
        (Notify.add_path, "(path, mask=None, recursive=False, auto_add=False)"),
        (Notify.remove_path, "(path, recursive=False)"),
    ],
)
def test_signatures(component: Any, signature: str) -> None:
    assert signature_of(component) == signature


def test_channels() -> None:
    assert (File.channel, Process.channel, Serial.channel) == ("file", "process", "serial")
    assert Notify.channel == "notify"
    assert [s.channel for s in (stdin, stdout, stderr)] == ["stdin", "stdout", "stderr"]


def test_handlers_have_the_names_of_the_events() -> None:
    assert File.handles("open", "write", "seek", "close")
    assert Process.handles("start", "stop", "kill", "signal", "wait", "write")
    assert Serial.handles("open", "write", "close")
    assert Notify.handles("add_path", "remove_path")


def test_attributes_of_a_process() -> None:
    child = Process(["ls"], "/", shell=True)
    assert (child.args, child.cwd, child.shell, child.p) == (["ls"], "/", True, None)
    assert isinstance(child.stdout, io.BytesIO)
    assert isinstance(child.stderr, io.BytesIO)
    assert child.status is None


def test_attributes_of_a_file() -> None:
    made = File("name", "w", 100, "latin-1", "other")
    assert (made.filename, made.mode, made.bufsize, made.encoding) == ("name", "w", 100, "latin-1")
    assert (made.channel, made.closed) == ("other", True)
    with pytest.raises(AttributeError):
        made.closed = False  # type: ignore[misc]


def test_attributes_of_a_port() -> None:
    pytest.importorskip("serial")
    made = Serial("/dev/ttyS9", 9600)
    assert (made.port, made.baudrate, made.bufsize, made.timeout) == ("/dev/ttyS9", 9600, 4096, 0.2)


class Reader(Component):
    """As the manual's readers write one."""

    channel = "file"

    def init(self, *args: Any, **kwargs: Any) -> None:
        self.told: list[Any] = []

    def opened(self, filename: Any, mode: str) -> None:
        self.told.append(("opened", filename, mode))

    def read(self, data: bytes) -> None:
        self.told.append(data)

    def eof(self) -> None:
        self.told.append("eof")

    def closed(self) -> None:
        self.told.append("closed")


@pytest.mark.parametrize("mode", ["r", "r+", "a+"])
def test_a_file_ends_only_if_it_is_read_alone(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"data")
    app = Manager()
    reader = Reader().register(app)
    with app.running():
        made = File(path, mode).register(app)
        settle(app)
        assert made.closed is (mode == "r")
        assert ("eof" in reader.told) is (mode == "r")
        assert (b"data" in reader.told) is (mode != "a+")


def test_seeking_right_after_making_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    app = Manager()
    reader = Reader().register(app)
    with app.running():
        File(path, autoclose=False).register(app).seek(-3, 2)
        settle(app)
    assert reader.told[:3] == [("opened", path, "r"), b"789", "eof"]


def test_closing_after_writing_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    app = Manager()
    with app.running():
        File(path, "w").register(app)
        settle(app)
        app.fire(Write("text "), "file")
        app.fire(Write(b"bytes"), "file")
        app.fire(Close(), "file")
        settle(app)
    assert path.read_bytes() == b"text bytes"
