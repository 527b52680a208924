"""The cookies of a client."""

from __future__ import annotations

import re
from collections import Counter
from email.message import Message
from http.cookiejar import CookieJar as _Jar
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from urllib.request import Request as _UrllibRequest

if TYPE_CHECKING:
    from circuits.net.protocols.http import ResponseHeaders

    from ._client_request import ClientRequest
    from ._client_response import ClientResponse

__all__ = ["Cookies"]

#: How many are kept; RFC 6265, 6.1, asks for 3000 at least.
_LIMIT: Final = 3000

#: A host that is an address of IPv4.
_ADDRESS = re.compile(r"[\d.]+")

#: A date as C writes it, which the jar does not read, and takes for none: "Sun Nov  6 08:49:37 1994".
_C_DATE = re.compile(r"(?i)(;\s*expires\s*=\s*)\w{3} (\w{3}) +(\d+) ([\d:]{8}) (\d{4})\s*(?=;|$)")


class _Told:
    """A response as the jar of the standard library wants to see it."""

    def __init__(self, headers: ResponseHeaders) -> None:
        self._message = Message()
        for line in headers.get_all("set-cookie"):
            self._message["Set-Cookie"] = _C_DATE.sub(r"\1\3 \2 \5 \4 GMT", line)

    def info(self) -> Message:
        return self._message


class _Policy(DefaultCookiePolicy):
    """The rules of the standard library, and one more: an address has no domain above it.

    RFC 6265, 5.1.3; else ``Domain=.0.0.1`` of one machine would be sent to others.
    """

    def set_ok_domain(self, cookie: Any, request: Any) -> bool:
        host = urlsplit(request.full_url).hostname or ""
        if cookie.domain_specified and _ADDRESS.fullmatch(host):
            if cookie.domain.lstrip(".") != host:
                return False
        return bool(super().set_ok_domain(cookie, request))


class Cookies:
    """The cookies of a client, by the rules of the standard library's jar and RFC 6265.

    Attributes:
        jar: The jar.
    """

    def __init__(self) -> None:
        self.jar = _Jar(_Policy(strict_ns_domain=DefaultCookiePolicy.DomainLiberal))

    def take(self, response: ClientResponse) -> None:
        """Keep what a response sets."""
        if "set-cookie" not in response.headers:
            return
        told: Any = _Told(response.headers)
        self.jar.extract_cookies(told, _UrllibRequest(response.url))
        if len(self.jar) > _LIMIT:
            self.jar.clear_expired_cookies()
        while len(self.jar) > _LIMIT:
            # Whoever has most of them gives way, so that nobody can drive out those of others.
            most = Counter(cookie.domain for cookie in self.jar).most_common(1)[0][0]
            oldest = next(cookie for cookie in self.jar if cookie.domain == most)
            self.jar.clear(oldest.domain, oldest.path, oldest.name)

    def header(self, request: ClientRequest) -> str:
        """What goes out with a request."""
        if not len(self.jar):
            return ""
        asking = _UrllibRequest(request.url)
        self.jar.add_cookie_header(asking)
        return asking.get_header("Cookie", "") or ""

    def clear(self) -> None:
        """Forget all of them."""
        self.jar.clear()

    def __getitem__(self, name: str) -> str:
        for cookie in self.jar:
            if cookie.name == name:
                return cookie.value or ""
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return any(cookie.name == name for cookie in self.jar)
