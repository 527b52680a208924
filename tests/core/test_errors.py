from __future__ import annotations

import builtins

import pytest

from circuits.core import errors
from circuits.core.components import SingletonError
from circuits.core.manager import UnregistrableError


@pytest.mark.parametrize(
    "name", ["TimeoutError", "UnregistrableError", "SingletonError", "NotRunningError"]
)
def test_all_exceptions_have_one_root(name: str) -> None:
    assert issubclass(getattr(errors, name), errors.CircuitsError)


def test_they_stand_where_they_are_documented() -> None:
    assert SingletonError is errors.SingletonError
    assert UnregistrableError is errors.UnregistrableError


def test_built_in_relatives() -> None:
    assert issubclass(errors.TimeoutError, builtins.TimeoutError)
    assert issubclass(errors.NotRunningError, RuntimeError)
    assert issubclass(errors.HandlerWarning, UserWarning)
