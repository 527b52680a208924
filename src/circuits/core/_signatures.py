"""Whether a handler can be called with the arguments of an event."""

from __future__ import annotations

import inspect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .events import BaseEvent


def misfit(function: Callable[..., Any], event: type[BaseEvent]) -> str | None:
    """Compare a handler with an event class that declares its arguments.

    Returns:
        What is wrong, with both signatures and the cure; ``None`` if the handler fits or if
        nothing can be said.
    """
    try:
        given = list(inspect.signature(event).parameters.values())
        taken = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    if taken and taken[0].name == "self":
        taken = taken[1:]
    if getattr(function, "event", False):
        taken = taken[1:]
    if any(p.kind is p.VAR_POSITIONAL for p in given):
        return None
    sent = [p for p in given if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    places = [p for p in taken if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    endless = any(p.kind is p.VAR_POSITIONAL for p in taken)
    missing = len([p for p in places if p.default is p.empty]) - len(sent)
    surplus = 0 if endless else len(sent) - len(places)
    if missing <= 0 and surplus <= 0:
        return None
    handler = f"{function.__qualname__}{inspect.signature(function)}"
    shown = f"{event.__name__}({', '.join(p.name for p in sent)})"
    if surplus > 0:
        names = ", ".join(p.name for p in sent[-surplus:])
        return f"{handler} cannot handle {shown}: add the {_count(surplus)} {names}, or *args"
    names = ", ".join(p.name for p in places[-missing:])
    return f"{handler} cannot handle {shown}: the event has no {_count(missing)} {names}"


def _count(number: int) -> str:
    return "parameter" if number == 1 else f"{number} parameters"
