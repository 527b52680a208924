"""The elements of header values, such as ``text/html;level=1``, and strings with quotes in them."""

from __future__ import annotations

import re
from functools import cache, total_ordering
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "AcceptElement",
    "HeaderElement",
    "forbidden_in_token",
    "header_elements",
    "quote_string",
    "split_quoted",
    "unquote_string",
]

#: Finds what may not stand in a token of RFC 9110, 5.6.2.
forbidden_in_token = re.compile(r"[^!#$%&'*+\-.^_`|~0-9A-Za-z]").search


def quote_string(text: str) -> str:
    """Write a quoted string of RFC 9110."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


def unquote_string(text: str) -> str:
    """Read a token or a quoted string of RFC 9110."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        return _QUOTED_PAIR.sub(r"\1", text[1:-1])
    return text


def split_quoted(text: str, separator: str) -> list[str]:
    """Split at a one-character separator, but not within quoted strings.

    Elements are stripped; empty ones are left out.
    """
    if "\\" not in text and separator not in "".join(text.split('"')[1::2]):  # none within quotes
        return [part for part in map(str.strip, text.split(separator)) if part]
    return [part for part in map(str.strip, _elements(separator)(text)) if part]


@cache
def _elements(separator: str) -> Callable[[str], list[str]]:
    """What finds the texts between separators, in one pass: it may be long, and of a stranger."""
    quoted = r'"[^"\\]*+(?:\\.?[^"\\]*+)*+"?'  # or up to the end, if it is open
    mark = re.escape(separator)
    plain = f'[^"{mark}]*+'
    return re.compile(f"(?=[^{mark}]){plain}(?:{quoted}{plain})*+", re.DOTALL).findall


class HeaderElement:
    """One element of a header's value, such as ``text/html;level=1``.

    Args:
        value: What comes before the parameters.
        params: The parameters; a bare key has the value ``""``.
    """

    def __init__(self, value: str, params: dict[str, Any] | None = None) -> None:
        self.value = value
        self.params: dict[str, Any] = {} if params is None else params

    @staticmethod
    def parse(elementstr: str) -> tuple[str, dict[str, Any]]:
        """Split ``token;key=val`` into ``("token", {"key": "val"})``."""
        value, *parameters = split_quoted(elementstr, ";") or [""]
        params = {}
        for parameter in parameters:
            key, _, text = parameter.partition("=")
            params[key.strip()] = unquote_string(text.strip())
        return value, params

    @classmethod
    def from_str(cls, elementstr: str) -> Self:
        """Make an element of its text."""
        return cls(*cls.parse(elementstr))

    def __str__(self) -> str:
        return self.value + "".join([_parameter(k, v) for k, v in self.params.items()])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HeaderElement):
            return NotImplemented
        return type(self) is type(other) and str(self) == str(other)

    def __lt__(self, other: HeaderElement) -> bool:
        return self.value < other.value

    def __hash__(self) -> int:
        return hash(str(self))


def _parameter(key: str, value: Any) -> str:
    text = str(value)
    if forbidden_in_token(text) is not None:
        text = quote_string(text)
    return f";{key}={text}" if text else f";{key}"


_QVALUE = re.compile(r"(?:0(?:\.[0-9]*)?|1(?:\.0*)?|\.[0-9]+)", re.ASCII)


@total_ordering
class AcceptElement(HeaderElement):
    """An element of an ``Accept`` header.

    The more preferred element is *less* than the other, so that sorting puts it first; equal
    preference is ordered by text.
    """

    @property
    def qvalue(self) -> float:
        """The preference from 0 to 1: 1 if not given, 0 if it cannot be read."""
        text = self.params.get("q", self.params.get("Q", "1"))
        text = str(getattr(text, "value", text)).strip()
        return float(text) if _QVALUE.fullmatch(text) else 0.0

    # ``total_ordering`` adds the rest; equality is that of the text, as the ordering's ties are.
    def __lt__(self, other: HeaderElement) -> bool:
        mine = self.qvalue
        theirs = other.qvalue if isinstance(other, AcceptElement) else 1.0
        return str(self) < str(other) if mine == theirs else mine > theirs


#: A header that a client fills with thousands of elements must not keep the loop.
_ELEMENTS_LIMIT = 200


def header_elements(fieldname: str, fieldvalue: str | None) -> list[HeaderElement]:
    """The elements of a header's value, sorted.

    Args:
        fieldname: Name of the header; that of an ``Accept`` header, or ``TE``, makes
            :class:`AcceptElement` objects.
        fieldvalue: The value, with commas between the elements.
    """
    if not fieldvalue:
        return []
    name = fieldname.lower()
    accept = name.startswith("accept") or name == "te"
    kind: type[HeaderElement] = AcceptElement if accept else HeaderElement
    elements = split_quoted(fieldvalue, ",")[:_ELEMENTS_LIMIT]
    return sorted(kind.from_str(element) for element in elements)
