"""The cookie jar that a request and its response share."""

from __future__ import annotations

from http.cookies import CookieError, Morsel, SimpleCookie
from typing import Any

__all__ = ["CookieJar"]


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

    def receive(self, header: str) -> None:
        """Add the cookies of a ``Cookie`` header; what cannot be parsed is passed over."""
        for pair in header.split(";"):
            name, equals, coded = pair.partition("=")
            name = name.strip()
            # "$Version" and its like are attributes of an obsolete form.
            if not equals or not name or name[0] == "$":
                continue
            coded = _text(coded.strip())
            morsel: Morsel[Any] = Morsel()
            try:
                value, _ = self.value_decode(coded)
                morsel.set(name, value, coded)
            except CookieError:
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


def _text(coded: str) -> str:
    """Browsers send what a script has set as UTF-8; header fields are read as Latin-1."""
    if coded.isascii():
        return coded
    try:
        return coded.encode("latin-1").decode()
    except UnicodeError:
        return coded
