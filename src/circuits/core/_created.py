"""Classes that are made at run time: cached, up to a limit."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .events import BaseEvent

__all__ = ["CREATED_CLASSES_LIMIT", "class_for"]

#: How many run-time classes one event class remembers: enough for every name an
#: application knows, and a bound for names that come from elsewhere.
CREATED_CLASSES_LIMIT = 1024


def class_for(
    source: type[BaseEvent] | BaseEvent, key: Any, make: Callable[[], type[Any]]
) -> type[Any]:
    """The class that was made for a key from this class or event, or a new one."""
    created = source._event_created
    made = created.get(key)
    if made is None:
        made = make()
        while len(created) >= CREATED_CLASSES_LIMIT:
            created.pop(next(iter(created)), None)
        created[key] = made
    return made
