"""Pages that show of which types there are how many objects, how that has changed, and why.

It reads whatever the application holds. So it is for the machine that it runs on and for who knows
a password.
"""

from __future__ import annotations

import gc
import reprlib
from collections import Counter, deque
from html import escape
from types import FrameType
from typing import Any
from urllib.parse import quote

from circuits.core.events import Event
from circuits.core.handlers import handler
from circuits.core.timers import Timer
from circuits.web import exceptions
from circuits.web.controllers import expose

from ._guarded import Guarded

__all__ = ["MemoryMonitor"]

_WIDTH, _HEIGHT = 300, 40
#: How many objects and how much of a tree are shown.
_MOST_OBJECTS = 200
_MOST_BRANCHES = 10
_DEPTH = 4


class _Sample(Event):
    """It is time to count."""

    name = "_sample"


def _type_name(thing: object) -> str:
    kind = type(thing)
    return f"{kind.__module__}.{kind.__qualname__}"


class MemoryMonitor(Guarded):
    """Counts objects by their types, and shows the counts, below its channel.

    Args:
        users: Who may see it; see ``circuits.web.passwords``. Without any, a password is logged.
        period: Seconds between two counts.
        maxhistory: How many counts are kept for each type.
        loopback_only: Whether only this machine may.
        **kwargs: ``channel``, by default ``"/memory"``.

    Attributes:
        history: The counts by the names of types, the oldest first.

    .. versionadded:: 2.1
    """

    channel = "/memory"
    realm = "memory"

    def __init__(
        self, users: Any = None, period: float = 5.0, maxhistory: int = 300, **kwargs: Any
    ) -> None:
        super().__init__(users, **kwargs)
        self.period = period
        self.maxhistory = maxhistory
        self.history: dict[str, deque[int]] = {}
        self._samples = 0
        Timer(period, _Sample(), self, persist=True).register(self)

    @handler("_sample")
    def _on_sample(self) -> None:
        counts = Counter(map(_type_name, gc.get_objects()))
        for name in self.history.keys() | counts.keys():
            past = self.history.get(name)
            if past is None:
                zeros = [0] * min(self._samples, self.maxhistory - 1)
                past = self.history[name] = deque(zeros, self.maxhistory)
            past.append(counts[name])
            if not any(past):
                del self.history[name]
        self._samples += 1

    @expose("index")
    def _index(self, floor: int = 0) -> str:
        """All types of which there have been at least ``floor`` objects at once."""
        self._admit()
        rows = []
        for name, past in sorted(self.history.items()):
            if max(past) >= floor:
                link = f"{self._base}/trace/{quote(name, safe='')}"
                chart = f"{self._base}/chart/{quote(name, safe='')}"
                rows.append(
                    f'<tr><td><a href="{link}">{escape(name)}</a></td>'
                    f"<td>{min(past)}</td><td>{past[-1]}</td><td>{max(past)}</td>"
                    f'<td><img src="{chart}" alt="" width="{_WIDTH}" height="{_HEIGHT}"></td></tr>'
                )
        head = "<tr><th>type</th><th>least</th><th>now</th><th>most</th><th></th></tr>"
        return _page("Objects", f"<table>{head}{''.join(rows)}</table>")

    @expose("chart")
    def _chart(self, typename: str) -> str:
        """The counts of one type as a picture."""
        self._admit()
        past = self.history.get(typename)
        if past is None:
            raise exceptions.NotFound("There is no such type.")
        most, steps = max(past) or 1, max(len(past) - 1, 1)
        points = " ".join(
            f"{position * _WIDTH / steps:.1f},{_HEIGHT - count * (_HEIGHT - 2) / most - 1:.1f}"
            for position, count in enumerate(past)
        )
        self.response.headers["Content-Type"] = "image/svg+xml"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
            f'<polyline fill="none" stroke="#06c" points="{points}"/></svg>'
        )

    @expose("trace")
    def _trace(self, typename: str, objid: int | None = None) -> str:
        """The objects of one type, or one of them, and what each refers to."""
        self._admit()
        found = self._objects(typename, objid)[:_MOST_OBJECTS]
        items = []
        for thing in found:
            link = f"{self._base}/tree/{quote(typename, safe='')}/{id(thing)}"
            refers = "" if objid is None else _list(gc.get_referents(thing))
            items.append(f'<li><a href="{link}">{id(thing)}</a> {_show(thing)}{refers}</li>')
        return _page(typename, f"<ul>{''.join(items)}</ul>")

    @expose("tree")
    def _tree(self, typename: str, objid: int) -> str:
        """What refers to an object, and to that, and so on."""
        self._admit()
        [thing] = self._objects(typename, objid)
        return _page(typename, f"<p>{_show(thing)}</p>{_referrers(thing, {id(thing)}, _DEPTH)}")

    @property
    def _base(self) -> str:
        return escape(self.url("/").rstrip("/") + self.channel.rstrip("/"))

    def _objects(self, typename: str, objid: int | None) -> list[Any]:
        found = [
            thing
            for thing in gc.get_objects()
            if _type_name(thing) == typename and objid in (None, id(thing))
        ]
        if not found:
            raise exceptions.NotFound("There is no such object any more.")
        return found


def _show(thing: object) -> str:
    try:
        text = reprlib.repr(thing)
    except Exception:  # whatever its own __repr__ raises
        text = object.__repr__(thing)
    return f"<code>{escape(f'{_type_name(thing)} {text:.200}')}</code>"


def _list(things: list[Any]) -> str:
    return (
        "<ul>" + "".join(f"<li>{_show(thing)}</li>" for thing in things[:_MOST_OBJECTS]) + "</ul>"
    )


def _referrers(thing: object, seen: set[int], depth: int) -> str:
    if not depth:
        return ""
    others = [
        other
        for other in gc.get_referrers(thing)
        if not isinstance(other, FrameType) and id(other) not in seen
    ][:_MOST_BRANCHES]
    seen.update(map(id, others))
    seen.add(id(others))
    items = [f"<li>{_show(other)}{_referrers(other, seen, depth - 1)}</li>" for other in others]
    return f"<ul>{''.join(items)}</ul>" if items else ""


def _page(title: str, content: str) -> str:
    title = escape(title)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"</head><body><h1>{title}</h1>{content}</body></html>\n"
    )
