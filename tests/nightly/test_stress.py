from __future__ import annotations

import os
from typing import Any

import pytest

from tests.core.stress_support import check, fire_from_threads

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(
        os.environ.get("HYPOTHESIS_PROFILE") != "nightly",
        reason="takes minutes: part of `make nightly`",
    ),
]

_TOTAL = 1_000_000


def test_no_event_of_eight_threads_into_a_changing_tree_is_lost_or_out_of_order(
    app_thread: Any,
) -> None:
    check(fire_from_threads(_TOTAL, app_thread), _TOTAL)
