"""What every contender shares. It runs in each contender's own environment: standard library only."""

from __future__ import annotations

import json
import os
import sys
from time import perf_counter, process_time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = float(os.environ.get("BENCH_SECONDS", "0.5"))


def rate(batch: Callable[[int], object]) -> float:
    """Operations per CPU second of this process.

    Args:
        batch: Does the given number of operations. It is called with growing numbers until a call
            is long enough to be measured, so caches are warm when it counts.
    """
    batch(1)  # what is imported then would count for a batch
    number = 1
    while True:
        begin, begin_wall = process_time(), perf_counter()
        batch(number)
        spent, elapsed = process_time() - begin, perf_counter() - begin_wall
        if spent >= SECONDS / 4 or elapsed >= SECONDS:
            break
        # Careful steps: some contenders get slower the more there is to do.
        number *= 4 if spent < SECONDS / 32 else 2
    # A contender that sleeps instead of working has to do with less CPU time.
    number = max(1, int(number * min(SECONDS / spent, 4 * SECONDS / elapsed)))
    begin = process_time()
    batch(number)
    return number / (process_time() - begin)


def once(work: Callable[[], object], operations: int) -> float:
    """Operations per CPU second of something that is done only once."""
    begin = process_time()
    work()
    return operations / (process_time() - begin)


def main(programs: dict[str, Callable[[], float]]) -> None:
    """Run the program that the command line names and print its figure."""
    name = sys.argv[1]
    if name not in programs:
        sys.exit(f"{sys.argv[0]}: no program {name!r}; there are {', '.join(sorted(programs))}")
    print(json.dumps({"figure": programs[name]()}), flush=True)


def check(condition: object, what: str) -> None:
    """End the run when a contender did not do the work that is being measured."""
    if not condition:
        sys.exit(f"{sys.argv[0]} {sys.argv[1]}: {what}")
