"""Write the figures of docs/promises.md: run by `make promises`.

They come from the reports that `make nightly-*` leave in build/nightly. A report counts when its run is over,
whatever came of it: a promise that was broken at night is shown as broken.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "promises.md"
REPORTS = ROOT / "build" / "nightly"

BEGIN = "<!-- figures: written by `make promises` -->\n"
END = "<!-- end of figures -->\n"

#: The last line of a report, which scripts/nightly writes.
_OVER = re.compile(r"^nightly \S+: exit status (\d+), (\d+) s, (\S+)$", re.MULTILINE)
#: The last line of a run of pytest. What cannot be collected or set up is counted as errors there.
_SUMMARY = re.compile(r"^(\d+ [a-z]+(?:, \d+ [a-z]+)*) in [\d.]+s", re.MULTILINE)
_BAD = ("failed", "error", "errors")


def _sum(pattern: str, text: str) -> int:
    return sum(int(found) for found in re.findall(pattern, text, re.MULTILINE))


def _runs(text: str) -> list[tuple[int, int]]:
    """Of each run of pytest, how many tests passed, and how many did not, whatever kept them from it."""
    runs = []
    for summary in _SUMMARY.findall(text):
        counts = {
            word: int(count) for count, word in (part.split() for part in summary.split(", "))
        }
        runs.append((counts.get("passed", 0), sum(counts.get(word, 0) for word in _BAD)))
    return runs


def examples(text: str) -> str:
    """One run of the suite."""
    runs = _runs(text)
    return f"{sum(passed for passed, _ in runs)} tests passed, {sum(bad for _, bad in runs)} failed"


def repeat(text: str) -> str:
    """Many runs of the suite, each in an order of its own."""
    runs = _runs(text)
    return f"{len(runs)} runs in random order, {sum(bad > 0 for _, bad in runs)} with a failure"


def fuzz(text: str) -> str:
    """A line for each codec, and what was found below it."""
    line = r"^\S+: (\d+) inputs, \d+ measured, \d+ kept, (\d+) troubles$"
    found = re.findall(line, text, re.MULTILINE)
    inputs, troubles = (sum(int(pair[n]) for pair in found) for n in (0, 1))
    return f"{len(found)} codecs, {inputs:,} inputs, {troubles} troubles"


def hostile(text: str) -> str:
    """A line for each server."""
    servers = len(re.findall(r"^\S+ .* answers, median .*$", text, re.MULTILINE))
    answers = _sum(r"(\d+) answers, median", text)
    lost = _sum(r"(\d+) lost", text)
    return f"{servers} servers, {answers:,} answers to others meanwhile, {lost} lost; {_bad(text)}"


def soak(text: str) -> str:
    """What has grown."""
    grown = re.findall(r"^the last third above the second: (\S+ MiB)", text, re.MULTILINE)
    seconds = re.match(r"([\d.]+) s", text)
    length = seconds[1] if seconds else "?"
    return f"{length} s, {grown[-1] if grown else '?'} in the last third; {_bad(text)}"


def autobahn(text: str) -> str:
    """A line for each side."""
    pairs = re.findall(r"^\S.*: (\d+) of (\d+) are as they should be", text, re.MULTILINE)
    return f"{sum(int(good) for good, _ in pairs)} of {sum(int(all_) for _, all_ in pairs)} cases"


def bench(text: str) -> str:
    """The page of its own has the figures."""
    return "see the page that it writes"


def _bad(text: str) -> str:
    count = _sum(r"^(\d+) figures are not as they should be", text)
    return f"{count} figures not as they should be"


#: The jobs, what each tries, and what it has counted.
JOBS = {
    "examples": ("every property and model, 2000 generated examples each", examples),
    "repeat": ("the fast tests 20 times and everything 3 times, in random order", repeat),
    "fuzz": ("every codec against broken input, cut anywhere, and against others' codecs", fuzz),
    "hostile": ("200 hostile clients before every server, while others are served", hostile),
    "soak": ("everything at once in one process for half an hour", soak),
    "autobahn": ("the Autobahn suite, our WebSockets as server and as client", autobahn),
    "bench": ("every comparison with others", bench),
}


def row(job: str, report: str) -> str:
    """The row of a job.

    Args:
        job: Its name, as in ``make nightly-JOB``.
        report: Its report; empty if it has left none.
    """
    tries, counted = JOBS[job]
    start = f"| `nightly-{job}` | {tries} |"
    over = _OVER.search(report)
    if over is None:
        return f"{start} no finished run yet | | |"
    status, seconds, date = over.groups()
    verdict = "holds" if status == "0" else f"**broken**, exit status {status}"
    return f"{start} {counted(report)} | {int(seconds) / 60:.0f} min, {date} | {verdict} |"


def figures(folder: Path, page: str = "") -> str:
    """The table, of the reports in a folder; of a job that has left none, what the page says already."""
    rows = ["| job | tries | what came of it | last run | |", "|---|---|---|---|---|"]
    for job in JOBS:
        path = folder / f"{job}.txt"
        report = path.read_text(encoding="utf-8") if path.is_file() else ""
        known = re.search(rf"^\| `nightly-{job}` \|.*$", page, re.MULTILINE)
        rows.append(known[0] if known and not _OVER.search(report) else row(job, report))
    return "\n".join(rows) + "\n"


def with_figures(page: str, table: str) -> str:
    """The page with a new table between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError("the page has no place for figures")
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def main() -> None:
    """Write the page anew."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_figures(page, figures(REPORTS, page)), encoding="utf-8")


if __name__ == "__main__":
    main()
