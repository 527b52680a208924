"""Vectors that run as one test: which do, and what is told of those that fail."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

_CONFTEST = """
from tests.together import together

def pytest_addoption(parser):
    parser.addoption("--apart", action="store_true")

def pytest_collection_modifyitems(config, items):
    if not config.option.apart:
        items[:] = together(items)
"""

_VECTORS = """
import pytest

seen = []

@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize(("letter", "other"), [("a", "b"), ("c", "d")], ids=["first", "second"])
def test_it(number, letter, other):
    seen.append(number)
    assert (number, letter) not in [(2, "a"), (3, "c")]

def test_all_were_tried():
    assert sorted(seen) == [1, 1, 2, 2, 3, 3]
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeconftest(_CONFTEST)
    return pytester


def test_vectors_that_fail_are_told_of_by_name(run: pytest.Pytester) -> None:
    run.makepyfile(_VECTORS)
    result = run.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            "2 of 6 vectors fail:",
            "*::test_it?first-2?",
            "*::test_it?second-3?",
            "*assert (2, 'a') not in*",
        ]
    )


def test_each_can_be_a_test(run: pytest.Pytester) -> None:
    run.makepyfile(_VECTORS)
    run.runpytest_inprocess("-p", "no:cacheprovider", "--apart").assert_outcomes(failed=2, passed=5)


@pytest.mark.parametrize(
    "source",
    [
        """
@pytest.fixture
def thing(): ...
@pytest.mark.parametrize("x", [1, 2])
def test_it(x, thing): ...
""",
        """
@pytest.fixture(params=[1, 2])
def thing(request): ...
def test_it(thing): ...
""",
        """
@pytest.fixture
def x(request): return request.param
@pytest.mark.parametrize("x", [1, 2], indirect=True)
def test_it(x): ...
""",
        """
@pytest.fixture(autouse=True)
def thing(): ...
@pytest.mark.parametrize("x", [1, 2])
def test_it(x): ...
""",
        """
class TestIt:
    @pytest.mark.parametrize("x", [1, 2])
    def test_it(self, x): ...
""",
        """
@pytest.mark.skipif(False, reason="")
@pytest.mark.parametrize("x", [1, 2])
def test_it(x): ...
""",
        """
marks = pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("x", [pytest.param(1, marks=marks), pytest.param(2, marks=marks)])
def test_it(x): ...
""",
    ],
    ids=["fixture", "of a fixture", "indirect", "autouse", "class", "mark", "marks"],
)
def test_what_needs_more_than_a_vector_is_apart(run: pytest.Pytester, source: str) -> None:
    run.makepyfile("import pytest\n" + source)
    result = run.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("skipped", "outcome"), [("[1]", {"passed": 1}), ("[1, 2]", {"skipped": 1})]
)
def test_who_skips_all_is_skipped(
    run: pytest.Pytester, skipped: str, outcome: dict[str, int]
) -> None:
    run.makepyfile(
        "import pytest\n@pytest.mark.parametrize('x', [1, 2])\n"
        f"def test_it(x):\n    if x in {skipped}:\n        pytest.skip('no')"
    )
    assert run.runpytest_inprocess("-p", "no:cacheprovider").parseoutcomes() == outcome
