"""``python -m benchmarks``: run comparisons, print their ratios, and write them as a page.

What a comparison is, and how it is measured, is in ``harness``; the rows are in ``rows``, the curves
in ``curves``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.base import against_base
from benchmarks.curves import CURVES, Curve, run_curve
from benchmarks.harness import Failed, Row, only_ours, python_of, report, run_row, summary
from benchmarks.page import write_page
from benchmarks.rows import QUICK, ROWS

#: Whose versions the page of results names, by environment.
_COMPARED: Final = {
    "old": ("circuits",),
    "peers": (
        "uvicorn",
        "uvloop",
        "httptools",
        "starlette",
        "waitress",
        "websockets",
        "pyee",
        "nats-py",
    ),
}


def make_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "rows", nargs="*", help="groups or names, such as kernel or http.controller"
    )
    parser.add_argument("--rounds", type=int, help="turns (default: 5; 15 with --base)")
    parser.add_argument(
        "--seconds", type=float, help="how long a contender is measured (default: 1)"
    )
    parser.add_argument("--ours", action="store_true", help="run only our own contenders")
    parser.add_argument("--base", metavar="REVISION", help="run ours against another commit's")
    parser.add_argument(
        "--quick", action="store_true", help="few rows unless some are named, half a second each"
    )
    parser.add_argument("--list", action="store_true", help="show the rows and end")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    parser.add_argument("--page", type=Path, metavar="FOLDER", help="write them as a page there")
    return parser


def main() -> None:
    """Run the rows and curves that the command line names."""
    parser = make_parser()
    options = parser.parse_args()
    options.rounds = options.rounds or (15 if options.base else 5)
    options.seconds = options.seconds or (0.5 if options.quick else 1.0)
    wanted = options.rows or (QUICK if options.quick else ())
    rows = [row for row in ROWS if not wanted or _is_named(row.name, wanted)]
    curves = [] if options.base else [c for c in CURVES if not wanted or _is_named(c.name, wanted)]
    if not (rows or curves):
        groups = {one.name.split(".")[0] for one in (*ROWS, *CURVES)}
        parser.error(f"no such row; groups are {', '.join(sorted(groups))}")
    if options.list:
        for one in (*rows, *curves):
            print(f"{one.name:28} {one.title}")
        return
    if options.ours:
        rows = [only_ours(row) for row in rows]
    if options.base:
        try:
            rows = against_base(rows, options.base)
        except Failed as failed:
            parser.error(str(failed))
    document = {
        "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": _processor(),
        "processors": os.cpu_count(),
        "versions": _versions(),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "base": options.base,
        "rows": _run_rows(rows, options),
        "curves": _run_curves(curves, options),
    }
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if options.page:
        write_page(options.page, document)
    if any(result["failures"] for result in document["rows"]):
        sys.exit(1)


def _run_rows(rows: Iterable[Row], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run rows, and print the figures of each as soon as they are there."""
    results = []
    for row in rows:
        results.append(run_row(row, options.rounds, options.seconds))
        print(report(results[-1]), flush=True)
    if options.base:
        print(summary(results))
    return results


def _run_curves(curves: Iterable[Curve], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run curves, and print their points."""
    grown = []
    for curve in curves:
        grown.append(run_curve(curve, options.rounds, options.seconds))
        print(f"{curve.name}: {curve.title}")
        for size, factor in zip(grown[-1]["sizes"], grown[-1]["factors"], strict=True):
            print(f"    {size:12,}  {'FAILED' if factor is None else format(factor, '.3f')}")
    return grown


def _is_named(name: str, wanted: Sequence[str]) -> bool:
    return any(name == one or name.startswith(one + ".") for one in wanted)


def _processor() -> str:
    """What the system calls the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _versions() -> dict[str, str]:
    """The versions of those that we are compared with, as far as they are installed."""
    found: dict[str, str] = {}
    program = (
        "import sys, json, importlib.metadata as m\n"
        "names = sys.argv[1:]\n"
        "there = {d.metadata['Name'].lower(): d.version for d in m.distributions()}\n"
        "print(json.dumps({name: there[name] for name in names if name in there}))"
    )
    for env, names in _COMPARED.items():
        if python_of(env).exists():
            command = [str(python_of(env)), "-I", "-c", program, *names]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found |= json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
