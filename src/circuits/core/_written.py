"""The names of event classes as they are written, which handlers may use, too.

An event is named by its uncamelled class; programs of the 3.x line bind handlers to the class as
written, and to what is made of that for feedback: ``Connect`` and ``Connect_success`` beside
``connect`` and ``connect_success``. Here is which is which, for the routes. Bounded, as classes
may be made at run time of what comes in.
"""

from __future__ import annotations

__all__ = ["is_event_name", "names_written", "note_written", "written_names"]

#: How many names are known; far more than a program has classes.
_LIMIT = 65536

_ENDINGS = ("", "_success", "_failure", "_complete", "_done", "_value_changed")

#: The names of events that there are classes for, but for those made at run time.
_event_names: set[str] = set()

_written: dict[str, tuple[str, ...]] = {}
_names: dict[str, tuple[str, ...]] = {}


def note_written(written: str, name: str, *, in_source: bool) -> None:
    """A class is written so, and its events have a name, perhaps another one.

    One that is not ``in_source`` is made of a name, which may be that of any page or message.
    """
    if in_source and len(_event_names) < _LIMIT:
        _event_names.add(name)
    if written == name or written in _written.get(name, ()) or len(_written) >= _LIMIT:
        return
    for ending in _ENDINGS:
        full, named = written + ending, name + ending
        _written[named] = (*_written.get(named, ()), full)
        _names[full] = (*_names.get(full, ()), named)


def is_event_name(name: str) -> bool:
    """Whether a class of events is written for this name, or that is feedback of one."""
    for ending in _ENDINGS[1:]:
        name = name.removesuffix(ending)
    return name in _event_names or name in _names


def written_names(name: str) -> tuple[str, ...]:
    """How the classes are written whose events have a name, if otherwise."""
    return _written.get(name, ())


def names_written(written: str) -> tuple[str, ...]:
    """The names of the events whose classes are written so, if otherwise."""
    return _names.get(written, ())
