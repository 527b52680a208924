"""circuits sniff: what it asks for, and how it prints what it is told."""

from __future__ import annotations

import io
import json
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from circuits.cli import main, sniff
from circuits.cli._attached import printable

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="UNIX sockets")

_EVENT: dict[str, Any] = {
    "id": 2,
    "parent": 1,
    "cause": "order",
    "name": "charge",
    "channels": ["bank"],
    "origin": None,
    "at": 1_700_000_000.25,
    "waited": 0.001,
    "took": 0.0021,
    "args": "'x\\n'",
    "handlers": [["Bank.charge", 0.002]],
    "errors": [],
}
_ERROR: dict[str, Any] = {
    "at": 1_700_000_000.25,
    "event": "charge",
    "channels": ["bank"],
    "handler": "Bank.charge",
    "exception": "ValueError",
    "text": "no\x1b[2J money",
    "traceback": '  File "bank.py", line 3, in charge\n',
    "trace": 2,
}
_TICK: dict[str, Any] = {
    "type": "tick",
    "at": 1_700_000_000.5,
    "seconds": 0.5,
    "events": 10,
    "calls": 5,
    "depth": 0,
    "deepest": 3,
    "cpu": 0.125,
    "suspended": 4,
    "kinds": [["charge", ["bank"], 6, 1], ["order", ["shop"], 4, 4]],
    "handlers": [["Bank.charge", 7, 0.0001, 0.02, 0.02, 7], ["Shop.order", 8, 0, 0, 0, 0]],
    "traces": [
        _EVENT,
        {**_EVENT, "id": 3, "name": "order", "channels": ["shop"], "took": None, "cause": None},
    ],
    "dropped": 0,
    "errors": [],
}


def printed(*arguments: str, **changed: Any) -> list[str]:
    options = sniff.make_parser().parse_args(arguments)
    out = io.StringIO()
    assert sniff.run([json.dumps({**_TICK, **changed}).encode()], options, out) == 0
    return out.getvalue().splitlines()


def test_an_event_is_a_line() -> None:
    first, second = printed()
    assert first[8:] == ".250 charge[bank]('x\\n') 2.1ms <- order"
    assert second[8:] == ".250 order[shop]('x\\n') suspended"


@pytest.mark.parametrize(
    "filter_", [("-n", "char*"), ("--channel", "bank"), ("-C", "Bank"), ("-n", "x", "-n", "charge")]
)
def test_filters(filter_: tuple[str, str]) -> None:
    changed = [{**_TICK["traces"][1], "handlers": [["Shop.order", 0.0]]}]
    lines = printed(*filter_, traces=[_EVENT, *changed], errors=[{**_ERROR, "event": "other", "channels": ["other"], "handler": "Other.other"}])  # fmt: skip
    assert [line.split()[1].partition("[")[0] for line in lines] == ["charge"]


def test_json_is_a_line_for_each() -> None:
    event, _ = map(json.loads, printed("--json"))
    assert event == {"type": "event", **_EVENT}
    [error] = map(json.loads, printed("--json", "--errors", errors=[_ERROR]))
    assert error == {"type": "error", **_ERROR}
    [rate] = map(json.loads, printed("--json", "--rate"))
    assert (rate["type"], rate["events"], rate["kinds"]) == ("rate", 10, _TICK["kinds"])
    assert json.loads(printed("--json", dropped=3)[-1]) == {"type": "dropped", "number": 3}


def test_rates_are_tables() -> None:
    lines = printed("--rate")
    assert lines[0] == "20 events/s, 10 calls/s, longest queue 3, suspended 4, processor 12 %"
    assert lines[2].split() == ["charge[bank]", "12.0", "2.0"]
    assert lines[5].split() == ["Bank.charge", "14.0", "100us", "20.0ms"]
    assert lines[6].split() == ["Shop.order", "16.0", "-", "-"]
    assert [line.split()[0] for line in printed("--rate", "-n", "order")[2:3]] == ["order[shop]"]


def test_errors_have_their_tracebacks_and_command_no_terminal() -> None:
    lines = printed("-e", errors=[_ERROR])
    assert lines[0][13:] == "ValueError: no\\x1b[2J money in Bank.charge of charge"
    assert lines[1].strip() == 'File "bank.py", line 3, in charge'
    assert len(lines) == 2
    assert printed(traces=[{**_EVENT, "errors": ["a\x07b"]}])[1].strip() == "a\\x07b"
    assert printed(dropped=5)[-1] == "... 5 more were not kept"


def test_it_ends_after_so_many() -> None:
    assert len(printed("--count", "1")) == 1


@pytest.mark.parametrize("text", ["\x1b]0;title\x07", "\u202e", "\n", "\x9b2J"])
def test_nothing_that_is_printed_commands_a_terminal(text: str) -> None:
    assert printable(text).isprintable()


# -- which process --


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "circuits").mkdir()
    return tmp_path / "circuits"


def served(path: Path, *messages: dict[str, Any]) -> tuple[threading.Thread, list[Any]]:
    """Be a process that tells something to one who asks."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    asked: list[Any] = []

    def serve() -> None:
        with listener, listener.accept()[0] as sock, sock.makefile("rwb") as stream:
            asked.append(json.loads(stream.readline()))
            for message in messages:
                stream.write(json.dumps(message).encode() + b"\n")

    thread = threading.Thread(target=serve)
    thread.start()
    return thread, asked


@pytest.mark.parametrize("target", ["none", "pid", "path"])
def test_the_process_is_found(
    folder: Path, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / f"{os.getpid()}.sock"
    thread, asked = served(path, {"type": "tree"}, _TICK)
    where = {"none": [], "pid": [str(os.getpid())], "path": [str(path)]}[target]
    assert (
        main(["sniff", *where, "-n", "a*", "-c", "b", "-C", "C", "--limit", "0", "--no-payloads"])
        == 0
    )
    thread.join(10)
    assert asked == [{
        "names": ["a*"], "channels": ["b"], "components": ["C"], "limit": None, "seconds": 0.25,
        "payloads": False, "state": False,
    }]  # fmt: skip
    assert capsys.readouterr().err == ""


def test_a_refusal_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    thread, _ = served(folder / "1.sock", {"type": "refused", "reason": "too many"})
    assert main(["sniff", str(folder / "1.sock")]) == 1
    thread.join(10)
    assert capsys.readouterr().err == "circuits sniff: refused: too many\n"


def test_what_is_not_there_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sniff"]) == 1
    assert "no process has a socket in" in capsys.readouterr().err
    assert main(["sniff", "1"]) == 1
    assert "process 1 has no socket" in capsys.readouterr().err
    assert main(["inspect", str(folder / "x.sock")]) == 1
    assert "circuits inspect: cannot connect to" in capsys.readouterr().err
    sockets = []
    for pid in (os.getpid(), os.getppid()):
        sockets.append(socket.socket(socket.AF_UNIX))
        sockets[-1].bind(str(folder / f"{pid}.sock"))
    assert main(["sniff"]) == 1
    assert "several processes, say which one: " in capsys.readouterr().err
    for one in sockets:
        one.close()
