"""Everything at once in one process: each part answers, and nothing is left. `make nightly-soak` goes on for long."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.process_support import needs_fork
from tests.nightly.soak import clients, soaked

pytestmark = [
    pytest.mark.integration,
    needs_fork,
    pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs /proc"),
]


def test_everything_at_once_is_answered_and_leaves_nothing(tmp_path: Path) -> None:
    with soaked(tmp_path) as soak:
        soak.endure(4.0, parts=2)
        assert soak.problems == []
        assert len(soak.done) == len(clients())
        first, last = soak.states
        for name in first.keys() - {"types"}:
            assert last[name] <= first[name], (name, soak.states)
