"""VirtualHosts: several sites in one server (manual: circuits.web.dispatchers.virtualhosts)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits.core.components import BaseComponent
from circuits.core.handlers import handler
from circuits.web._networks import Networks
from circuits.web._paths import mount, normalise

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from circuits.web.wrappers import Request, Response

__all__ = ["VirtualHosts"]


class VirtualHosts(BaseComponent):
    """Puts a prefix before the path of a request, by the host that it was sent to.

    So ``http://www.example.com/`` and ``http://forum.example.com/`` may lead to ``/`` and to
    ``/forum`` of one tree of controllers. URLs that are made from the request, redirects among
    them, are those that the client knows: without the prefix.

    Handles ``request`` with priority 1.0, which is before all that answers, and never answers by
    itself. A request for another host goes on as it is.

    Args:
        domains: Prefixes by the value of the ``Host`` header: ``{"forum.example.com": "forum"}``.
            A port belongs to it if the client names one. Upper and lower case are the same.
        trusted_gateways: The same as ``trusted_proxies``, as 3.x calls it.
        trusted_proxies: Addresses and networks of the proxies whose ``X-Forwarded-Host`` is
            believed, and ``"unix"``. Where the server has ``trusted_proxies``, it is in use anyway.
        **kwargs: For the component, such as ``channel``.

    .. versionchanged:: 2.1
       ``trusted_gateways`` and ``trusted_proxies`` are new; ``X-Forwarded-Host`` used to be believed of everybody.
    """

    channel = "web"

    def __init__(
        self,
        domains: Mapping[str, str],
        trusted_gateways: Collection[str] | None = None,
        *,
        trusted_proxies: Collection[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.domains = {host.lower(): mount(path) for host, path in domains.items()}
        self._trusted = Networks(trusted_gateways or trusted_proxies, "trusted_gateways")
        self.trusted_gateways = frozenset(trusted_gateways or trusted_proxies)

    def wants_stream(self, request: Request) -> None:
        """Prefix the path before others are asked whether they want the body as it arrives."""
        self._on_request(request)

    @handler("request", priority=1.0)
    def _on_request(
        self, request: Request, response: Response | None = None, peer_cert: Any = None
    ) -> None:
        if request.virtual_prefix is not None or request.path[:1] != "/":  # "*" is the server
            return
        prefix = self.domains.get(self._host(request))
        if prefix is not None:
            # Whatever else made this path: no dot in it may lead out of the prefix.
            request.virtual_prefix = prefix
            request.path = prefix + "/".join(normalise(request.path.split("/")))

    def _host(self, request: Request) -> str:
        if self.trusted_gateways and self._trusted.has(request.remote.ip):
            forwarded: str | None = request.headers["X-Forwarded-Host"]
            if forwarded:
                return forwarded.partition(",")[0].strip().lower()
        # Not the header: an absolute target goes before it (RFC 9112, 3.2.2).
        return request.base.partition("://")[2].lower()
