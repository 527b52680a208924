"""What a nightly job says of its figures, and the status that it ends with."""

from __future__ import annotations

from collections.abc import Iterable


def report(figures: Iterable[tuple[str, bool]]) -> int:
    """Print each figure as soon as it is there, with whether it is as it should be.

    Args:
        figures: Lines, and whether they are good.

    Returns:
        The status of the process: 1 if one is not.
    """
    bad = 0
    for line, is_good in figures:
        bad += not is_good
        print(line if is_good else f"{line}   <-- not as it should be", flush=True)
    print(f"{bad} figures are not as they should be", flush=True)
    return 1 if bad else 0
