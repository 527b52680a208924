"""What the tests of the tools share."""

from __future__ import annotations

import pytest

from tests.tools.checks_support import hide_other_tests


@pytest.fixture(autouse=True)
def alone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked through is this application."""
    hide_other_tests(monkeypatch, besides=request.module.__name__)
