"""The cookie jar that a request and its response share."""

from __future__ import annotations

from datetime import datetime, timedelta
from http.cookies import CookieError, Morsel, SimpleCookie
from typing import Any

from .utils import formatdate

__all__ = ["CookieJar", "cookie_attributes"]


class CookieJar(SimpleCookie):
    """A ``SimpleCookie`` that knows which of its cookies the client sent.

    Only cookies that were set or changed since then go out with the response. Setting one to the
    value that it has counts.
    """

    def __init__(self, header: str = "") -> None:
        super().__init__()
        self._received: dict[str, Morsel[Any]] = {}
        self._assigned: set[str] = set()
        if header:
            self.receive(header)

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self._assigned.add(key)

    def assign(self, name: str, value: str, attributes: dict[str, Any]) -> None:
        """Set a cookie.

        Raises:
            ValueError: Such a name or value cannot be sent.
        """
        try:
            super().__setitem__(name, value)
            morsel = self[name]
            fresh: Morsel[Any] = Morsel()  # without what was set before
            fresh.set(name, morsel.value, morsel.coded_value)
            fresh.update(attributes)
        except CookieError as problem:
            raise ValueError(str(problem)) from None
        dict.__setitem__(self, name, fresh)
        self._assigned.add(name)

    def receive(self, header: str) -> None:
        """Add the cookies of a ``Cookie`` header; what cannot be parsed is passed over."""
        for pair in header.split(";"):
            name, equals, coded = pair.partition("=")
            name = _text(name.strip())
            # "$Version" and its like are attributes of an obsolete form.
            if not equals or not name or name[0] == "$" or not name.isprintable():
                continue
            coded = _text(coded.strip())
            morsel: Morsel[Any] = Morsel()
            value, _ = self.value_decode(coded)
            try:
                # Not by ``set``: clients have names, such as "a[b]", that servers may not give.
                state = {"key": name, "value": value, "coded_value": coded}
                morsel.__setstate__(state)  # type: ignore[attr-defined]  # typeshed lacks it
            except CookieError:  # there are control characters
                continue
            dict.__setitem__(self, name, morsel)
            self._received[name] = morsel.copy()
            self._assigned.discard(name)

    def received(self) -> dict[str, str]:
        """What the client sent."""
        return {name: morsel.value for name, morsel in self._received.items()}

    def changed(self) -> list[str]:
        """The values of ``Set-Cookie`` for what was set or changed."""
        received = self._received
        return [
            morsel.OutputString()
            for name, morsel in self.items()
            if name in self._assigned or received.get(name) != morsel
        ]


def cookie_attributes(
    max_age: float | timedelta | None,
    expires: datetime | float | str | None,
    path: str | None,
    domain: str | None,
    secure: bool,
    httponly: bool,
    samesite: str | None,
) -> dict[str, Any]:
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
    attributes = {
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
    return {key: value for key, value in attributes.items() if value is not None}


def _text(coded: str) -> str:
    """Browsers send what a script has set as UTF-8; header fields are read as Latin-1."""
    if coded.isascii():
        return coded
    try:
        return coded.encode("latin-1").decode()
    except UnicodeError:
        return coded
