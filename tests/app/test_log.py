"""circuits.app.log: a standard logger with one place to write to."""

from __future__ import annotations

import logging
import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from circuits import BaseComponent, Component
from circuits.app.log import LEVELS, Log, Logger
from circuits.testing import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Run = Callable[[BaseComponent], BaseComponent]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the log is."""
    return tmp_path / "test.log"


@pytest.fixture
def make(path: Path) -> Iterator[Callable[..., Logger]]:
    """Function that makes a logger, which is closed in the end."""
    made: list[Logger] = []

    def logger(type: str = "file", level: str = "DEBUG") -> Logger:
        made.append(Logger(path, "test", type, level))
        return made[-1]

    yield logger
    for one in made:
        one.close()


def places() -> list[logging.Handler]:
    """Where the logger writes, what pytest adds left out."""
    found = logging.getLogger("test").handlers
    return [place for place in found if isinstance(place, logging.FileHandler)]


def test_an_event_is_a_line(make: Callable[..., Logger], path: Path, app_runner: Run) -> None:
    app = app_runner(make() + Component())
    app.fire(Log("debug", "Hello %s!", "World"))
    settle(app)
    assert re.fullmatch(r"\S+ test\[log\] DEBUG: Hello World!\n", path.read_text())


def test_the_date_is_shown_above_debug(make: Callable[..., Logger], path: Path) -> None:
    make(level="info").info("x")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d [\d:,]+ test\[log\] INFO: x\n", path.read_text())


@pytest.mark.parametrize("name", list(LEVELS))
def test_every_level_has_a_method_and_an_event(
    make: Callable[..., Logger], path: Path, name: str
) -> None:
    logger = make(level="all")
    getattr(logger, name)("one %d", 1)
    logger.log(name.upper(), "two")
    shown = logging.getLevelName(LEVELS[name])
    lines = [line for line in path.read_text().splitlines() if "test[log]" in line]
    assert [line.split(" ", 1)[1] for line in lines] == [
        f"test[log] {shown}: one 1",
        f"test[log] {shown}: two",
    ]


@pytest.mark.parametrize("how", ["method", "event"])
def test_an_exception_comes_with_its_traceback(
    make: Callable[..., Logger], path: Path, how: str
) -> None:
    logger = make()
    try:
        raise ValueError("this one")
    except ValueError:
        if how == "method":
            logger.exception("failed")
        else:
            logger.log("exception", "failed")
    assert "failed\nTraceback" in path.read_text()
    assert "ValueError: this one" in path.read_text()


@pytest.mark.parametrize(
    ("level", "number"),
    [("DEBUG", 10), ("all", 10), ("Info", 20), ("error", 40), ("CRITICAL", 50), ("else", 30)],
)
def test_the_level_is_a_threshold(
    make: Callable[..., Logger], path: Path, level: str, number: int
) -> None:
    logger = make(level=level)
    assert logger.logger.level == number
    logger.logger.log(number - 1, "below")
    logger.logger.log(number, "at")
    assert path.read_text().endswith(": at\n")
    assert "below" not in path.read_text()


def test_standard_error(make: Callable[..., Logger], capsys: pytest.CaptureFixture[str]) -> None:
    make("StdErr").error("x")
    assert capsys.readouterr().err == "test[log] ERROR: x\n"


def test_there_is_no_other_type(make: Callable[..., Logger]) -> None:
    with pytest.raises(ValueError, match=r"type must be one of .*, not 'pigeon'"):
        make("pigeon")


@pytest.mark.parametrize("kind", ["winlog", "eventlog", "nteventlog"])
@pytest.mark.skipif(os.name == "nt", reason="Windows has it")
def test_what_the_system_lacks_is_told(make: Callable[..., Logger], kind: str) -> None:
    with pytest.raises(OSError, match="need Windows"):
        make(kind)


@pytest.mark.parametrize("kind", ["syslog", "UNIX"])
def test_syslog_is_a_socket(
    make: Callable[..., Logger], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    address = os.fspath(tmp_path / "log")
    monkeypatch.setattr("circuits.app.log._SYSLOG", address)
    with pytest.raises(OSError, match="no syslog"):
        make(kind)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(address)
        make(kind).info("x")
        assert b"test[log] INFO: x" in sock.recv(1000)


def test_a_place_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Logger(tmp_path / "missing" / "a.log", "test", "file", "INFO")
    assert not places()


def test_a_log_that_was_moved_away_is_begun_anew(make: Callable[..., Logger], path: Path) -> None:
    logger = make()
    logger.info("old")
    path.rename(path.with_suffix(".1"))
    logger.info("new")
    assert "new" in path.read_text()
    assert "old" not in path.read_text()


def test_an_unknown_level_is_refused(make: Callable[..., Logger]) -> None:
    with pytest.raises(ValueError, match=r"level must be one of .*, not 'loud'"):
        make().log("loud", "x")


@pytest.mark.parametrize("above", [False, True])
def test_it_is_closed_when_it_leaves(
    make: Callable[..., Logger], path: Path, app_runner: Run, above: bool
) -> None:
    app = app_runner(Component())
    middle = Component().register(app)
    logger = make().register(middle)
    settle(app)
    assert places()
    leaving = middle if above else logger
    leaving.unregister()
    settle(app)
    assert not places()
    leaving.register(app)
    logger.info("again")
    assert "again" in path.read_text()


def test_a_per_cent_sign_in_the_name(tmp_path: Path) -> None:
    logger: Any = Logger(tmp_path / "a.log", "100 %", "file", "INFO")
    logger.info("x")
    logger.close()
    logger.close()
    assert (tmp_path / "a.log").read_text().endswith(" 100 %[log] INFO: x\n")
