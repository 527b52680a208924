"""Protection of forms against other sites that send them (cross-site request forgery).

A form carries a token that other sites cannot know. It is kept in the session; without sessions,
in a cookie of its own that is signed, so that nobody can invent one. What goes into a page is
masked anew each time, so that compressing the page does not give it away.
"""

from __future__ import annotations

import hmac
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from circuits.core import _clock
from circuits.core.components import BaseComponent
from circuits.core.handlers import handler

from . import errors
from ._origins import own_authority, parse_origin, parse_origins
from ._paths import is_below, mount
from ._request_body import BodyStream
from ._session import CSRF_KEY, Session
from ._signing import decode, encode, sign, signing_keys
from .headers import HeaderElement
from .utils import form_fields

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .wrappers import Request, Response

__all__ = ["CSRF"]

#: The form field, which controllers do not see.
FIELD: Final = "csrf_token"

HEADER: Final = "X-CSRF-Token"

_SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
_TOKEN_BYTES: Final = 32


class CSRF(BaseComponent):
    """Refuses requests that another site may have made a browser send.

    Requests that change something (all but GET, HEAD, OPTIONS and TRACE) need
    ``request.csrf_token`` in the form field ``csrf_token``, which controllers do not see, or in
    the header ``X-CSRF-Token``. Those that browsers mark as coming from another site are refused
    in any case. The answer is 403. Handles ``request`` (priority 5, after ``Sessions``).

    Handlers that take a body as it arrives need the header: the form is not there yet.

    Args:
        secret: Without ``Sessions``: what signs the cookie; of several, the first. By default
            random, so that it is good in this process until it ends.
        origins: Other origins whose pages may send requests, with the token.
        exempt: Paths that need no token, with all below them: those of other programs, which
            must not be let in by a cookie.
        name: Name of the cookie that is used without ``Sessions``. Scripts can read it, to send it
            in the header.
        **kwargs: For the component, such as ``channel``.

    Raises:
        ValueError: The secret is empty, an origin is none, or a path does not begin with a slash.

    .. versionadded:: 2.1
    """

    channel = "web"

    def __init__(
        self,
        secret: str | bytes | Iterable[str | bytes] | None = None,
        *,
        origins: str | Iterable[str] = (),
        exempt: str | Iterable[str] = (),
        name: str = "circuits.csrf",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._keys = signing_keys(
            _clock.random_bytes(32) if secret is None else secret, b"circuits.web.csrf"
        )
        self._origins = parse_origins(origins)
        paths = [exempt] if isinstance(exempt, str) else list(exempt)
        for path in paths:
            if not path.startswith("/"):
                raise ValueError(f"a path begins with a slash, unlike {path!r}")
        self._exempt = tuple(map(mount, paths))
        self.cookie_name = name

    @handler("request", priority=5, filter=True)
    def _on_request(self, request: Request, response: Response, *peer_cert: Any) -> Any:
        request._csrf = partial(self._make, request)
        if request.method in _SAFE:
            return None
        field = _field(request, response)
        given = request.headers.get(HEADER) or field
        if any(is_below(request.path, path) for path in self._exempt):
            return None
        if not self._is_at_home(request):
            why = "The request comes from another site."
        elif not given:
            why = f"The form field {FIELD} or the header {HEADER} is missing."
        elif not self._is_right(request, given):
            why = "The form is too old, or not of this session. Load the page again."
        else:
            return None
        self.fire(errors.Forbidden(request, response, description=why))
        return True

    def _is_at_home(self, request: Request) -> bool:
        headers = request.headers
        origin = headers["Origin"]
        if origin is not None:
            parsed = parse_origin(origin)
            if parsed is None:
                return False
            if parsed in self._origins:
                return True
            # Not the scheme: a proxy may speak TLS for us.
            if parsed[1:] != own_authority(request, parsed[0]):
                return False
        return bool(headers.get("Sec-Fetch-Site") != "cross-site")

    # -- tokens --------------------------------------------------------------------------------

    def _make(self, request: Request) -> str:
        """A token for a page, from what is kept; that is made if need be."""
        kept = self._kept(request)
        if kept is None:
            kept = _clock.random_bytes(_TOKEN_BYTES)
            session = getattr(request, "session", None)
            if isinstance(session, Session):
                session[CSRF_KEY] = encode(kept)
            else:
                self._set_cookie(request, encode(kept))
        return _masked(kept)

    def _kept(self, request: Request) -> bytes | None:
        session = getattr(request, "session", None)
        if isinstance(session, Session):
            text = session.get(CSRF_KEY)
            return decode(text) if isinstance(text, str) else None
        morsel = request.cookie.get(self.cookie_name)
        if morsel is None or len(morsel.value) > 200 or not morsel.value.isascii():
            return None
        text, _, signature = morsel.value.partition(".")
        if not any(hmac.compare_digest(sign(key, text), signature) for key in self._keys):
            return None
        return decode(text)

    def _set_cookie(self, request: Request, text: str) -> None:
        jar = request.cookie
        jar[self.cookie_name] = f"{text}.{sign(self._keys[0], text)}"
        morsel = jar[self.cookie_name]
        morsel["path"] = "/"
        morsel["samesite"] = "Lax"
        if request.scheme == "https":
            morsel["secure"] = True

    def _is_right(self, request: Request, given: str) -> bool:
        kept = self._kept(request)
        # The cookie as a script reads it has the signature behind the token.
        text = given.partition(".")[0]
        if kept is None or len(text) > 100:
            return False
        try:
            token = decode(text)
        except ValueError:
            return False
        if len(token) == 2 * _TOKEN_BYTES:
            token = _mixed(token[:_TOKEN_BYTES], token[_TOKEN_BYTES:])
        return hmac.compare_digest(token, kept)


def _field(request: Request, response: Response) -> str | None:
    """Take the token out of a form; the rest is kept for who looks at the form next."""
    kind = HeaderElement.parse(request.headers.get("Content-Type", ""))[0].lower()
    if kind not in _FORMS or isinstance(request._body, BodyStream):
        return None
    fields = form_fields(request)
    given = [value for name, value in fields if name == FIELD]
    request._fields = [field for field in fields if field[0] != FIELD]
    return given[0] if len(given) == 1 and isinstance(given[0], str) else None


def _masked(kept: bytes) -> str:
    pad = _clock.random_bytes(len(kept))
    return encode(pad + _mixed(pad, kept))


def _mixed(one: bytes, other: bytes) -> bytes:
    return bytes([a ^ b for a, b in zip(one, other, strict=True)])
