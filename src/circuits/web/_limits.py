"""What clients may cost a server at most, and who keeps count of it."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from circuits._wire import http1

from ._form_limits import FormLimits

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Budget", "Limits", "Share", "number"]

_log = logging.getLogger("circuits.web")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What clients may cost a server; ``None`` is no limit. Sizes are in bytes, times in seconds.

    Attributes:
        request_line_bytes: Request line; 414.
        header_block_bytes: All header fields together; 431.
        header_count: Header fields; 431.
        body_bytes: Body that is gathered for its handler; 413.
        stream_body_bytes: Body that a handler with ``stream=True`` or an ASGI application reads;
            413.
        memory_body_bytes: Of a gathered body; a longer one goes to a temporary file.
        stream_buffer_bytes: Of a streamed body that its handler has not taken; with more, no more
            is read from the client.
        parts: Fields and files of a form; 413.
        part_bytes: Each of them; 413.
        text_bytes: All fields of a form that are no files; 413.
        ahead_requests: Requests that a client sends ahead of the answer; with more, no more is
            read from it.
        buffered_bytes: Of all clients together, what is held in memory of what they have sent and
            have not taken; over it bodies go to temporary files, streamed ones are not read ahead,
            and new requests are answered with 503.
        connections: Connections; no more are accepted until one ends.
        header_timeout: Until the head of a request is complete; 408, or a close if there is none of it.
        body_timeout: In which a body must make progress of 64 KiB; 408.
        idle_timeout: Between two requests, and for the answer to a client that has finished
            writing; a close.

    Raises:
        TypeError: A limit is no number.
        ValueError: A limit is negative.

    .. versionadded:: 2.1
    """

    request_line_bytes: int | None = 8 * 1024
    header_block_bytes: int | None = 64 * 1024
    header_count: int | None = 100
    body_bytes: int | None = 16 * 1024 * 1024
    stream_body_bytes: int | None = None
    memory_body_bytes: int | None = 1024 * 1024
    stream_buffer_bytes: int | None = 256 * 1024
    parts: int | None = 1000
    part_bytes: int | None = None
    text_bytes: int | None = 4 * 1024 * 1024
    ahead_requests: int | None = 16
    buffered_bytes: int | None = 512 * 1024 * 1024
    connections: int | None = 20_000
    header_timeout: float | None = 30.0
    body_timeout: float | None = 60.0
    idle_timeout: float | None = 75.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            kinds = int | float if field.name.endswith("timeout") else int
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, kinds):
                raise TypeError(f"{field.name} must be a number or None, not {value!r}")
            if value < 0:
                raise ValueError(f"{field.name} must not be negative, as {value} is")

    @classmethod
    def take(cls, options: dict[str, Any]) -> Self:
        """Take limits out of keyword arguments: ``limits``, and each by its name.

        Raises:
            TypeError: One is given twice, or ``limits`` is something else.
        """
        given = options.pop("limits", None)
        limits = cls() if given is None else given
        if not isinstance(limits, cls):
            raise TypeError(f"limits must be a Limits, not {limits!r}")
        chosen = {f.name: options.pop(f.name) for f in fields(cls) if f.name in options}
        for name in chosen:
            if getattr(limits, name) != getattr(cls, name):
                raise TypeError(f"{name} is given twice, by itself and in limits")
        return replace(limits, **chosen)

    def of_wire(self) -> http1.Limits:
        """Those of the codec, which does not know for whom a body is."""
        return http1.Limits(
            request_line_bytes=number(self.request_line_bytes),
            header_block_bytes=number(self.header_block_bytes),
            header_count=number(self.header_count),
            body_bytes=None,
        )

    def of_forms(self) -> FormLimits:
        """Those of forms."""
        return FormLimits(
            parts=number(self.parts),
            part_bytes=number(self.part_bytes),
            text_bytes=number(self.text_bytes),
        )


def number(limit: int | None) -> int:
    """A limit to compare with."""
    return sys.maxsize if limit is None else limit


class Budget:
    """What all clients of a server may have it hold in memory, and how much of that is left.

    Attributes:
        spare_bytes: How much more may be held; negative, if there is too much.
    """

    __slots__ = ("_counted_bytes", "_is_told", "spare_bytes")

    def __init__(self, limit_bytes: int | None) -> None:
        self.spare_bytes = number(limit_bytes)
        self._counted_bytes = 0
        self._is_told = False

    def count(self, held_bytes: int) -> None:
        """Take note of what is counted from time to time only, all of it."""
        self.spare_bytes += self._counted_bytes - held_bytes
        self._counted_bytes = held_bytes
        self._is_told = self._is_told and self.spare_bytes < 0

    def tell(self) -> None:
        """Log, once until it is over, that new requests are refused."""
        if not self._is_told:
            self._is_told = True
            _log.warning("clients have filled buffered_bytes: new requests are refused with 503")


class Share:
    """What one body takes of a budget, until it is closed."""

    __slots__ = ("_budget", "size")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.size = 0

    @property
    def is_overdrawn(self) -> bool:
        """Whether all of them together hold too much."""
        return self._budget.spare_bytes < 0

    def set(self, size: int) -> None:
        """Hold so many bytes."""
        self._budget.spare_bytes += self.size - size
        self.size = size

    def close(self) -> None:
        """Hold nothing any more."""
        self.set(0)
