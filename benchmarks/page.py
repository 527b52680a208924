"""The page of results: what ``docs/benchmarks`` holds, written from one run."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any, Final

from .profiles import where

_WIDTH: Final = 520
_HEIGHT: Final = 220
_LEFT: Final = 46
_RIGHT: Final = 16
_TOP: Final = 14
_BOTTOM: Final = 36

_WORDS: Final = {"aim": "aim", "ok": "ok", "BELOW": "**below**", "": ""}


def write_page(folder: Path, document: dict[str, Any]) -> None:
    """Write ``index.md`` and a picture for each curve.

    Args:
        folder: Where to; it is made if it is not there.
        document: What ``--json`` writes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for curve in document["curves"]:
        picture = folder / f"{curve['name'].removeprefix('curve.')}.svg"
        picture.write_text(draw(curve), encoding="utf-8")
    (folder / "index.md").write_text(page(document), encoding="utf-8")


def page(document: dict[str, Any]) -> str:
    """The Markdown of the page."""
    machine = f"{document['processor']}, {document['processors']} processors"
    lines = [
        "# Figures",
        "",
        (
            f"One run of `make bench`, {document['date']}: Python {document['python']} on {machine}, "
            f"{document['rounds']} rounds of {document['seconds']:g} s. The programs are in `benchmarks/`. "
        ),
        (
            "Figures of a row are measured in turns, and what counts is our figure divided by the "
            "other's: operations for a second of CPU time (more is better), except where a unit "
            "says otherwise."
        ),
        "",
        "Measured beside: "
        + ", ".join(f"{name} {version}" for name, version in document["versions"].items())
        + ".",
        "",
    ]
    group = ""
    for row in document["rows"]:
        if row["name"].split(".")[0] != group:
            group = row["name"].split(".")[0]
            lines += [f"## {group}", "", "| work | against | ratio | between | asked | |"]
            lines += ["|---|---|---|---|---|---|"]
        lines += _rows(row)
        if row is document["rows"][-1] or not _is_followed(row, document["rows"]):
            lines.append("")
    lines += _shortfalls(document["rows"])
    if document["curves"]:
        lines += ["## Growth", ""]
        lines += [
            "What one unit of the work takes, as a factor of what it takes at the left end: 1"
        ]
        lines += ["is flat.", ""]
    for curve in document["curves"]:
        name = curve["name"].removeprefix("curve.")
        found = ", ".join(
            f"{size:,}: {'-' if factor is None else format(factor, '.2f')}"
            for size, factor in zip(curve["sizes"], curve["factors"], strict=True)
        )
        lines += [f"![{curve['title']}: {found}]({name}.svg)", ""]
    return "\n".join([*lines, "Back to the [start](../index.md).", ""])


def _shortfalls(rows: list[dict[str, Any]]) -> list[str]:
    """Where the time goes in the rows that are below what is asked."""
    below = [row["name"] for row in rows if any(r.get("verdict") == "BELOW" for r in row["ratios"])]
    if not below:
        return []
    told = [f"- `{name}`: {where(name) or 'not looked into yet.'}" for name in below]
    return ["## Where the time goes in what falls short", "", *told, ""]


def _is_followed(row: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    after = rows[rows.index(row) + 1]["name"].split(".")[0]
    return bool(after == row["name"].split(".")[0])


def _rows(row: dict[str, Any]) -> list[str]:
    title = f"{row['title']} (`{row['name'].split('.', 1)[1]}`)"
    word = "at most " if row["less_is_better"] else ""
    lines = []
    ours: list[float] = next(iter(row["figures"].values()), [])
    if row["floor"] is not None and ours:
        median = statistics.median(ours)
        lines.append(f"| {title} | | {median:,.4g} {row['unit']} | | {word}{row['floor']:,g} | |")
        title = ""
    for ratio in row["ratios"]:
        if "median" not in ratio:
            lines.append(f"| {title} | {ratio['against']} | not measured | | | |")
        else:
            asked = "" if ratio["at_least"] is None else f"{word}{ratio['at_least']:.3g}"
            if asked and ratio["aim"] is not None:
                asked += f", aim {ratio['aim']:.3g}"
            lines.append(
                f"| {title} | {ratio['against']} | {ratio['median']:.2f} "
                f"| {ratio['low']:.2f} to {ratio['high']:.2f} | {asked} | {_WORDS[ratio['verdict']]} |"
            )
        title = ""
    return lines


def draw(curve: dict[str, Any]) -> str:
    """The picture of a curve: SVG that is readable on a light and on a dark page."""
    points = [
        (size, factor)
        for size, factor in zip(curve["sizes"], curve["factors"], strict=True)
        if factor is not None
    ]
    most = max(2.0, max((factor for _, factor in points), default=1.0) * 1.1)
    low, high = math.log10(curve["sizes"][0]), math.log10(curve["sizes"][-1])

    def x(size: float) -> float:
        return _LEFT + (math.log10(size) - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def y(factor: float) -> float:
        return _TOP + (1 - factor / most) * (_HEIGHT - _TOP - _BOTTOM)

    marks = []
    for step in range(int(most) + 1):
        marks.append(
            f'<line x1="{_LEFT}" y1="{y(step):.1f}" x2="{_WIDTH - _RIGHT}" y2="{y(step):.1f}" '
            f'class="{"one" if step == 1 else "grid"}"/>'
            f'<text x="{_LEFT - 6}" y="{y(step) + 4:.1f}" text-anchor="end">{step}</text>'
        )
    for size in curve["sizes"]:
        marks.append(
            f'<text x="{x(size):.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">'
            f"{size:,}</text>"
        )
    path = " ".join(f"{x(size):.1f},{y(factor):.1f}" for size, factor in points)
    dots = "".join(
        f'<circle cx="{x(size):.1f}" cy="{y(factor):.1f}" r="3.5"><title>{size:,}: {factor:.2f}'
        "</title></circle>"
        for size, factor in points
    )
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">
<title>{curve["title"]}</title>
<style>
text {{ font: 12px sans-serif; fill: #777; }}
.grid {{ stroke: #8884; }}
.one {{ stroke: #8888; stroke-dasharray: 4 3; }}
polyline {{ fill: none; stroke: #2a7ae2; stroke-width: 2; }}
circle {{ fill: #2a7ae2; }}
</style>
{"".join(marks)}
<polyline points="{path}"/>{dots}
<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 4}" text-anchor="middle">{curve["title"]}</text>
</svg>
"""
