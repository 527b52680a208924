"""Keeps what is looked through by ``check`` from depending on which tests have been loaded."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from circuits.tools import checks


class _Loaded:
    """The modules that are loaded, but for those of other tests: they are many, and full of events."""

    def __init__(self, besides: str) -> None:
        self._besides = besides

    def get(self, name: str) -> ModuleType | None:
        is_other = name.startswith("tests.") and name != self._besides
        return None if is_other else sys.modules.get(name)

    def items(self) -> list[tuple[str, ModuleType]]:
        return [(name, module) for name in list(sys.modules) if (module := self.get(name))]


def hide_other_tests(monkeypatch: pytest.MonkeyPatch, besides: str) -> None:
    """Let no events and sources of test modules count but those of one."""
    monkeypatch.setattr(checks, "sys", SimpleNamespace(modules=_Loaded(besides)))
