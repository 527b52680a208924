"""The comparisons' own arithmetic; what they measure is for `make bench`."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import curves, harness, profiles
from benchmarks.base import rows_against
from benchmarks.curves import CURVES, Curve, run_curve
from benchmarks.harness import ROOT, Bound, Contender, Failed, Row, report, run_row, summary
from benchmarks.page import write_page
from benchmarks.rows import QUICK, ROWS

_OURS = Contender("circuits", "here", "program.py", ("work",))
_THEIRS = Contender("other", "peers", "other.py")
_ROW = Row("group.work", "some work", "/s", (_OURS, _THEIRS), (Bound("other", 0.97),))


class Machine:
    """Gives each contender its figures, and remembers who was asked when."""

    def __init__(self, **figures: list[float]) -> None:
        self.figures = {name: iter(each) for name, each in figures.items()}
        self.asked: list[str] = []

    def measure(self, contender: Contender, seconds: float) -> float:
        self.asked.append(contender.name)
        figure = next(self.figures[contender.name], None)
        if figure is None:
            raise harness.Failed("no more figures")
        return figure


def run(
    monkeypatch: pytest.MonkeyPatch, machine: Machine, rounds: int, row: Row = _ROW
) -> dict[str, Any]:
    monkeypatch.setattr(harness, "measure", machine.measure)
    return run_row(row, rounds, 1.0)


def test_who_goes_first_alternates(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(circuits=[1, 1, 1], other=[1, 1, 1])
    run(monkeypatch, machine, 3)
    assert machine.asked == ["circuits", "other", "other", "circuits", "circuits", "other"]


def test_ratios_are_formed_within_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(circuits=[10, 200, 3000], other=[10, 100, 1000])
    (ratio,) = run(monkeypatch, machine, 3)["ratios"]
    assert (ratio["low"], ratio["median"], ratio["high"]) == (1, 2, 3)


def test_the_bounds_of_the_median_leave_out_what_is_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(circuits=[float(n) for n in range(15)], other=[1.0] * 15)
    (ratio,) = run(monkeypatch, machine, 15)["ratios"]
    assert (ratio["low"], ratio["median"], ratio["high"]) == (3, 7, 11)


@pytest.mark.parametrize(
    ("figure", "less_is_better", "verdict"),
    [(98, False, "ok"), (96, False, "BELOW"), (96, True, "ok"), (98, True, "BELOW")],
)
def test_the_median_is_held_to_the_bound(
    figure: float, less_is_better: bool, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = replace(_ROW, less_is_better=less_is_better)
    result = run(monkeypatch, Machine(circuits=[figure], other=[100]), 1, row)
    word = "at most" if less_is_better else "at least"
    assert report(result).endswith(f"{word} 0.97: {verdict}")
    assert summary([result]).endswith(verdict)


def test_a_failed_contender_has_no_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, Machine(circuits=[1, 1, 1], other=[1]), 3)
    assert result["failures"] == {"other": "no more figures"}
    assert "median" not in result["ratios"][0]
    assert summary([result]).endswith("FAILED")


# -- against another commit --


def test_each_program_of_ours_runs_once_in_both_environments() -> None:
    small = replace(_OURS, name="small", arguments=("small",))
    sizes = replace(_ROW, name="group.sizes", contenders=(_OURS, small))
    rows = list(rows_against([_ROW, sizes], "base-1", "base main"))
    assert [row.name for row in rows] == ["group.work", "group.sizes (small)"]
    for row, arguments in zip(rows, ["work", "small"], strict=True):
        here, base = row.contenders
        assert (here.name, base.name, base.env) == ("here", "base main", "base-1")
        assert here.script == base.script == "program.py"
        assert here.arguments == base.arguments == (arguments,)


def test_a_cost_may_be_as_much_higher_as_a_rate_lower() -> None:
    row = replace(_ROW, less_is_better=True)
    bounds = [rows[0].bounds for rows in (list(rows_against([r], "", "b")) for r in (_ROW, row))]
    assert bounds == [(Bound("b", 0.97),), (Bound("b", 1 / 0.97),)]


def test_what_others_do_is_not_compared_with_itself() -> None:
    row = replace(_ROW, contenders=(replace(_OURS, env="plain"), _THEIRS))
    assert list(rows_against([row], "base-1", "base main")) == []


# -- the rows --


def test_names_are_unique_and_the_quick_ones_exist() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    assert set(QUICK) <= set(names)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_bounds_name_contenders_and_contenders_scripts(row: Row) -> None:
    assert {bound.against for bound in row.bounds} <= {c.name for c in row.contenders[1:]}
    for contender in row.contenders:
        assert (harness.ROOT / "benchmarks" / "contenders" / contender.script).is_file()


# -- the page of results --


def _result(name: str, ratio: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "title": "some work",
        "unit": "/CPU s",
        "less_is_better": False,
        "figures": {"circuits": [2.0]},
        "floor": None,
        "ratios": [ratio],
        **more,
    }


def test_the_page_shows_each_row_and_each_curve(tmp_path: Path) -> None:
    good = {"against": "old", "at_least": 2, "aim": 5, "median": 3.0, "low": 2.5, "high": 3.25}
    document = {
        "date": "2026-01-01",
        "python": "3.11",
        "processor": "some processor",
        "processors": 2,
        "rounds": 5,
        "seconds": 1.0,
        "versions": {"uvicorn": "1.0"},
        "rows": [
            _result("kernel.one", {**good, "verdict": "ok"}),
            _result("kernel.two", {**good, "median": 1.5, "verdict": "BELOW"}),
            _result("http.one", {"against": "uvicorn", "at_least": 1, "aim": None}),
            _result("memory.one", {**good, "verdict": ""}, floor=300, less_is_better=True),
        ],
        "curves": [
            {
                "name": "curve.depth",
                "title": "events",
                "sizes": [1, 10, 100],
                "factors": [1, 3.2, None],
            }
        ],
    }
    write_page(tmp_path, document)
    text = (tmp_path / "index.md").read_text()
    assert "| some work (`one`) | old | 3.00 | 2.50 to 3.25 | 2, aim 5 | ok |" in text
    assert "| some work (`two`) | old | 1.50 | 2.50 to 3.25 | 2, aim 5 | **below** |" in text
    assert "| some work (`one`) | uvicorn | not measured | | | |" in text
    assert "| some work (`one`) | | 2 /CPU s | | at most 300 | |" in text
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## kernel", "## http", "## memory", "## Where the time goes in what falls short", "## Growth"
    ]  # fmt: skip
    assert "- `kernel.two`: not looked into yet." in text
    assert "`kernel.one`" not in text
    assert "![events: 1: 1.00, 10: 3.20, 100: -](depth.svg)" in text
    picture = ElementTree.fromstring((tmp_path / "depth.svg").read_text())
    dots = picture.findall("{http://www.w3.org/2000/svg}circle")
    assert len(dots) == 2
    for dot in dots:
        assert 0 <= float(dot.attrib["cy"]) <= 220


def test_profiles_are_of_rows_and_the_longest_name_counts() -> None:
    for known in profiles.WHERE:
        assert any(row.name.startswith(known) for row in ROWS), known
    assert profiles.where("http.beside_sessions") == profiles.WHERE["http.beside_sessions"]
    assert profiles.where("http.beside_timer") == profiles.WHERE["http.beside_"]
    assert not profiles.where("memory.event")


def test_a_curve_is_a_factor_of_its_left_end(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = {"1": 100.0, "10": 50.0, "100": 200.0}

    def measured(contender: Contender, seconds: float) -> float:
        if contender.name == "1000":
            raise Failed("it broke")
        return figures[contender.name]

    monkeypatch.setattr(curves, "measure", measured)
    points = [(size, Contender(str(size), "here", "no.py")) for size in (1, 10, 100, 1000)]
    result = run_curve(Curve("curve.some", "some", tuple(points)), 3, 0.1)
    assert result["sizes"] == [1, 10, 100, 1000]
    assert result["factors"] == [1, 2, 0.5, None]


@pytest.mark.process
def test_every_point_of_a_curve_is_a_program() -> None:
    listed = subprocess.run(
        [sys.executable, ROOT / "benchmarks/contenders/kernel_circuits.py", "none"],
        capture_output=True,
        text=True,
        check=False,
    ).stderr
    for curve in CURVES:
        for size, contender in curve.points:
            assert contender.load is not None or f"{contender.arguments[0]}," in listed + ","
            assert str(size) == contender.name
