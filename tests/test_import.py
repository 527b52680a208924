"""Importing circuits defines names and does nothing else, cheaply."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import circuits

pytestmark = pytest.mark.process

_PROBE = """
import sys, threading, signal, json, os
def descriptors():
    return sorted(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else []
before = descriptors()
handlers = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
loaded = set(sys.modules)
import circuits
print(json.dumps({
    "new": sorted(set(sys.modules) - loaded),
    "threads": threading.active_count(),
    "descriptors": [before, descriptors()],
    "signals": all(signal.getsignal(s) is handlers[s] for s in handlers),
    "version": circuits.__version__,
}))
"""


@cache
def probe() -> dict[str, object]:
    """What one fresh interpreter saw when it imported circuits."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _PROBE],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout)
    return result


def test_asyncio_is_not_imported() -> None:
    new = probe()["new"]
    assert isinstance(new, list)
    assert "circuits.core" in new
    assert not {"asyncio", "concurrent.futures", "multiprocessing", "ssl"} & set(new)


def test_web_and_net_are_not_imported() -> None:
    new = probe()["new"]
    assert isinstance(new, list)
    assert [m for m in new if m.startswith(("circuits.web", "circuits.net", "circuits.node"))] == []


def test_no_thread_descriptor_or_signal_handler() -> None:
    seen = probe()
    assert seen["threads"] == 1
    assert isinstance(seen["descriptors"], list)
    before, after = seen["descriptors"]
    assert before == after
    assert seen["signals"] is True


def test_the_version_has_one_source() -> None:
    from circuits import _version

    assert probe()["version"] == _version.__version__


def test_typing_is_not_imported() -> None:
    new = probe()["new"]
    assert isinstance(new, list)
    assert "typing" not in new


def test_only_core_tells_type_checkers_without_typing() -> None:
    # What `import circuits` loads does without typing, for its time; elsewhere it would be a riddle.
    sources = Path(circuits.__path__[0])
    odd = [
        path.relative_to(sources).as_posix()
        for path in sources.rglob("*.py")
        if re.search(r"^TYPE_CHECKING = False$", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert [name for name in odd if not name.startswith("core/")] == ["__init__.py"]
