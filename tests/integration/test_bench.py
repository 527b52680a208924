"""The ``circuits.bench`` program as it is started from a shell."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

_SECONDS = 20.0
_COMMAND = [sys.executable, "-X", "dev", "-W", "error", "-m", "circuits.bench"]


@pytest.mark.parametrize("mode", ["speed", "latency", "concurrency", "sync"])
def test_it_stops_after_a_time(mode: str) -> None:
    done = subprocess.run(
        [*_COMMAND, "-t", "0.1", "-q", "-m", mode],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Total Events: ")
    assert int(done.stdout.split()[2]) > 0


@pytest.mark.parametrize("mode", ["speed", "latency", "concurrency", "sync"])
@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_an_interrupt_ends_it_with_a_result(mode: str) -> None:
    process = subprocess.Popen(
        [*_COMMAND, "-m", mode, "-d"],  # the first event that is shown tells that it runs
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        while "hello" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=_SECONDS)
        assert process.returncode == 0
        assert out.splitlines()[-1].startswith("Total Events: ")
    finally:
        process.kill()
        process.communicate()
