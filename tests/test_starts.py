"""A test that starts a process has a mark that says so."""

from __future__ import annotations

import os

import pytest

pytest_plugins = ["pytester"]

_CONFTEST = """
from tests.starts import Starts

def pytest_configure(config):
    config.addinivalue_line("markers", "integration: ...")
    config.pluginmanager.register(Starts())
"""

_TESTS = """
import os, subprocess, sys
import pytest

@pytest.fixture
def program():
    return subprocess.run([sys.executable, "-S", "-c", ""], check=True)

def by_subprocess():
    subprocess.run([sys.executable, "-S", "-c", ""], check=True)

def by_fork():
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)

def by_spawn():
    os.waitpid(os.posix_spawn(sys.executable, [sys.executable, "-S", "-c", ""], {}), 0)

def by_a_shell():
    os.system("true")

_WAYS = [by_subprocess, by_fork, by_spawn, by_a_shell]

@pytest.mark.parametrize("way", _WAYS)
def test_it_starts_one(way):
    way()

def test_its_fixture_starts_one(program): ...

@pytest.mark.integration
@pytest.mark.parametrize("way", _WAYS)
def test_it_says_so(way):
    way()

def test_those_after_it_are_innocent(): ...
"""


@pytest.mark.process
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_who_starts_a_process_without_saying_so_fails(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeconftest(_CONFTEST)
    pytester.makepyfile(_TESTS)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=5, passed=5)
    result.stdout.fnmatch_lines(
        [f"starts a process ({event}): *" for event in ("subprocess.Popen", "os.fork")]
    )
