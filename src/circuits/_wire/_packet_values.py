"""Values beyond JSON: what goes into a packet, and what is made of it at the other side.

``lower`` turns a value into what JSON has, by tags: objects of one key, such as ``{"$bytes":
"AAE="}``. ``lift`` does the opposite. Both are bounded, in depth and in number, so neither a value
that contains itself nor a hostile peer can keep them busy.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from circuits._wire import ProtocolError

__all__ = ["NESTING", "UnreadableError", "UnsendableError", "lift", "lower", "place_of_bad_text"]

#: How many containers a value may be nested in.
NESTING: Final = 64

#: Gives the name and the fields of a dataclass that both sides know, or ``None``.
Describe = Callable[[Any], "tuple[str, dict[str, Any]] | None"]
#: Makes one; raises ``TypeError`` if it is not known, or the fields do not fit.
Make = Callable[[str, dict[str, Any]], Any]

_SIMPLE: Final = frozenset({str, int, bool, type(None)})
#: More values of one hash are no accident. To put n of them into a set takes n * n comparisons.
_SAME_HASH: Final = 32


class UnsendableError(ProtocolError, TypeError):
    """A value cannot be sent. The message names its place: ``args[1]['when']``.

    A ``TypeError`` too, because that is what it is to the program.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path: list[str] = []  # the innermost first

    def __str__(self) -> str:
        return f"{''.join(reversed(self.path))} cannot be sent: {self.reason}"


class UnreadableError(ProtocolError):
    """A value of the peer cannot be understood.

    Args:
        reason: Why.
        type_name: The type of the exception to answer with.
    """

    def __init__(self, reason: str, type_name: str = "ValueError") -> None:
        super().__init__(reason)
        self.type_name = type_name


# -- lowering ----------------------------------------------------------------------------------


class _Lowering:
    """One value on its way into a packet."""

    __slots__ = ("describe", "is_plain", "left")

    def __init__(self, describe: Describe | None, is_plain: bool, most: int) -> None:
        self.describe = describe
        self.is_plain = is_plain  # version 1, which has no tags
        self.left = most  # items: one object may be contained many times, and again in another

    def item(self, value: Any, depth: int) -> Any:
        kind = value.__class__
        if kind in _SIMPLE:
            return value
        if kind is float:
            if value - value != 0.0:
                raise UnsendableError(f"{value!r} is no number of JSON")
            return value
        if kind is list:
            return self.items(value, depth)
        if kind is dict:
            return self.mapping(value, depth)
        if kind is tuple:
            items = self.items(value, depth)
            return items if self.is_plain else {"$tuple": items}
        lowerer = _LOWERERS.get(kind)
        if lowerer is not None:
            self.refuse_tag(value)
            tag, make = lowerer
            return {tag: _ask(make, value)}
        if kind is set or kind is frozenset:
            self.refuse_tag(value)
            return {f"${kind.__name__}": self.items(value, depth)}
        described = None if self.describe is None else _ask(self.describe, value)
        if described is None:
            raise UnsendableError(f"{kind.__module__}.{kind.__qualname__} does not travel")
        self.refuse_tag(value)
        name, fields = described
        self.check(len(fields), depth)
        lowered = {}
        for key, item in fields.items():
            try:
                lowered[key] = self.item(item, depth + 1)
            except UnsendableError as problem:
                problem.path.append(f".{key}")
                raise
        return {"$data": {"type": name, "fields": lowered}}

    def refuse_tag(self, value: Any) -> None:
        if self.is_plain:
            raise UnsendableError(f"the peer speaks version 1, which has no {type(value).__name__}")

    def check(self, count: int, depth: int) -> None:
        if depth >= NESTING:
            raise UnsendableError(f"it is nested in more than {NESTING} containers, or in itself")
        self.left -= count
        if self.left < 0:
            raise ValueError("what is to be sent has more items than a packet may have bytes")

    def items(self, values: Any, depth: int) -> list[Any]:
        self.check(len(values), depth)
        simple, lowered = _SIMPLE, []
        for value in values:
            if value.__class__ in simple:
                lowered.append(value)
                continue
            try:
                lowered.append(self.item(value, depth + 1))
            except UnsendableError as problem:
                problem.path.append(f"[{len(lowered)}]")
                raise
        return lowered

    def mapping(self, values: dict[Any, Any], depth: int) -> Any:
        self.check(len(values), depth)
        if any(key.__class__ is not str for key in values):
            return self.pairs(values, depth)
        if len(values) == 1 and next(iter(values))[:1] == "$" and not self.is_plain:
            return self.pairs(values, depth)  # it would look like a tag
        simple, lowered = _SIMPLE, {}
        for key, value in values.items():
            if value.__class__ in simple:
                lowered[key] = value
                continue
            try:
                lowered[key] = self.item(value, depth + 1)
            except UnsendableError as problem:
                problem.path.append(f"[{key!r}]")
                raise
        return lowered

    def pairs(self, values: dict[Any, Any], depth: int) -> Any:
        if self.is_plain:
            raise UnsendableError("the peer speaks version 1, whose keys are text")
        pairs = []
        for key, value in values.items():
            try:
                pairs.append([self.item(key, depth + 1), self.item(value, depth + 1)])
            except UnsendableError as problem:
                problem.path.append(f"[{_short(key)}]")
                raise
        return {"$map": pairs}


