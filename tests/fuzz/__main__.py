"""Fuzz the codecs: ``python -m tests.fuzz [codec ...]``.

What does not hold is made small, told, and written to a folder.
Ends with status 1 if there is anything. The same seed tries the same inputs.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import random
import sys
import time
from pathlib import Path

from tests.fuzz.codecs import TARGETS, fuzz
from tests.fuzz.differences import DIFFERENCES


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("codecs", nargs="*", help="by default all")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each codec")
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(10**9)))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("build/nightly"))
    options = parser.parse_args()
    if unknown := set(options.codecs) - set(TARGETS):
        parser.error(f"no codec is called {sorted(unknown)}; there are {', '.join(TARGETS)}")
    names = options.codecs or list(TARGETS)
    failures = options.folder / "fuzz"
    failures.mkdir(parents=True, exist_ok=True)
    print(
        f"seed {options.seed}, {options.seconds:g} s a codec, {time.strftime('%F %T')}", flush=True
    )
    excused = dict.fromkeys(DIFFERENCES, 0)
    bad = 0
    with multiprocessing.get_context("spawn").Pool(options.jobs, maxtasksperchild=1) as pool:
        jobs = [pool.apply_async(fuzz, (name, options.seed, options.seconds)) for name in names]
        for job in jobs:
            result = job.get()
            for index, difference in enumerate(DIFFERENCES):
                excused[difference] += result.excused.get(index, 0)
            told = [
                (
                    f"{result.target}: {result.inputs} inputs, {result.measured} measured, "
                    f"{result.corpus} kept, {len(result.troubles)} troubles"
                )
            ]
            for trouble in result.troubles.values():
                digest = hashlib.sha1(trouble.data, usedforsecurity=False).hexdigest()[:10]
                path = failures / f"{result.target}-{trouble.kind}-{digest}.bin"
                path.write_bytes(trouble.data)
                told.append(f"  {trouble}\n    in {path}")
            bad += len(result.troubles)
            print("\n".join(told), flush=True)
    print("\nDifferences that are on purpose, and how often they were met:\n")
    print("\n".join(f"{count:8} {difference}" for difference, count in excused.items()))
    print(f"\n{bad} troubles")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
