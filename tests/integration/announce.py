"""Runs a program and tells, when it begins to run, the port of its server."""

from __future__ import annotations

import runpy
import sys
from typing import Any

from circuits.core.manager import Manager
from circuits.core.utils import flatten

_run = Manager.run


def _announced(app: Manager, *args: Any, **kwargs: Any) -> None:
    ports = [getattr(node, "port", None) for node in flatten(app)]
    print("port", next(port for port in ports if isinstance(port, int) and port), flush=True)
    _run(app, *args, **kwargs)


Manager.run = _announced  # type: ignore[method-assign, assignment]  # the program calls it
sys.argv = sys.argv[1:]
sys.path[0] = ""
runpy.run_path(sys.argv[0], run_name="__main__")
