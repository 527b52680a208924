"""CPU milliseconds that importing a module takes, above an interpreter that imports nothing."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys


def cpu(code: str) -> float:
    out = subprocess.run(
        [sys.executable, "-I", "-c", f"{code}\nimport time; print(time.process_time())"],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(out.stdout)


code = f"import {sys.argv[1]}"
cpu(code)  # compiles what is not compiled yet
differences = []
for _ in range(15):
    empty = cpu("")
    differences.append(cpu(code) - empty)
print(json.dumps({"figure": statistics.median(differences) * 1e3}))
