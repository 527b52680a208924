"""The comparisons' own arithmetic; what they measure is for `make bench`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from benchmarks import harness
from benchmarks.base import rows_against
from benchmarks.harness import Bound, Contender, Row, report, run_row, summary
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
