from __future__ import annotations

from typing import Any

from tests.core.stress_support import check, fire_from_threads

_TOTAL = 20_000  # a million in tests/nightly


def test_events_of_eight_threads_into_a_changing_tree(app_thread: Any) -> None:
    check(fire_from_threads(_TOTAL, app_thread), _TOTAL)
