"""What keeps strangers out of pages that show, or change, everything."""

from __future__ import annotations

import base64
import hmac
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from circuits.core import _clock
from circuits.web import exceptions, tools
from circuits.web._networks import unmapped
from circuits.web._origins import own_authority, parse_origin
from circuits.web.controllers import BaseController

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Guarded", "is_from_here", "new_token"]

_log = logging.getLogger("circuits.web")

#: What proxies put in, beside all that begins with ``X-Forwarded-``.
_FORWARDED = frozenset(
    {"forwarded", "via", "x-real-ip", "x-client-ip", "client-ip", "x-cluster-client-ip"}
    | {"true-client-ip", "cf-connecting-ip", "cf-connecting-ipv6", "fastly-client-ip"}
    | {"x-original-forwarded-for", "x-original-host", "x-envoy-external-address"}
    | {"x-appengine-user-ip", "x-azure-clientip", "x-proxyuser-ip", "cdn-loop"}
)


class Guarded(BaseController):
    """A controller for people at this machine who know a password.

    Args:
        users: Hashes of passwords by the names of users, as ``circuits.web.passwords`` makes them.
            Without any there is one user ``admin``, whose password is made up and logged.
        loopback_only: Whether requests from other machines are refused, whatever they bring. It
            includes those that came by a proxy, and those for other names than that of this machine.
        **kwargs: As for every controller: ``channel``.
    """

    realm = "circuits"

    def __init__(
        self, users: Mapping[str, str] | None = None, *, loopback_only: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.loopback_only = loopback_only
        self._encrypt: Any = None
        if users is None:
            password = new_token()
            self._encrypt, users = str, {"admin": password}
            _log.warning("%s: the user is admin, the password %s", type(self).__name__, password)
        self._users = dict(users)
        self._token = new_token()

    def _admit(self) -> None:
        """Raise unless the client may see this; every page begins with it."""
        request, response = self.request, self.response
        if self.loopback_only and not is_from_here(request):
            raise exceptions.Forbidden("This is for the machine that the server runs on.")
        if tools.basic_auth(request, response, self.realm, self._users, self._encrypt):
            raise exceptions.Unauthorized
        headers = response.headers
        headers["Cache-Control"] = "no-store"
        headers["X-Frame-Options"] = "DENY"
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Content-Security-Policy"] = (
            f"default-src 'none'; connect-src 'self'; script-src 'nonce-{self._token}'; "
            f"style-src 'nonce-{self._token}'; img-src 'self'; frame-ancestors 'none'"
        )

    def _admit_change(self) -> None:
        """Raise unless the client may do this: its browser asks for a page of ours."""
        self._admit()
        request = self.request
        if request.method != "POST":
            raise exceptions.MethodNotAllowed(["POST"])
        origin = request.headers["Origin"]
        if origin is not None:
            place = parse_origin(origin)
            if place is None or place[1:] != own_authority(request, place[0]):
                raise exceptions.Forbidden("This came from another site.")
        token = request.headers["X-Token"] or ""
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            raise exceptions.Forbidden("The token of the page is missing.")


def new_token() -> str:
    """A text that nobody can guess, for pages, cookies and passwords."""
    return base64.urlsafe_b64encode(_clock.random_bytes(18)).decode("ascii")


def is_from_here(request: Any) -> bool:
    """Whether a request comes from this machine, to this machine, and by nobody else."""
    if request._client is None and any(map(_is_of_proxy, request.headers)):
        return False  # somebody has passed it on, and nobody is trusted to say for whom
    name = urlsplit(request.base).hostname or ""
    return (
        _is_loopback(request.remote.ip)
        and _is_loopback(request.client[0])
        and (name == "localhost" or _is_loopback(name))  # not one that was made to lead here
    )


def _is_of_proxy(name: str) -> bool:
    name = name.lower()
    return name.startswith("x-forwarded") or name in _FORWARDED


def _is_loopback(address: str | None) -> bool:
    found = unmapped(address or "")
    return found is not None and found.is_loopback
