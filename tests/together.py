"""Runs the vectors of a test as one test, which costs a tenth of one test each.

Only for tests that need nothing but their vector: no fixtures, no marks, no examples. All vectors are tried,
and each that fails is told of by its name, with its traceback. Whoever names a test by ``::``, or asks for
it by ``--one-by-one``, gets a test for each vector.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Iterator
from typing import Any

import pytest


class VectorsFailed(Exception):
    """Some vectors of a test fail.

    Args:
        failures: The failed ones, and what each has raised.
    """

    def __init__(self, failures: list[tuple[pytest.Function, pytest.ExceptionInfo[Any]]]) -> None:
        super().__init__(", ".join(item.name for item, _ in failures))
        self.failures = failures


class Together(pytest.Item):
    """All vectors of one test."""

    def __init__(self, *, vectors: list[pytest.Function], **options: Any) -> None:
        super().__init__(**options)
        self.vectors = vectors
        self.module = vectors[0].module
        self.own_markers = [m for m in vectors[0].own_markers if m.name != "parametrize"]
        self.keywords.update({mark.name: mark for mark in self.own_markers})

    def runtest(self) -> None:
        failures = []
        skipped: BaseException | None = None
        count = 0
        for item in self.vectors:
            arguments = item.callspec.params
            try:
                item.obj(**arguments)
            except pytest.skip.Exception as skip:
                skipped = skip
                count += 1
            except (Exception, pytest.fail.Exception):
                failures.append((item, pytest.ExceptionInfo.from_current()))
        if failures:
            raise VectorsFailed(failures)
        if skipped is not None and count == len(self.vectors):
            raise skipped

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if not isinstance(excinfo.value, VectorsFailed):
            return super().repr_failure(excinfo, style)
        failures = excinfo.value.failures
        parts = [f"{len(failures)} of {len(self.vectors)} vectors fail:"]
        parts += [f"    {item.nodeid}" for item, _ in failures]
        # The same mistake fails many: the first few tell what it is.
        for item, raised in failures[:5]:
            parts += ["", f"_____ {item.name} _____", "", str(item.repr_failure(raised))]
        return "\n".join(parts)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        path, line, _ = self.vectors[0].reportinfo()
        return path, line, self.name


def _is_alone(item: pytest.Item) -> bool:
    """Whether a test needs nothing but its vector, which nobody makes or marks."""
    if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return False
    if item.cls is not None or item.callspec.marks or hasattr(item.obj, "is_hypothesis_test"):
        return False
    names: set[str] = set()
    for mark in item.iter_markers():
        if mark.name in ("skip", "skipif", "xfail", "usefixtures"):
            return False
        if mark.name == "parametrize":
            if mark.kwargs.get("indirect"):
                return False
            given = mark.args[0]
            names.update(map(str.strip, given.split(",")) if isinstance(given, str) else given)
    # Fixtures that every test has would be among the names.
    return set(item.fixturenames) == set(item.callspec.params) == names


def together(items: Iterable[pytest.Item]) -> Iterator[pytest.Item]:
    """What stands for the tests: those of one function that can be run as one are."""
    function = operator.attrgetter("parent", "originalname")
    for is_alone, group in itertools.groupby(items, _is_alone):
        if not is_alone:
            yield from group
            continue
        for (parent, name), ones in itertools.groupby(group, function):
            vectors = list(ones)
            if len(vectors) == 1:
                yield vectors[0]
            else:
                yield Together.from_parent(parent, name=name, vectors=vectors)
