"""Letting go of what a request and its response hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["call_all"]


def call_all(functions: Iterable[Callable[[], object]]) -> None:
    """Call functions, each of them whatever one before has raised.

    Raises:
        BaseException: What the first one that failed has raised.
    """
    first = None
    for function in functions:
        try:
            function()
        except BaseException as problem:
            first = first or problem
    if first is not None:
        raise first