def _ask(function: Callable[[Any], Any], value: Any) -> Any:
    """Call what may run code of the application: fields that are properties, a ``tzinfo``."""
    try:
        return function(value)
    except UnsendableError:
        raise
    except Exception as problem:
        kind = type(value)
        text = f"{kind.__module__}.{kind.__qualname__} raised {type(problem).__name__}"
        raise UnsendableError(text) from problem


def _short(key: Any) -> str:
    text = repr(key) if key.__class__ in _SIMPLE else f"<{type(key).__name__}>"
    return text if len(text) <= 40 else text[:39] + "…"


def _seconds(span: datetime.timedelta) -> int | float:
    return span.total_seconds() if span.microseconds else span.days * 86400 + span.seconds


def _finite(number: decimal.Decimal) -> str:
    if not number.is_finite():
        raise UnsendableError(f"{number!r} is no number")
    return str(number)


_LOWERERS: Final[dict[type, tuple[str, Callable[[Any], Any]]]] = {
    bytes: ("$bytes", lambda value: base64.b64encode(value).decode("ascii")),
    datetime.datetime: ("$datetime", datetime.datetime.isoformat),
    datetime.date: ("$date", datetime.date.isoformat),
    datetime.time: ("$time", datetime.time.isoformat),
    datetime.timedelta: ("$timedelta", _seconds),
    decimal.Decimal: ("$decimal", _finite),
    uuid.UUID: ("$uuid", str),
}


def lower(
    value: Any,
    place: str,
    describe: Describe | None = None,
    *,
    is_plain: bool = False,
    most: int = 1 << 22,
) -> Any:
    """Turn a value into what JSON has.

    Args:
        value: What is to be sent.
        place: What it is called in a refusal: ``"args"``.
        describe: Knows the dataclasses of both sides.
        is_plain: Without tags, for version 1: tuples become lists, and others are refused.
        most: How many items it may have, all in all.

    Raises:
        UnsendableError: There is something in it that does not travel.
        ValueError: It has too many items.
    """
    if value.__class__ in _SIMPLE:
        return value
    try:
        return _Lowering(describe, is_plain, most).item(value, 0)
    except UnsendableError as problem:
        problem.path.append(place)
        raise


def place_of_bad_text(value: Any, place: str) -> str | None:
    """Where a lowered value has a text that is no UTF-8, or a number that is too long."""
    waiting = [(value, place)]
    while waiting:
        value, place = waiting.pop()
        if isinstance(value, str | int):
            try:
                str(value).encode()
            except ValueError:  # UnicodeEncodeError is one
                return place
        elif isinstance(value, list):
            waiting += [(item, f"{place}[{n}]") for n, item in enumerate(value)]
        elif isinstance(value, dict):
            waiting += [(item, f"{place}[{key!r}]") for key, item in value.items()]
            waiting += [(key, place) for key in value]
    return None


# -- lifting -----------------------------------------------------------------------------------


def lift(value: Any, make: Make | None = None, *, is_plain: bool = False) -> Any:
    """Turn what a packet has into the value that was sent. Containers may be changed in place.

    Args:
        value: What JSON has given.
        make: Knows the dataclasses of both sides.
        is_plain: From version 1: there are no tags.

    Raises:
        UnreadableError: A tag is malformed or unknown, it is nested too deep, or has numbers that
            are none.
    """
    if value.__class__ in _SIMPLE:
        return value
    try:
        return _lift(value, make, is_plain, 0)
    except UnreadableError:
        raise
    # Whatever the standard library finds wrong with a text, or a dataclass with its own hash.
    except Exception as problem:
        raise UnreadableError(f"a malformed value: {problem}") from None


