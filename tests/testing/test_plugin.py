from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_TESTS = """
from circuits import Component, Event, Timer
from circuits.core import _clock
from circuits.testing import settle

apps = []

class go(Event):
    pass

class App(Component):
    went = 0
    def go(self):
        self.went += 1

def test_running_with_virtual_time(virtual_clock, app_runner, recorder):
    app = app_runner(App())
    apps.append(app)
    assert app.running
    seen = recorder(app, "go")
    Timer(5, go()).register(app)
    settle(app, until=virtual_clock.now + 5)
    assert seen.names == ["go"]
    assert app.went == 1

def test_in_a_thread(app_thread, recorder):
    app = app_thread(App())
    apps.append(app)
    seen = recorder(app, "go")
    app.fire(go())
    seen.wait_for("go")

def test_connections(connections):
    pair = connections()
    apps.append(pair[0])

def test_all_was_taken_back():
    running, thread, connection = apps
    assert not running.running
    assert not thread.running
    assert connection.fileno() == -1
    import time
    assert _clock.now is time.monotonic
"""


@pytest.mark.process
def test_the_fixtures_work_and_clean_up(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(_TESTS, encoding="utf-8")
    # Without -p for the plugin: pytest finds it by its entry point.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    done = subprocess.run(
        [*command, "test_it.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "4 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.process
def test_pytest_is_imported_by_the_plugin_alone() -> None:
    source = "import sys, circuits.testing; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", source], timeout=60, check=False).returncode == 0
