"""URL-encoded fields: of forms, and of the query of a URL."""

from __future__ import annotations

import binascii
from urllib.parse import unquote_to_bytes

from ._form_limits import DEFAULT_LIMITS, FormLimits
from .exceptions import RequestEntityTooLarge, UnicodeError

__all__ = ["parse_urlencoded"]


def parse_urlencoded(
    data: str | bytes,
    *,
    keep_blank_values: bool = True,
    limits: FormLimits = DEFAULT_LIMITS,
    charset: str = "utf-8",
) -> list[tuple[str, str]]:
    """Read URL-encoded fields.

    Raises:
        UnicodeError: If a text is not UTF-8, or what ``charset`` says.
        RequestEntityTooLarge: If there are too many fields.
    """
    if isinstance(data, str):
        if (
            data.isascii()
            and "%" not in data
            and "+" not in data
            and len(data) <= limits.part_bytes
            and data.count("&") < limits.parts
            and charset == "utf-8"
        ):  # As most queries: nothing to decode, and nothing to refuse.
            pairs = [pair.partition("=") for pair in data.split("&") if pair]
            return [(name, value) for name, _, value in pairs if value or keep_blank_values]
        data = data.encode("utf-8", "surrogateescape")
    if data.count(b"&") >= limits.parts:
        raise RequestEntityTooLarge(f"A form may have {limits.parts} fields.")
    fields = []
    try:
        for pair in data.split(b"&"):
            if len(pair) > limits.part_bytes:
                raise RequestEntityTooLarge(f"A field may have {limits.part_bytes} bytes.")
            name, equals, value = pair.partition(b"=")
            if value or (keep_blank_values and (name or equals)):
                fields.append((_unescaped(name).decode(charset), _unescaped(value).decode(charset)))
    except UnicodeDecodeError:
        raise UnicodeError(f"The form is not {charset.upper()}.") from None
    return fields


#: The fast way has "=" for "%" and the reverse, and escapes of them are changed beforehand.
_SWAPPED = bytes.maketrans(b"%=", b"=%")


def _unescaped(data: bytes) -> bytes:
    data = data.replace(b"+", b" ")
    if b"%" not in data:
        return data
    if len(data) < 256:
        return unquote_to_bytes(data)
    # Ten times as fast, and without an object for each escape: megabytes must not keep the loop,
    # nor take a hundred times their size. What it reads has "=" for "%". It would take "==" for
    # one, line ends for its own, and blanks at the end for padding, so they are written otherwise.
    data = data.replace(b"\r", b"%0D").replace(b"\n", b"%0A")
    data = data.replace(b"%%", b"%25%").replace(b"%%", b"%25%")
    data = data.replace(b"%3D", b"%3d").replace(b"%25", b"%3D").replace(b"%3d", b"%25")
    return binascii.a2b_qp(data.translate(_SWAPPED) + b".")[:-1].translate(_SWAPPED)
