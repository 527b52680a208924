"""The cookie jar that a request and its response share."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache
from http.cookies import CookieError, Morsel, SimpleCookie
from typing import Any, NamedTuple

from .utils import formatdate

__all__ = ["Attributes", "CookieJar", "cookie_attributes"]

#: What the standard library writes without quotes, as names and as values.
_is_token = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~:]+").fullmatch
#: What a morsel says beside name and value when nothing was said.
_BLANK: dict[str, Any] = dict(Morsel())


@lru_cache(maxsize=128)
def _is_name(name: str) -> bool:
    """Whether the standard library takes it for a name."""
    return _is_token(name) is not None and name.lower() not in _BLANK


class Attributes(NamedTuple):
    """What a cookie says beside its value.

    Attributes:
        fields: As a morsel has them, all of them.
        text: As they follow the value.
    """

    fields: dict[str, Any]
    text: str


_NONE = Attributes(_BLANK, "")


class CookieJar(SimpleCookie):
    """A ``SimpleCookie`` that knows which of its cookies the client sent.

    Only cookies that were set or changed since then go out with the response. Setting one to the
    value that it has counts.
    """

    def __init__(self, header: str = "") -> None:
        # Without super(), which would do nothing.
        self._received: dict[str, tuple[str, str]] = {}  # values, and as they were coded
        self._assigned: dict[str, Attributes] = {}
        if header:
            self.receive(header)

    def __setitem__(self, key: str, value: Any) -> None:
        # What the standard library does with most of them, without its checks.
        if value.__class__ is str and key not in self and _is_token(value) and _is_name(key):
            dict.__setitem__(self, key, _morsel(key, value, value))
        else:
            super().__setitem__(key, value)
        self._assigned[key] = _NONE

    def assign(self, name: str, value: str, attributes: Attributes) -> None:
        """Set a cookie.

        Raises:
            ValueError: Such a name or value cannot be sent.
        """
        before = self.pop(name, None)  # its attributes count no more
        if value.__class__ is str and _is_token(value) and _is_name(name):
            dict.__setitem__(self, name, _morsel(name, value, value, attributes.fields))
            self._assigned[name] = attributes
            return
        try:
            self[name] = value
        except CookieError as problem:
            if before is not None:
                dict.__setitem__(self, name, before)
            raise ValueError(str(problem)) from None
        dict.update(self[name], attributes.fields)
        self._assigned[name] = attributes

    def receive(self, header: str) -> None:
        """Add the cookies of a ``Cookie`` header; what cannot be parsed is passed over."""
        is_ascii = header.isascii()
        for pair in header.split(";"):
            name, equals, coded = pair.partition("=")
            name, coded = name.strip(), coded.strip()
            if not is_ascii:
                name, coded = _text(name), _text(coded)
            # "$Version" and its like are attributes of an obsolete form.
            if not (equals and name and name[0] != "$" and name.isprintable()):
                continue
            value = self.value_decode(coded)[0] if '"' in coded else coded
            try:
                morsel = _morsel(name, value, coded)
            except CookieError:  # there are control characters
                continue
            dict.__setitem__(self, name, morsel)
            self._received[name] = (value, coded)
            self._assigned.pop(name, None)

    def received(self) -> dict[str, str]:
        """What the client sent."""
        return {name: value for name, (value, _) in self._received.items()}

    def changed(self) -> list[str]:
        """The values of ``Set-Cookie`` for what was set or changed."""
        lines = []
        for name, morsel in self.items():
            attributes = self._assigned.get(name)
            coded = morsel.coded_value
            if attributes is None:
                if (morsel.value, coded) == self._received.get(name) and dict.__eq__(
                    morsel, _BLANK
                ):
                    continue
                attributes = _NONE
            if dict.__eq__(morsel, attributes.fields):
                lines.append(f"{morsel.key}={coded}{attributes.text}")
            else:
                lines.append(morsel.OutputString())
        return lines


def _morsel(name: str, value: str, coded: str, fields: dict[str, Any] = _BLANK) -> Morsel[Any]:
    """A cookie. Clients have names, such as "a[b]", that servers may not give.

    Raises:
        CookieError: There are control characters.
    """
    morsel: Morsel[Any] = Morsel.__new__(Morsel)
    dict.update(morsel, fields)
    state = {"key": name, "value": value, "coded_value": coded}
    morsel.__setstate__(state)  # type: ignore[attr-defined]  # typeshed lacks it
    return morsel


@lru_cache(maxsize=128)
def cookie_attributes(
    max_age: float | timedelta | None,
    expires: datetime | float | str | None,
    path: str | None,
    domain: str | None,
    secure: bool,
    httponly: bool,
    samesite: str | None,
) -> Attributes:
    """What a cookie says beside its value; see ``Response.set_cookie``.

    Raises:
        ValueError: Something cannot stand in a cookie.
    """
    if samesite is not None:
        samesite = samesite.capitalize()
        if samesite not in ("Lax", "Strict", "None"):
            raise ValueError(f"samesite must be 'Lax', 'Strict', 'None' or None, not {samesite!r}")
        if samesite == "None" and not secure:
            raise ValueError("browsers drop a cookie with samesite='None' that is not secure")
    if isinstance(expires, datetime):
        expires = expires.timestamp()
    if isinstance(max_age, timedelta):
        max_age = max_age.total_seconds()
    attributes: dict[str, Any] = {
        "max-age": None if max_age is None else int(max_age),
        "expires": formatdate(expires) if isinstance(expires, int | float) else expires,
        "path": path,
        "domain": domain,
        "secure": secure,
        "httponly": httponly,
        "samesite": samesite,
    }
    for key, text in attributes.items():
        if isinstance(text, str) and (";" in text or not text.isprintable()):
            raise ValueError(f"{key} of a cookie cannot be {text!r:.80}")
    sample: Morsel[Any] = Morsel()
    sample.set("a", "", "")
    sample.update({key: value for key, value in attributes.items() if value is not None})
    return Attributes(dict(sample), sample.OutputString().removeprefix("a="))


def _text(coded: str) -> str:
    """Browsers send what a script has set as UTF-8; header fields are read as Latin-1."""
    if coded.isascii():
        return coded
    try:
        return coded.encode("latin-1").decode()
    except UnicodeError:
        return coded
