"""HTTP header fields: an ordered, case-insensitive collection; elements of values come with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from ._header_elements import (
    AcceptElement,
    HeaderElement,
    forbidden_in_token,
    header_elements,
    quote_string,
    split_quoted,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "AcceptElement",
    "HeaderElement",
    "Headers",
    "header_elements",
    "parse_headers",
    "split_quoted",
]


#: Fields of one connection, which is the server's (RFC 9110, 7.6.1).
HOP_BY_HOP = frozenset((
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
    "te", "trailer", "trailers", "transfer-encoding", "upgrade",
))  # fmt: skip


def check_value(value: Any, what: str = "header value") -> str:
    """Turn a header value into text and refuse what could end its line.

    Raises:
        ValueError: If it holds CR, LF or NUL.
    """
    text = value if type(value) is str else _text(value)
    if "\n" in text or "\r" in text or "\0" in text:  # a third of the time of an expression
        raise ValueError(f"{what} must not contain CR, LF or NUL: {text!r}")
    return text


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


#: Names that were checked, with their lower-case forms. Bounded, as names may come from anywhere.
_checked: dict[str, str] = {}
_CHECKED_LIMIT = 512


def check_name(name: Any) -> str:
    """Check a header name and return it in lower case.

    Raises:
        ValueError: If it is no token of RFC 9110.
    """
    key = _checked.get(name)
    if key is None:
        if not isinstance(name, str) or not name or forbidden_in_token(name) is not None:
            raise ValueError(f"not a header name: {name!r}")
        if len(_checked) >= _CHECKED_LIMIT:
            _checked.clear()
        key = _checked[name] = name.lower()
    return key


class Headers(dict[str, Any]):
    """Header fields in order, with duplicates.

    Names compare without regard to case and keep their spelling. What is set is checked: CR, LF
    or NUL in a value, or anything but a token as name, is a ``ValueError``. Values that are no
    text become text.

    The fields are in a list of pairs. The underlying dictionary is an index, from the lower-case
    name to the first value, that is filled at the first look-up: most requests look at no header.

    Args:
        headers: List of ``(name, value)`` pairs; it is copied.

    Raises:
        TypeError: If ``headers`` is no list.
    """

    __slots__ = ("_indexed", "_pairs")

    _pairs: list[tuple[str, str]]

    def __init__(self, headers: list[tuple[str, Any]] | None = None) -> None:
        self._indexed = False
        if headers is None:
            self._pairs = []
        elif isinstance(headers, list):
            self._pairs = [
                (name, check_value(value)) for name, value in headers if check_name(name)
            ]
        else:
            raise TypeError(
                f"headers must be a list of (name, value) pairs, not {type(headers).__name__}"
            )

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[str, str]]) -> Self:
        """Make headers of pairs that a codec has checked already.

        .. versionadded:: 2.1
        """
        self = cls.__new__(cls)
        self._pairs = [*pairs]
        self._indexed = False
        return self

    @classmethod
    def _from_index(cls, first: tuple[list[tuple[str, str]], dict[str, str]]) -> Self:
        """Make headers of checked pairs and of what ``_index`` makes of these."""
        self = cls.__new__(cls)
        pairs, index = first
        self._pairs = pairs.copy()
        self._indexed = True
        dict.update(self, index)
        return self

    def _index_keys(self) -> Any:
        """A live view of the lower-case names."""
        if not self._indexed:
            self._index()
        return dict.keys(self)

    def _index(self) -> dict[str, str]:
        dict.update(self, {name.lower(): value for name, value in reversed(self._pairs)})
        self._indexed = True
        return self

    # -- looking -----------------------------------------------------------------------

    def __getitem__(self, name: str) -> Any:
        if not self._indexed:
            self._index()
        return dict.get(self, name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        """The first value of a field, or ``default``."""
        if not self._indexed:
            self._index()
        return dict.get(self, name.lower(), default)

    def __contains__(self, name: object) -> bool:
        if not self._indexed:
            self._index()
        return isinstance(name, str) and dict.__contains__(self, name.lower())

    has_key = __contains__

    def get_all(self, name: str) -> list[str]:
        """All values of a field in order; empty if there is none."""
        key = name.lower()
        return [value for field, value in self._pairs if field.lower() == key]

    def elements(self, key: str) -> list[HeaderElement]:
        """The elements of all fields of that name, the most preferred first."""
        return header_elements(key, ",".join(self.get_all(key)))

    def keys(self) -> list[str]:  # type: ignore[override]  # documented: lists, with duplicates
        """The names in order, with duplicates."""
        return [name for name, _ in self._pairs]

    def values(self) -> list[str]:  # type: ignore[override]  # documented: lists, with duplicates
        """The values in order, with duplicates."""
        return [value for _, value in self._pairs]

    def items(self) -> list[tuple[str, str]]:  # type: ignore[override]  # documented: a list
        """The fields as pairs in order, with duplicates."""
        return [*self._pairs]

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __reversed__(self) -> Iterator[str]:
        return reversed(self.keys())

    def __len__(self) -> int:
        return len(self._pairs)

    def __bool__(self) -> bool:
        return bool(self._pairs)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Headers):
            return [(name.lower(), value) for name, value in self._pairs] == [
                (name.lower(), value) for name, value in other._pairs
            ]
        if isinstance(other, dict):
            return dict(self._pairs) == other
        return NotImplemented

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None

    def __str__(self) -> str:
        return "".join([f"{name}: {value}\r\n" for name, value in self._pairs]) + "\r\n"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._pairs!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), ([*self._pairs],))

    def copy(self) -> Self:
        """An independent collection of the same fields."""
        return self.from_pairs(self._pairs)

    __copy__ = copy

    # -- changing ----------------------------------------------------------------------

    def __setitem__(self, name: str, value: Any) -> None:
        # What check_name, check_value and _put do, without the calls, for most fields.
        key = _checked.get(name) or check_name(name)
        text = value if value.__class__ is str else _text(value)
        if "\n" in text or "\r" in text or "\0" in text:
            check_value(text)  # which raises
        if not self._indexed:
            self._index()
        if dict.__contains__(self, key):
            self._pairs = [pair for pair in self._pairs if pair[0].lower() != key]
        self._pairs.append((name, text))
        dict.__setitem__(self, key, text)

    def _put(self, name: str, key: str, value: str) -> None:
        """Set a field whose name and value are known to be good; ``key`` is in lower case."""
        if not self._indexed:
            self._index()
        if dict.__contains__(self, key):
            self._pairs = [pair for pair in self._pairs if pair[0].lower() != key]
        self._pairs.append((name, value))
        dict.__setitem__(self, key, value)

    def _add(self, name: str, key: str, value: str) -> None:
        """Set a field like ``_put``, in headers that are indexed and do not have it."""
        self._pairs.append((name, value))
        dict.__setitem__(self, key, value)

    def _put_all(self, fields: Iterable[tuple[str, str, str]]) -> None:
        """Set fields that are known to be good: names, the same in lower case, and values."""
        if not self._indexed:
            self._index()
        for name, key, value in fields:
            if dict.__contains__(self, key):
                self._drop(key)
            self._pairs.append((name, value))
            dict.__setitem__(self, key, value)

    def _drop(self, key: str) -> None:
        if dict.pop(self, key, None) is not None:
            self._pairs = [pair for pair in self._pairs if pair[0].lower() != key]

    def __delitem__(self, name: str) -> None:
        if not self._indexed:
            self._index()
        self._drop(name.lower())

    def append(self, name: str, value: Any) -> None:
        """Add a field and keep those of the same name.

        .. versionadded:: 2.1
           From the 3.x line.
        """
        key = check_name(name)
        value = check_value(value)
        self._pairs.append((name, value))
        if self._indexed:
            dict.setdefault(self, key, value)

    def add_header(self, _name: str, _value: Any, **_params: Any) -> None:
        """Add a field with parameters.

        Args:
            _name: Name of the field.
            _value: Its value; ``None`` leaves just the parameters.
            **_params: Parameters; underscores become dashes, ``None`` gives a bare key.
        """
        parts = [] if _value is None else [check_value(_value)]
        for key, value in _params.items():
            key = key.replace("_", "-")
            parts.append(key if value is None else f"{key}={quote_string(str(value))}")
        self.append(_name, "; ".join(parts))

    def setdefault(self, name: str, value: Any = None) -> Any:
        """The first value of a field, which is added if there is none."""
        found = self.get(name)
        if found is None:
            self[name] = value
            found = self[name]
        return found

    def pop(self, name: str, default: Any = None) -> Any:
        """Remove all fields of a name and return the first value."""
        value = self.get(name, default)
        del self[name]
        return value

    def popitem(self) -> tuple[str, str]:
        """Remove and return the last field."""
        if not self._pairs:
            raise KeyError("there are no headers")
        pair = self._pairs.pop()
        dict.clear(self)
        self._indexed = False
        return pair

    def clear(self) -> None:
        """Remove all fields."""
        self._pairs = []
        dict.clear(self)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set fields from a mapping, from pairs, or from keywords."""
        for source in args:
            fields = source.items() if hasattr(source, "items") else source
            for name, value in list(fields):
                self[name] = value
        for name, value in kwargs.items():
            self[name] = value

    def __or__(self, other: Any) -> Self:  # type: ignore[override]  # stays a collection
        merged = self.copy()
        merged.update(other)
        return merged

    def __ior__(self, other: Any) -> Self:  # type: ignore[override]  # as above
        self.update(other)
        return self


