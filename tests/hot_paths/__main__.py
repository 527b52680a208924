"""``python -m tests.hot_paths``: count the hot paths here; ``--record`` makes that the budgets."""

from __future__ import annotations

import argparse
import gc
import json
import sys

from .budgets import VERSION, budget, load, record
from .counting import count


def main() -> None:
    # What is installed beside the framework must not matter; None means: cannot be imported.
    sys.modules |= dict.fromkeys(("msgspec", "brotli", "zstandard", "uvloop"))  # type: ignore[arg-type]
    from .programs import PATHS

    gc.freeze()  # each count begins with a collection: of what is made for it, not of all modules

    parser = argparse.ArgumentParser(prog="python -m tests.hot_paths", description=__doc__)
    parser.add_argument("paths", nargs="*", help="paths, or how they begin; all by default")
    parser.add_argument("--record", action="store_true", help="write the budgets of this Python")
    parser.add_argument("--json", action="store_true", help="print nothing but what was counted")
    options = parser.parse_args()
    chosen = {
        path: program
        for path, program in PATHS.items()
        if not options.paths or path.startswith(tuple(options.paths))
    }
    if options.record and len(chosen) < len(PATHS):
        parser.error("budgets are recorded all together")
    counted = {path: count(program) for path, program in chosen.items()}
    if options.record:
        record(counted)
    if options.json:
        print(json.dumps(counted))
        return
    table = load()
    print(f"Python {VERSION:22} counted: python    c  opcodes   budget: python    c  opcodes")
    for path, counts in counted.items():
        allowed = budget(table, path) if path in table else ("-",) * 3
        print(f"{path:29}" + "{:16}{:5}{:9}".format(*counts) + "{:>17}{:>5}{:>9}".format(*allowed))


if __name__ == "__main__":
    main()
