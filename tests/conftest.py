"""What all tests share: marks by folder, outside programs, public vectors."""

from __future__ import annotations

import faulthandler
import functools
import gc
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import HealthCheck, settings

from tests.starts import Starts
from tests.support import vectors_folder
from tests.together import Together, together

_HERE = Path(__file__).parent
#: Files that take the longest by far.
_LONGEST = {"test_hostile_servers"}
#: Selections that leave out all that is in tests/integration.
_NO_INTEGRATION = {
    "not integration",
    "not integration or process",
    "not integration or documented or process",
}
_MARK_BY_FOLDER = {"integration": pytest.mark.integration, "documented": pytest.mark.documented}

# No deadline: a shared machine is slow at times, and a slow example is no defect. Few examples: new ones come
# with every run; `make nightly-examples` looks at many.
settings.register_profile("default", deadline=None, max_examples=30)
settings.register_profile(
    "nightly", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


#: A test that takes so long hangs: what every thread does is printed, at most so much later again.
_HANGS_SECONDS = 120


class _Watch:
    """Prints where a test hangs, or what comes before the first one: to collect them all.

    pytest can do that as well, with a new watchman for each test; to send a thread away takes
    longer than most tests do, where the machine is busy.
    """

    def __init__(self) -> None:
        self._stderr = os.dup(sys.__stderr__.fileno())  # type: ignore[union-attr]
        self._renewal = 0.0
        self._look()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        self._look()

    def _look(self) -> None:
        now = time.monotonic()
        if now >= self._renewal:
            self._renewal = now + _HANGS_SECONDS
            faulthandler.dump_traceback_later(2 * _HANGS_SECONDS, repeat=True, file=self._stderr)

    def pytest_unconfigure(self) -> None:
        faulthandler.cancel_dump_traceback_later()
        os.close(self._stderr)


class _Brief:
    """Has a worker tell of a test that passes in one message instead of five.

    Which is a quarter of what most tests take: their begin and end, and that they were set up and torn
    down well, are nothing that anybody looks at.
    """

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        hook, told = item.ihook, runtestprotocol(item, log=False, nextitem=nextitem)
        if len(told) == 3 and all(report.passed for report in told):
            told[1].keywords = {}  # for nobody
            hook.pytest_runtest_logreport(report=told[1])
            return True
        hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in told:
            hook.pytest_runtest_logreport(report=report)
        hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    plugins = config.pluginmanager
    plugins.register(_Watch())
    plugins.register(Starts())
    if hasattr(config, "workerinput"):
        gc.disable()  # until all tests are collected, which makes no circles
        # Nobody reads what a worker would print, and it keeps all reports until the end.
        plugins.unregister(name="terminalreporter")
        # Durations and JUnit want to know all.
        if config.option.durations is None and not config.option.xmlpath:
            plugins.register(_Brief())


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    # What would be left out as a whole need not be imported.
    return (
        True
        if config.option.markexpr in _NO_INTEGRATION and collection_path == _HERE / "integration"
        else None
    )


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--shuffle", metavar="SEED", help="run the tests in the random order that belongs to a seed"
    )
    parser.addoption(
        "--one-by-one",
        action="store_true",
        help="make a test of each vector, also where it is tiny",
    )


def pytest_report_header(config: pytest.Config) -> str | None:
    seed = config.getoption("shuffle")
    return None if seed is None else f"order: --shuffle {seed}"


@functools.cache
def _mark_by_folder(path: Path) -> pytest.MarkDecorator | None:
    inside = path.is_relative_to(_HERE)
    return _MARK_BY_FOLDER.get(path.relative_to(_HERE).parts[0]) if inside else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        mark = _mark_by_folder(item.path)
        if mark is not None:
            item.add_marker(mark)
        if item.get_closest_marker("process"):
            item.add_marker(pytest.mark.integration)
    wanted = config.option.one_by_one or config.option.keyword
    if not wanted and not any("::" in arg for arg in config.args):
        items[:] = together(items)
    seed = config.getoption("shuffle")
    if seed is not None:
        order = random.Random(seed)
        order.shuffle(items)
        for item in items:
            if isinstance(item, Together):
                order.shuffle(item.vectors)
    # Where files are handed out one by one, nobody is to wait in the end for the one that takes minutes.
    items.sort(key=lambda item: item.path.stem not in _LONGEST)


def pytest_collection_finish(session: pytest.Session) -> None:
    # Thousands of tests stay in memory all the time; no collection needs to look at them, this once included.
    # And tests make and forget whole trees: to look for circles thirty times less often takes a tenth off. Not
    # even less often, as what is forgotten may have descriptors.
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
    gc.enable()


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose modules can be imported; they are gone when the test is over."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # they change within a second
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        file = vars(sys.modules[name]).get("__file__")
        if file is not None and Path(file).is_relative_to(tmp_path):
            del sys.modules[name]


@pytest.fixture
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Generators that yield nothing are looked at so often that nobody waits for it."""
    monkeypatch.setattr("circuits.core._loop.TASK_INTERVAL", 0.002)
    monkeypatch.setattr("circuits.core._asyncio_guest.TASK_INTERVAL", 0.002)


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of public test vectors; the test is skipped where there is none."""
    folder = vectors_folder()
    if folder is None:
        pytest.skip("needs public test vectors: set CIRCUITS_VECTORS to their folder")
    # A folder that was named but is not there is a mistake, not a reason to skip.
    if not folder.is_dir():
        pytest.fail(f"CIRCUITS_VECTORS={folder} is not a folder")
    return folder