# -- values ---------------------------------------------------------------------------------


def to_wire(text: str) -> bytes:
    """Text of a head as it goes over the wire: one byte for each character, or UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")


def replaced_by(headers: Headers, pairs: Iterable[tuple[str, str]]) -> Headers:
    """Headers in which fields stand in the place of those of the same names; but cookies are added.

    Args:
        headers: What there was; it is not changed.
        pairs: Names and values, which are checked.
    """
    fields = list(pairs)
    names = {name.lower() for name, _ in fields} - {"set-cookie"}
    kept = [field for field in headers.items() if field[0].lower() not in names]
    return Headers.from_pairs([*kept, *fields])


def add_vary(headers: Headers, name: str) -> None:
    """Tell caches that a response depends on a header of the request (RFC 9110, 12.5.5).

    Args:
        headers: Of the response.
        name: The header; it is added once.
    """
    present = [element.value for element in headers.elements("Vary")]
    if "*" not in present and name.lower() not in [value.lower() for value in present]:
        headers["Vary"] = ", ".join([*present, name])


def parse_headers(data: str | bytes) -> Headers:
    """Make headers of CRLF-separated lines; duplicates are kept.

    Reading ends at an empty line.

    Raises:
        ValueError: If a line is no header field, is folded, or holds CR, LF or NUL.
    """
    text = data.decode("latin-1") if isinstance(data, bytes) else data
    headers = Headers()
    for line in text.split("\r\n"):
        if not line:
            break
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(f"not a header field: {line!r}")
        headers.append(name, value.strip(" \t"))
    return headers
