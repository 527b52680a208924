"""circuits.app.systemd: what the service manager is told."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from circuits import Component, Event, handler
from circuits.app.systemd import Status, Systemd, Watchdog, watchdog_seconds
from circuits.testing import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from circuits.testing import Recorder, VirtualClock

    Run = Callable[[Component], Component]
    Record = Callable[..., Recorder]

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs UNIX sockets")


class Manager:
    """A service manager: a socket, and what has come to it."""

    def __init__(self, address: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.bind(address.replace("@", "\0", 1))
        self.environ = {"NOTIFY_SOCKET": address}

    def heard(self) -> list[str]:
        found = []
        while True:
            try:
                found.append(self.sock.recv(4096).decode())
            except BlockingIOError:
                return found


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """A service manager at each kind of address."""
    if request.param == "abstract" and not os.path.exists("/proc/net/unix"):
        pytest.skip("abstract addresses are a matter of Linux")
    address = os.fspath(tmp_path / "notify") if request.param == "path" else f"@n{os.getpid()}"
    made = Manager(address)
    yield made
    made.sock.close()


def test_it_is_ready_after_all_handlers_of_started(manager: Manager) -> None:
    heard_before = []

    class App(Component):
        def started(self, component: Component) -> None:
            heard_before.extend(manager.heard())

    app = App()
    systemd = Systemd(environ=manager.environ).register(app)
    with app.running():
        settle(app)
        assert manager.heard() == ["READY=1"]
        app.fire(Status("serving 3"), "systemd")
        settle(app)
        assert manager.heard() == ["STATUS=serving 3"]
        app.fire(Event.create("stopped"), "process")
        settle(app)
        assert manager.heard() == []
    assert manager.heard() == ["STOPPING=1"]
    assert heard_before == []
    assert systemd.address is not None


def test_it_may_join_later(manager: Manager, app_runner: Run) -> None:
    app = app_runner(Component())
    Systemd(environ=manager.environ).register(app)
    settle(app)
    assert manager.heard() == ["READY=1"]


def test_the_watchdog_is_fed_twice_as_often_as_is_asked_for(
    manager: Manager, app_runner: Run, virtual_clock: VirtualClock
) -> None:
    app = Component()
    environ = {**manager.environ, "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}
    Systemd(environ=environ).register(app)
    app_runner(app)
    assert manager.heard() == ["READY=1", "WATCHDOG=1"]
    settle(app, until=virtual_clock.now + 3.1)
    assert manager.heard() == ["WATCHDOG=1"] * 2


def test_a_handler_may_let_it_starve(
    manager: Manager, app_runner: Run, virtual_clock: VirtualClock
) -> None:
    class Doubtful(Component):
        @handler("watchdog", channel="systemd", priority=1)
        def _on_watchdog(self, event: Watchdog) -> None:
            event.stop()

    app = Component() + Doubtful()
    Systemd(environ={**manager.environ, "WATCHDOG_USEC": "2000000"}).register(app)
    app_runner(app)
    settle(app, until=virtual_clock.now + 5)
    assert manager.heard() == ["READY=1"]


def test_without_a_service_manager_nothing_is_done(app_runner: Run, recorder: Record) -> None:
    app = Component()
    Systemd(environ={"WATCHDOG_USEC": "1000"}).register(app)
    seen = recorder(app)
    app_runner(app)
    app.fire(Status("x"), "systemd")
    settle(app)
    seen.expect_none("error")
    seen.expect_none("watchdog")


def test_the_environment_is_that_of_the_process(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.environ["NOTIFY_SOCKET"])
    Systemd().notify("READY=1", "MAINPID=1")
    assert manager.heard() == ["READY=1\nMAINPID=1"]


def test_nobody_smuggles_lines(manager: Manager) -> None:
    with pytest.raises(ValueError, match="line break"):
        Systemd(environ=manager.environ).notify("STATUS=x\nMAINPID=1")


def test_an_address_of_another_kind_is_told(app_runner: Run, recorder: Record) -> None:
    app = Component()
    Systemd(environ={"NOTIFY_SOCKET": "vsock:2:1234"}).register(app)
    seen = recorder(app)
    app_runner(app)
    seen.expect("error", ValueError)


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": ""}, None),
        ({"WATCHDOG_USEC": "1500000"}, 1.5),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": str(os.getpid())}, 1.5),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "1"}, None),
    ],
)
def test_the_interval(environ: dict[str, str], seconds: float | None) -> None:
    assert watchdog_seconds(environ) == seconds


@pytest.mark.parametrize("text", ["x", "0", "-1", "1.5"])
def test_an_interval_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="WATCHDOG_USEC"):
        watchdog_seconds({"WATCHDOG_USEC": text})
