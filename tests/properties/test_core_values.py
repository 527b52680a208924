"""Values against lists of what was put into them."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from circuits import Value

_PLAIN = st.one_of(
    st.integers(), st.text(max_size=3), st.booleans(), st.lists(st.integers(), max_size=2)
)


@given(st.lists(st.one_of(st.none(), _PLAIN), max_size=6))
def test_results_add_up(results: list[Any]) -> None:
    value = Value()
    for result in results:
        value.value = result
    kept = [result for result in results if result is not None]
    assert value.result is bool(kept)
    assert value.errors is False
    if len(kept) > 1:
        assert value.value == kept
        assert list(value) == kept
    else:
        assert value.value == (kept[0] if kept else None)


# Each step: put a plain result, a failure, or a new nested value into one of the values made so
# far, which are numbered in order of making.
_STEPS = st.lists(
    st.tuples(st.integers(0, 20), st.sampled_from(["result", "failure", "nest"])), max_size=15
)


@given(_STEPS)
def test_nesting_in_any_order(steps: list[tuple[int, str]]) -> None:
    values: list[Value] = [Value()]
    contents: list[list[Any]] = [[]]
    failed = [False]
    for number, (which, what) in enumerate(steps):
        which %= len(values)
        if what == "result":
            values[which].value = number
            contents[which].append(number)
        elif what == "failure":
            error = (ValueError, ValueError(number), ["line"])
            values[which].fail(error)
            contents[which].append(error)
            failed[which] = True
        else:
            values.append(Value())
            contents.append([])
            failed.append(False)
            values[which].value = values[-1]
            contents[which].append(values[-1])

    def has_result(index: int) -> bool:
        return any(
            not isinstance(item, Value) or has_result(values.index(item))
            for item in contents[index]
        )

    def has_errors(index: int) -> bool:
        return failed[index] or any(
            isinstance(item, Value) and has_errors(values.index(item)) for item in contents[index]
        )

    def outcome(index: int) -> Any:
        if not contents[index]:
            return None
        if len(contents[index]) > 1:
            return contents[index]
        (only,) = contents[index]
        return outcome(values.index(only)) if isinstance(only, Value) else only

    for index, value in enumerate(values):
        assert value.result is has_result(index)
        assert value.errors is has_errors(index)
        assert value.value == outcome(index)
