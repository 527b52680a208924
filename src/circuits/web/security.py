"""Components that guard a site: who may ask from elsewhere, how often, and what browsers may do.

Each is registered beside the controllers, on the channel of the server.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from circuits.core import _clock
from circuits.core.components import BaseComponent
from circuits.core.handlers import handler

from . import errors
from ._networks import unmapped
from ._origins import parse_origin, parse_origins
from .headers import add_vary, check_value

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from .wrappers import Request, Response

__all__ = ["CORS", "RateLimit", "SecurityHeaders"]


class CORS(BaseComponent):
    """Lets scripts of other origins read what this server answers (the Fetch standard's CORS).

    Answers the questions that browsers ask before such a request (``OPTIONS``, priority 15), and
    marks all responses, errors as well (``response``, priority 0.02). It keeps nobody from asking:
    it only tells browsers which pages may see the answer.

    Args:
        origins: Such as ``"https://example.org"``, one or several; ``"*"`` for all.
        methods: What they may use.
        headers: Request headers that they may send; ``"*"`` for whatever they ask for.
        credentials: Whether browsers may send cookies along. Not together with all origins.
        max_age: Seconds for which a browser need not ask again.
        expose: Response headers that scripts may read beside the usual ones.
        **kwargs: For the component, such as ``channel``.

    Raises:
        ValueError: An origin is none, or all origins would get to see what users see.

    .. versionadded:: 2.1
    """

    channel = "web"

    def __init__(
        self,
        origins: str | Iterable[str] = "*",
        methods: Iterable[str] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
        headers: str | Iterable[str] = "*",
        credentials: bool = False,
        max_age: int = 600,
        *,
        expose: Iterable[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        given = [origins] if isinstance(origins, str) else list(origins)
        self._origins = None if "*" in given else parse_origins(given)
        if self._origins is None and credentials:
            raise ValueError(
                'credentials=True with origins="*" would show every site what your users see; '
                "name the origins"
            )
        self._methods = ", ".join(methods)
        self._headers = headers if isinstance(headers, str) else ", ".join(headers)
        self._expose = ", ".join(expose)
        for value in (self._methods, self._headers, self._expose):
            check_value(value)
        self._credentials = credentials
        self._max_age = str(int(max_age))

    def _may_read(self, origin: str) -> bool:
        return self._origins is None or parse_origin(origin) in self._origins

    @handler("request", priority=15, filter=True)
    def _on_request(self, request: Request, response: Response, *peer_cert: Any) -> Any:
        asked = request.headers
        if request.method != "OPTIONS" or not asked["Access-Control-Request-Method"]:
            return None
        origin = asked["Origin"]
        if not origin:
            return None
        add_vary(response.headers, "Access-Control-Request-Headers")
        if not self._may_read(origin):
            why = "This origin is not allowed."
            self.fire(errors.Forbidden(request, response, description=why))
            return True
        headers = response.headers
        headers["Access-Control-Allow-Methods"] = self._methods
        allowed = self._headers
        if allowed == "*":
            # Spelled out, as "*" neither covers Authorization nor goes with credentials.
            allowed = asked["Access-Control-Request-Headers"] or ""
        if allowed:
            headers["Access-Control-Allow-Headers"] = allowed
        headers["Access-Control-Max-Age"] = self._max_age
        response.code = 204
        return response

    @handler("response", priority=0.02, filter=True)
    def _on_response(self, response: Response) -> None:
        headers = response.headers
        if self._origins is not None:
            add_vary(headers, "Origin")
        origin = response.request.headers["Origin"]
        if not origin or not self._may_read(origin):
            return
        headers["Access-Control-Allow-Origin"] = "*" if self._origins is None else origin
        if self._credentials:
            headers["Access-Control-Allow-Credentials"] = "true"
        if self._expose:
            headers["Access-Control-Expose-Headers"] = self._expose


class SecurityHeaders(BaseComponent):
    """Tells browsers to be careful, in all responses that do not say so themselves.

    Handles ``response`` (priority 0.02).

    Args:
        hsts: Seconds for which browsers shall come by TLS only, or the whole value of
            ``Strict-Transport-Security``; sent over TLS alone.
        frame: ``X-Frame-Options``: ``"DENY"``, ``"SAMEORIGIN"``, or ``None``.
        content_type: Whether browsers shall believe the media type (``nosniff``).
        referrer: ``Referrer-Policy``, or ``None``.
        csp: ``Content-Security-Policy``, or ``None``.
        **kwargs: For the component, such as ``channel``.

    Raises:
        ValueError: A value holds CR, LF or NUL.

    .. versionadded:: 2.1
    """

    channel = "web"

    def __init__(
        self,
        hsts: int | str | None = None,
        frame: str | None = "DENY",
        content_type: bool = True,
        referrer: str | None = "strict-origin-when-cross-origin",
        csp: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        policies = {
            "X-Frame-Options": frame,
            "X-Content-Type-Options": "nosniff" if content_type else None,
            "Referrer-Policy": referrer,
            "Content-Security-Policy": csp,
        }
        self._policies = [(n, check_value(value)) for n, value in policies.items() if value]
        self._hsts: str | None = None
        if hsts is not None:
            self._hsts = check_value(hsts if isinstance(hsts, str) else f"max-age={hsts:d}")

    @handler("response", priority=0.02, filter=True)
    def _on_response(self, response: Response) -> None:
        headers = response.headers
        for name, value in self._policies:
            headers.setdefault(name, value)
        if self._hsts is not None and response.request.scheme == "https":
            headers.setdefault("Strict-Transport-Security", self._hsts)


def address_of(request: Request) -> Hashable:
    """What stands for a client: its IPv4 address, or the network of its IPv6 address.

    Who has one IPv6 address has the 2**64 of that network. ``None`` where there is no address,
    as over a UNIX socket.
    """
    client = getattr(request, "client", None)
    host = client[0] if client else request.remote.ip
    if not host:
        return None
    if ":" not in host:
        return host
    address = unmapped(host)
    if address is None:
        return host
    return address.packed[:8] if address.version == 6 else str(address)


class RateLimit(BaseComponent):
    """Answers 429 to who asks too often, before anything else is done for the request.

    A client may ask ``requests`` times at once, and as often in each ``seconds``, spread evenly.
    Handles ``request`` (priority 20).

    Args:
        requests: How many requests.
        seconds: In what time.
        key: From a request to what is counted, hashable; ``None`` is not counted. By default the
            address of the client, for IPv6 its network of 64 bits. Over a UNIX socket there is
            none, and nothing is counted.
        clients: How many are remembered; of more, who has not asked for the longest time is
            forgotten.
        **kwargs: For the component, such as ``channel``.

    Raises:
        ValueError: A number is not positive.

    .. versionadded:: 2.1
    """

    channel = "web"

    def __init__(
        self,
        requests: int,
        seconds: float = 1.0,
        key: Callable[[Request], Hashable] | None = None,
        *,
        clients: int = 10_000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if requests < 1 or not seconds > 0 or clients < 1:
            raise ValueError("requests and clients must be at least 1, seconds more than 0")
        self._capacity = float(requests)
        self._rate = requests / seconds
        self._key = address_of if key is None else key
        self._limit = clients
        # What is left for a client, and since when; in the order of the last request.
        self._buckets: dict[Hashable, tuple[float, float]] = {}

    @handler("request", priority=20, filter=True)
    def _on_request(self, request: Request, response: Response, *peer_cert: Any) -> Any:
        key = self._key(request)
        if key is None:
            return None
        buckets = self._buckets
        now = _clock.now()
        bucket = buckets.pop(key, None)
        if bucket is None:
            left = self._capacity
            if len(buckets) >= self._limit:
                del buckets[next(iter(buckets))]
        else:
            left = min(self._capacity, bucket[0] + (now - bucket[1]) * self._rate)
        if left >= 1.0:
            buckets[key] = (left - 1.0, now)
            return None
        buckets[key] = (left, now)
        response.headers["Retry-After"] = str(ceil((1.0 - left) / self._rate))
        self.fire(errors.HTTPError(request, response, 429))
        return True