def _lift(value: Any, make: Make | None, is_plain: bool, depth: int) -> Any:
    kind = value.__class__
    if kind in _SIMPLE:
        return value
    if kind is float:
        if value - value != 0.0:
            raise UnreadableError("a number that is not finite")
        return value
    if depth >= NESTING:
        raise UnreadableError(f"a value that is nested in more than {NESTING} containers")
    if kind is list:
        for index, item in enumerate(value):
            if item.__class__ not in _SIMPLE:
                value[index] = _lift(item, make, is_plain, depth + 1)
        return value
    if kind is not dict:
        raise UnreadableError(f"a {kind.__name__}, which no packet has")
    if len(value) == 1 and not is_plain:
        ((tag, content),) = value.items()
        if tag.__class__ is str and tag[:1] == "$":
            return _lift_tagged(tag, content, make, depth)
    for key, item in value.items():
        if key.__class__ is not str:
            raise UnreadableError("a key that is no text")
        if item.__class__ not in _SIMPLE:
            value[key] = _lift(item, make, is_plain, depth + 1)
    return value


def _lift_tagged(tag: str, content: Any, make: Make | None, depth: int) -> Any:
    lifter = _LIFTERS.get(tag)
    if lifter is not None:
        kind, function = lifter
        if content.__class__ not in kind:
            raise UnreadableError(f"a malformed {tag}")
        return function(content)
    if tag == "$data":
        return _lift_data(content, make, depth)
    if content.__class__ is not list:
        raise UnreadableError(f"a malformed or unknown tag {tag[:20]!r}")
    if tag == "$map":
        for pair in content:
            if pair.__class__ is not list or len(pair) != 2:
                raise UnreadableError("a malformed $map")
            pair[:] = (_lift(part, make, False, depth + 1) for part in pair)
        _check_hashes([key for key, _ in content])
        return dict(content)
    collection = _COLLECTIONS.get(tag)
    if collection is None:
        raise UnreadableError(f"an unknown tag {tag[:20]!r}")
    items = _lift(content, make, False, depth)
    if collection is not tuple:
        _check_hashes(items)
    return collection(items)


def _check_hashes(items: list[Any]) -> None:
    """Refuse what a peer has chosen so that a set or a dict of it takes hours to make."""
    if len(items) <= _SAME_HASH:
        return
    counts = Counter(map(hash, items))
    if max(counts.values()) <= _SAME_HASH:
        return
    groups: dict[int, list[Any]] = {key: [] for key, n in counts.items() if n > _SAME_HASH}
    for item in items:
        same = groups.get(hash(item))
        if same is not None and item not in same:  # the same value again costs nothing
            same.append(item)
            if len(same) > _SAME_HASH:
                raise UnreadableError(f"more than {_SAME_HASH} values of the same hash")


def _lift_data(content: Any, make: Make | None, depth: int) -> Any:
    if content.__class__ is not dict or content.keys() != {"type", "fields"}:
        raise UnreadableError("a malformed $data")
    name, fields = content["type"], content["fields"]
    if name.__class__ is not str or fields.__class__ is not dict:
        raise UnreadableError("a malformed $data")
    if make is None:
        raise UnreadableError(f"the type {name[:100]!r} is not known here", "TypeError")
    lifted = {key: _lift(item, make, False, depth + 1) for key, item in fields.items()}
    try:
        return make(name, lifted)
    except TypeError as problem:
        raise UnreadableError(str(problem), "TypeError") from None


def _to_bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _to_uuid(text: str) -> uuid.UUID:
    found = uuid.UUID(text)
    if str(found) != text.lower():
        raise ValueError(f"a malformed $uuid {text[:40]!r}")
    return found


def _to_span(seconds: float) -> datetime.timedelta:
    return datetime.timedelta(seconds=seconds)


def _to_decimal(text: str) -> decimal.Decimal:
    number = decimal.Decimal(text)
    if not number.is_finite():
        raise ValueError("a $decimal that is no number")
    return number


_TEXT: Final = (str,)
_LIFTERS: Final[dict[str, tuple[tuple[type, ...], Callable[[Any], Any]]]] = {
    "$bytes": (_TEXT, _to_bytes),
    "$datetime": (_TEXT, datetime.datetime.fromisoformat),
    "$date": (_TEXT, datetime.date.fromisoformat),
    "$time": (_TEXT, datetime.time.fromisoformat),
    "$timedelta": ((int, float), _to_span),
    "$decimal": (_TEXT, _to_decimal),
    "$uuid": (_TEXT, _to_uuid),
}
_COLLECTIONS: Final[dict[str, Callable[[Any], Any]]] = {
    "$tuple": tuple,
    "$set": set,
    "$frozenset": frozenset,
}
