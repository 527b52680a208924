"""Growth: the same work with more and more of something, which should cost the same each time."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.harness import Contender, Failed, measure


@dataclass(frozen=True)
class Curve:
    """One curve.

    Attributes:
        name: Its name, ``curve.what-grows``.
        title: What is done, and what there is more and more of.
        points: How much of it, and what is measured then.
    """

    name: str
    title: str
    points: tuple[tuple[int, Contender], ...]


def _kernel(name: str, title: str, *sizes: int) -> Curve:
    return Curve(
        f"curve.{name}",
        title,
        tuple(
            (size, Contender(str(size), "here", "kernel_circuits.py", (f"{name}_{size}",)))
            for size in sizes
        ),
    )


def _server(name: str, title: str, *sizes: int) -> Curve:
    return Curve(
        f"curve.{name}",
        title,
        tuple(
            (
                size,
                Contender(
                    str(size),
                    "here",
                    "http_circuits_base.py",
                    load=("--connections", str(size)),
                ),
            )
            for size in sizes
        ),
    )


CURVES: Final = (
    _kernel("idle", "event to one handler, among so many components", 1, 10, 100, 1000, 10_000),
    _kernel("handlers", "calls of handlers, so many for one event", 1, 3, 10, 30, 100),
    _kernel("channels", "events to so many channels in turn", 10, 100, 1000, 10_000),
    _kernel("depth", "events of which so many are queued at a time", 1, 10, 100, 1000, 10_000),
    _server("connections", "hello over so many connections", 4, 16, 64, 512, 2000),
)


def run_curve(curve: Curve, rounds: int, seconds: float) -> dict[str, Any]:
    """Measure the points of a curve in turns.

    Returns:
        Name and title; ``sizes``, and ``factors``: what a unit of the work takes there, as a factor
        of what it takes at the first one, or ``None`` where that could not be measured.
    """
    figures: dict[int, list[float]] = {size: [] for size, _ in curve.points}
    for number in range(rounds):
        for size, contender in curve.points[:: -1 if number % 2 else 1]:
            try:
                figures[size].append(measure(contender, seconds))
            except Failed:
                figures[size].append(0.0)
    medians = {size: statistics.median(found) for size, found in figures.items()}
    first = medians[curve.points[0][0]]
    factors = [first / median if median else None for median in medians.values()]
    return {"name": curve.name, "title": curve.title, "sizes": [*medians], "factors": factors}
