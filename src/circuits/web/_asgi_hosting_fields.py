"""The header fields that hosted ASGI applications give, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .headers import HOP_BY_HOP, check_name, check_value

if TYPE_CHECKING:
    from ._asgi_hosting import Message

    Fields = tuple[tuple[str, str], ...]

__all__ = ["as_bytes", "response_fields", "start_of"]


def as_bytes(value: Any) -> bytes:
    """What is like bytes, as such; ``bytes`` alone would make a number so many zeros.

    Raises:
        TypeError: It is something else.
    """
    return value if value.__class__ is bytes else bytes(memoryview(value))


def response_fields(message: Message) -> tuple[tuple[str, str], ...]:
    """The fields of a message, checked.

    Raises:
        TypeError, ValueError: They are none.
    """
    return _checked(tuple([(name, value) for name, value in message.get("headers", ())]))[0]


#: Fields that were checked: most applications send the same few again and again. With them, those
#: that are not of the connection, and whether the others close that. Bounded.
_fields: dict[tuple[tuple[bytes, bytes], ...], tuple[Fields, Fields, bool]] = {}
#: What follows from the fields that responses start with. Bounded.
_starts: dict[tuple[tuple[bytes, bytes], ...], tuple[Fields, bytes | None, bool]] = {}
_FIELDS_LIMIT = 256


def start_of(given: tuple[tuple[Any, Any], ...]) -> tuple[Fields, bytes | None, bool]:
    """What follows from the fields that a response starts with.

    Returns:
        The fields to send, the length of the body if they tell it, and whether the connection ends.

    Raises:
        TypeError, ValueError: They are none.
    """
    try:
        found = _starts.get(given)
    except (TypeError, ValueError):  # see _checked
        return _read_start(given)
    if found is None:
        if len(_starts) >= _FIELDS_LIMIT:
            _starts.clear()
        found = _starts[given] = _read_start(given)
    return found


def _read_start(given: tuple[tuple[Any, Any], ...]) -> tuple[Fields, bytes | None, bool]:
    others, length = [], None
    for name, value in given:
        # Fields are checked without it: it may be another one each time.
        if (
            name == b"content-length"
            and length is None
            and value.__class__ is bytes
            and value.isdigit()
        ):
            length = value
        else:
            others.append((name, value))
    _, kept, closes = _checked(tuple(others))
    return kept, length, closes


def _checked(given: tuple[tuple[Any, Any], ...]) -> tuple[Fields, Fields, bool]:
    try:
        found = _fields.get(given)
    except (TypeError, ValueError):  # not hashable: a bytearray, perhaps
        given = tuple([(as_bytes(name), as_bytes(value)) for name, value in given])
        found = _fields.get(given)
    return _check_fields(given) if found is None else found


def _check_fields(given: tuple[tuple[Any, Any], ...]) -> tuple[Fields, Fields, bool]:
    pairs, kept, closes = [], [], False
    for name, value in given:
        pair = as_bytes(name).decode("latin-1"), as_bytes(value).decode("latin-1").strip(" \t")
        key = check_name(pair[0])
        check_value(pair[1])
        pairs.append(pair)
        if key not in HOP_BY_HOP:
            kept.append(pair)
        elif key == "connection" and pair[1].lower() == "close":
            closes = True
    if len(_fields) >= _FIELDS_LIMIT:
        _fields.clear()
    found = _fields[given] = tuple(pairs), tuple(kept), closes
    return found
