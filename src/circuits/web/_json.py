"""JSON as bodies: what is written, and what is read from strangers."""

from __future__ import annotations

import dataclasses
import json
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from json.encoder import (  # type: ignore[attr-defined]  # typeshed lacks the first
    c_make_encoder,
    encode_basestring_ascii,
)
from math import isinf
from typing import Any, NoReturn
from uuid import UUID

__all__ = ["decode", "decode_text", "encode", "is_json", "is_record"]


def is_record(kind: Any) -> bool:
    """Whether something is a class with fields: a dataclass or a ``Struct`` of msgspec."""
    return isinstance(kind, type) and (
        hasattr(kind, "__dataclass_fields__") or hasattr(kind, "__struct_fields__")
    )


def _default(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # By the fields, all of them, whoever made the object.
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    names = getattr(type(value), "__struct_fields__", None)
    if names is not None:
        encoded = type(value).__struct_encode_fields__
        return {key: getattr(value, name) for name, key in zip(names, encoded, strict=True)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON: {value!r:.80}")


_slow_encode = json.JSONEncoder(default=_default, allow_nan=False).encode


def encode(value: Any) -> str:
    """The text of a value, as ``json.dumps`` writes it.

    Raises:
        TypeError, ValueError: There is none, as for NaN.
    """
    if c_make_encoder is None or value.__class__ not in _CONTAINERS:
        return _slow_encode(value)
    # What that does with them, without its own preparations. The first argument is what finds
    # circles, and so belongs to this value.
    pieces = c_make_encoder(
        {}, _default, encode_basestring_ascii, None, ": ", ", ", False, False, False
    )
    return "".join(pieces(value, 0))


_CONTAINERS = frozenset((dict, list, tuple))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if isinf(number):  # what is too large becomes infinite, which cannot be written again
        raise ValueError(f"{text:.40} is too large a number")
    return number


_decode = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite).decode


def decode(data: bytes) -> Any:
    """Read a text in UTF-8.

    Raises:
        ValueError: It is none.
    """
    return decode_text(data.decode())


def decode_text(text: str) -> Any:
    """Read a text. Raises as :func:`decode` does."""
    try:
        return _decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def is_json(content_type: str | None) -> bool:
    """Whether a ``Content-Type`` says that it is JSON."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )
