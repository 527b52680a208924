"""The request that is being answered, for who is not given it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .wrappers import Request, Response

__all__ = ["at_hand"]

#: Request and response of the exposed method that is being run.
at_hand: ContextVar[tuple[Request, Response]] = ContextVar("circuits.web.current")
