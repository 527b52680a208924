"""Conditional and range requests as pure rules (RFC 9110, 13 and 14)."""

from __future__ import annotations

import calendar
import re
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "RANGES_LIMIT",
    "EntityTag",
    "if_match",
    "if_modified_since",
    "if_none_match",
    "if_range",
    "if_unmodified_since",
    "merge_ranges",
    "parse_etag",
    "parse_etags",
    "parse_http_date",
    "parse_ranges",
]

#: How many ranges one request may ask for; each costs a part of the answer (CVE-2011-3192).
RANGES_LIMIT: Final = 32


class EntityTag(NamedTuple):
    """An entity tag."""

    opaque: str
    weak: bool = False

    def __str__(self) -> str:
        return f'W/"{self.opaque}"' if self.weak else f'"{self.opaque}"'


_ETAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_SEPARATOR = re.compile(r"[ \t]*(?:,[ \t]*)+|[ \t]*\Z")


def parse_etag(value: str) -> EntityTag | None:
    """Read one entity tag; ``None`` if it is none."""
    match = _ETAG.fullmatch(value.strip())
    return match and EntityTag(match[2], match[1] is not None)


def parse_etags(value: str) -> list[EntityTag]:
    """Read a list of entity tags; what follows something malformed is left out."""
    tags = []
    position = len(value) - len(value.lstrip(", \t"))
    while match := _ETAG.match(value, position):
        end = _SEPARATOR.match(value, match.end())
        if end is None:
            break
        tags.append(EntityTag(match[2], match[1] is not None))
        position = end.end()
    return tags


def if_match(header: str, current: EntityTag | None, exists: bool = True) -> bool:
    """Whether ``If-Match`` lets the request go on (strong comparison).

    Args:
        header: Value of the header.
        current: Tag of the representation, ``None`` if it has none.
        exists: Whether there is a representation, which ``*`` asks for.
    """
    if header.strip() == "*":
        return exists
    return current is not None and not current.weak and current in parse_etags(header)


def if_none_match(header: str, current: EntityTag | None, exists: bool = True) -> bool:
    """Whether ``If-None-Match`` lets the request go on (weak comparison).

    Takes the same arguments as :func:`if_match`.
    """
    if header.strip() == "*":
        return not exists
    if current is None:
        return True
    return all(tag.opaque != current.opaque for tag in parse_etags(header))


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_DATES = [
    re.compile(pattern, re.ASCII | re.IGNORECASE)
    for pattern in (
        rf"(?:[a-z]{{3}}, )?(?P<day>[0-9]{{1,2}}) (?P<month>[a-z]{{3}}) (?P<year>[0-9]{{4}}) {_TIME} (?:GMT|UTC|[+-]0000)",
        rf"[a-z]{{6,9}}, (?P<day>[0-9]{{2}})-(?P<month>[a-z]{{3}})-(?P<year>[0-9]{{2}}) {_TIME} GMT",
        rf"[a-z]{{3}} (?P<month>[a-z]{{3}}) (?P<day>[ 0-9][0-9]) {_TIME} (?P<year>[0-9]{{4}})",
    )
]


def parse_http_date(value: str) -> int | None:
    """Read a date in any of the three forms of HTTP (RFC 9110, 5.6.7).

    Returns:
        Seconds since the epoch, or ``None`` if it is no date.
    """
    # Browsers of old have put a length behind a semicolon.
    text = value.partition(";")[0].strip()
    for pattern in _DATES:
        match = pattern.fullmatch(text)
        if match is None:
            continue
        year = int(match["year"])
        if year < 100:  # of this century, unless that is more than 50 years from now
            year += 2000 if year < 76 else 1900
        try:
            month = _MONTHS.index(match["month"].lower()) + 1
            second = min(int(match["second"]), 59)  # a leap second is none of ours
            moment = datetime(
                year, month, int(match["day"]), int(match["hour"]), int(match["minute"]), second
            )
        except ValueError:
            return None
        return calendar.timegm(moment.timetuple())
    return None


def if_modified_since(header: str, modified: float) -> bool:
    """Whether the representation is newer than ``If-Modified-Since``; malformed means yes."""
    since = parse_http_date(header)
    return since is None or int(modified) > since


def if_unmodified_since(header: str, modified: float) -> bool:
    """Whether the representation is not newer than ``If-Unmodified-Since``; malformed means yes."""
    since = parse_http_date(header)
    return since is None or int(modified) <= since


def if_range(header: str, current: EntityTag | None, modified: float | None) -> bool:
    """Whether ``If-Range`` lets a range be served: a strong tag or the exact date must match."""
    tag = parse_etag(header)
    if tag is not None:
        return current is not None and not tag.weak and tag == current
    since = parse_http_date(header)
    return since is not None and modified is not None and since == int(modified)


_RANGE = re.compile(r"([0-9]*)[ \t]*-[ \t]*([0-9]*)", re.ASCII)


def parse_ranges(
    header: str | None, length: int, limit: int | None = None
) -> list[tuple[int, int]] | None:
    """Read a ``Range`` header.

    Args:
        header: Value of the header, or ``None``.
        length: Bytes that there are.
        limit: The most ranges to accept; ``None`` is without limit.

    Returns:
        Half-open ``(start, stop)`` pairs in the order of the header, those that lie outside left
        out; ``None`` if there is nothing to obey: no header, another unit, a syntax error, or
        more ranges than the limit.
    """
    if not header:
        return None
    unit, equals, text = header.partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return None
    specs = text.split(",")
    if limit is not None and len(specs) > limit:
        return None
    ranges = []
    seen = False
    for spec in specs:
        spec = spec.strip()
        if not spec:
            continue
        match = _RANGE.fullmatch(spec)
        if match is None:
            return None
        seen = True
        # Python refuses to convert digits without end; no file needs more than these.
        first, last = (
            digits if len(digits) <= 20 else (digits.lstrip("0") or "0")[:21]
            for digits in match.groups()
        )
        if first:
            start = int(first)
            stop = int(last) + 1 if last else length
            if last and stop <= start:
                return None
            if start < length:
                ranges.append((start, min(stop, length)))
        elif last:
            suffix = int(last)
            if suffix and length:
                ranges.append((max(0, length - suffix), length))
        else:
            return None
    return ranges if seen else None


def merge_ranges(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Unite ranges that overlap or touch; the result is then in ascending order.

    Where nothing overlaps, the order that was asked for is kept.
    """
    ordered = sorted(ranges)
    merged: list[tuple[int, int]] = []
    for start, stop in ordered:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return list(ranges) if len(merged) == len(ranges) else merged
