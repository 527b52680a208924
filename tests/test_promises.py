"""The figures of the page of promises: what is read in the reports of a night."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts import promises

_REPORTS = {
    "examples": (
        "..F\n1 failed, 700 passed, 3 skipped in 100.00s (0:01:40)\n",
        "700 tests passed, 1 failed",
    ),
    "repeat": (
        "7000 passed, 4 skipped in 25.1s\n2 failed, 6998 passed in 27.0s\n1900 passed in 300.00s\n",
        "3 runs in random order, 1 with a failure",
    ),
    "fuzz": (
        (
            "seed 1, 240 s a codec, 2026-01-02 03:04:05\nirc: 1500 inputs, 4 measured, 7 kept, 0 troubles\n"
            "http-sent: 2500 inputs, 0 measured, 17 kept, 1 troubles\n  peer: ours: 9 troubles\n"
        ),
        "2 codecs, 4,000 inputs, 1 troubles",
    ),
    "hostile": (
        (
            "200 clients, 15 s a server, 2026-01-02 03:04:05\n"
            "tcp 75.5 MB, 1000 answers, median 0.06 ms, longest 10.4 ms, 0 lost, 0 descriptors left\n"
            "http 38.2 MB, 234 answers, median 0.10 ms, longest 535.8 ms, 2 lost, 0 descriptors left\n"
            "1 figures are not as they should be\n"
        ),
        "2 servers, 1,234 answers to others meanwhile, 2 lost; 1 figures not as they should be",
    ),
    "soak": (
        (
            "1800 s, 2026-01-02 03:04:05\nhttp 12,000 answers\n"
            "the last third above the second: +0.25 MiB\n0 figures are not as they should be\n"
        ),
        "1800 s, +0.25 MiB in the last third; 0 figures not as they should be",
    ),
    "autobahn": (
        "circuits: 300 of 301 are as they should be\n    1.1: FAILED\nclient: 216 of 216 are as they should be\n",
        "516 of 517 cases",
    ),
    "bench": ("anything\n", "see the page that it writes"),
}


@pytest.mark.parametrize("job", list(promises.JOBS))
def test_what_a_report_says(job: str) -> None:
    text, counted = _REPORTS[job]
    good = promises.row(job, f"{text}nightly {job}: exit status 0, 1790 s, 2026-01-02\n")
    assert good.endswith(f"| {counted} | 30 min, 2026-01-02 | holds |")
    assert good.startswith(f"| `nightly-{job}` | ")
    bad = promises.row(job, f"{text}nightly {job}: exit status 1, 60 s, 2026-01-02\n")
    assert bad.endswith(f"| {counted} | 1 min, 2026-01-02 | **broken**, exit status 1 |")


@pytest.mark.parametrize(
    "summary",
    [
        "7000 passed, 1 warning, 1 error in 25.1s",
        "1 failed in 0.12s",
        "2 errors in 0.50s (0:00:01)",
    ],
)
def test_a_run_has_a_failure_whatever_kept_a_test_from_passing(summary: str) -> None:
    report = f"7000 passed, 4 skipped in 25.1s\n{summary}\n"
    assert promises.repeat(report) == "2 runs in random order, 1 with a failure"


def test_a_run_that_is_not_over_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "soak.txt").write_text("1800 s, 2026-01-02 03:04:05\n")
    table = promises.figures(tmp_path)
    assert table.count("| no finished run yet | | |\n") == len(promises.JOBS)


def test_what_the_page_says_stays_where_a_job_has_left_no_report(tmp_path: Path) -> None:
    before = promises.row("soak", "1800 s\nnightly soak: exit status 0, 1804 s, 2026-01-02\n")
    (tmp_path / "fuzz.txt").write_text("nightly fuzz: exit status 0, 60 s, 2026-01-03\n")
    table = promises.figures(tmp_path, f"Page.\n\n{before}\n")
    assert before in table.splitlines()
    assert "1 min, 2026-01-03 | holds |" in table
    assert table.count("| no finished run yet | | |\n") == len(promises.JOBS) - 2


def test_figures_replace_those_of_the_night_before() -> None:
    page = f"Before.\n\n{promises.BEGIN}\n\n{promises.END}\nAfter.\n"
    once = promises.with_figures(page, "| a |\n")
    assert once == f"Before.\n\n{promises.BEGIN}\n| a |\n\n{promises.END}\nAfter.\n"
    assert promises.with_figures(once, "| a |\n") == once
    with pytest.raises(ValueError, match="no place"):
        promises.with_figures("Before.\n", "| a |\n")


def test_the_page_has_a_row_for_each_job_of_the_night() -> None:
    page = promises.PAGE.read_text(encoding="utf-8")
    table = page.partition(promises.BEGIN)[2].partition(promises.END)[0]
    makefile = (promises.ROOT / "Makefile").read_text(encoding="utf-8")
    for job in promises.JOBS:
        assert f"\nnightly-{job}: " in makefile
        assert f"scripts/nightly {job} " in makefile
        assert table.count(f"| `nightly-{job}` |") == 1


def test_paths_on_the_page_exist() -> None:
    page = promises.PAGE.read_text(encoding="utf-8")
    paths = re.findall(r"`((?:tests|examples)[\w/]*)`", page)
    assert paths
    assert [path for path in paths if not (promises.ROOT / path).exists()] == []
