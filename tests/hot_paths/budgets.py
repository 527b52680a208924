"""What each path may take: the figures in ``budgets.json``, as counted, and a few percent more."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from .counting import Counts

Table = dict[str, dict[str, Counts]]
"""Path and version of Python: what was counted there when it was recorded."""

VERSION: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
_FILE: Final = Path(__file__).with_suffix(".json")
_WORDS: Final = ("Python calls", "C calls", "opcodes")
_SLACK: Final = 0.03
#: Each version has its own bytecode; one that is not in the table is held to the newest, roughly.
_SLACK_OF_ANOTHER_VERSION: Final = 0.25


def load() -> Table:
    return {
        path: {version: Counts(*counts) for version, counts in versions.items()}
        for path, versions in json.loads(_FILE.read_text(encoding="utf-8")).items()
    }


def record(counted: Mapping[str, Counts]) -> None:
    """Replace the figures of this Python, and forget paths that are no more."""
    table = load() if _FILE.exists() else {}
    lines = []
    for path, counts in counted.items():
        versions = {**table.get(path, {}), VERSION: counts}
        cells = [f'"{v}": {json.dumps(versions[v])}' for v in sorted(versions, key=_number)]
        lines.append(f"  {json.dumps(path)}: {{{', '.join(cells)}}}")
    _FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def budget(table: Table, path: str, version: str = VERSION) -> Counts:
    """The most that a path may take.

    Raises:
        KeyError: Nothing is recorded for it.
    """
    recorded = table[path]
    slack = _SLACK
    if version not in recorded:
        version, slack = max(recorded, key=_number), _SLACK_OF_ANOTHER_VERSION
    return Counts(*(int(figure * (1 + slack)) for figure in recorded[version]))


def exceeded(counted: Mapping[str, Counts], table: Table, version: str = VERSION) -> list[str]:
    """A line for each path that takes more than it may, or has no budget."""
    found = []
    for path, counts in counted.items():
        if path not in table:
            found.append(f"{path} has no budget: make budgets")
            continue
        allowed = budget(table, path, version)
        for what, figure, most in zip(_WORDS, counts, allowed, strict=True):
            if figure > most:
                found.append(f"{path} on Python {version}: {figure} {what}, budget {most}")
    return found


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
