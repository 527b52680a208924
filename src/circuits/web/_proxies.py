"""Who a request is from, behind proxies that say so (RFC 7239)."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from ._header_elements import split_quoted, unquote_string
from ._networks import Networks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._request import Request

__all__ = ["TrustedProxies", "is_request_id"]

is_request_id = re.compile(r"[A-Za-z0-9._~:/+=@-]{1,128}", re.ASCII).fullmatch

_AUTHORITY = re.compile(r"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
#: Hops that are looked at; each costs as much as a header of a client may be long.
_HOPS_LIMIT = 32


class TrustedProxies:
    """Proxies whose word is taken for where a request came from.

    Args:
        trusted: As for :class:`~circuits.web._networks.Networks`.
    """

    def __init__(self, trusted: Iterable[str]) -> None:
        self._trusted = Networks(trusted, "trusted_proxies")

    def apply(self, request: Request) -> None:
        """Have a request tell of the client what its proxies say."""
        if not self._trusted.has(request.remote.ip):
            return
        headers = request.headers
        given = headers["X-Request-ID"]
        if given is not None and is_request_id(given):
            request.id = given
        forwarded = headers.get_all("Forwarded")
        hops: list[dict[str, str]]
        if forwarded:
            hops = [_parameters(part) for part in _split(forwarded)]
        else:
            hops = [{"for": part} for part in _split(headers.get_all("X-Forwarded-For"))]
        depth = self._find_client(request, hops)
        if forwarded:
            said = hops[-1 - depth] if hops else {}
        else:
            said = {
                key: values[max(0, len(values) - 1 - depth)]
                for key in ("proto", "host", "port")
                if (values := _split(headers.get_all(f"X-Forwarded-{key}")))
            }
        scheme, host = said.get("proto", "").lower(), said.get("host", "")
        if scheme in ("http", "https"):
            request.scheme = scheme
        if not _AUTHORITY.fullmatch(host):
            host = headers["Host"] or ""
        port = said.get("port", "")
        if host and port.isascii() and port.isdigit() and not re.search(r":[0-9]+\Z", host):
            if int(port) != (443 if request.scheme == "https" else 80):
                host = f"{host}:{int(port)}"
        if host:
            request.base = f"{request.scheme}://{host}"

    def _find_client(self, request: Request, hops: list[dict[str, str]]) -> int:
        """Find the right-most hop that is not trusted, and count how far it is from the right."""
        for depth, hop in enumerate(reversed(hops)):
            address, port = _node(hop.get("for", ""))
            if address is None:  # anybody may have written what stands before it
                return depth
            request.client = (address, port)
            if not self._trusted.has(address):
                return depth
        return max(0, len(hops) - 1)


def _split(values: list[str]) -> list[str]:
    parts = [part.strip() for part in split_quoted(",".join(values), ",")]
    return [part for part in parts if part][-_HOPS_LIMIT:]


def _parameters(element: str) -> dict[str, str]:
    found = {}
    for pair in split_quoted(element, ";"):
        key, _, value = pair.partition("=")
        found[key.strip().lower()] = unquote_string(value.strip())
    return found


def _node(text: str) -> tuple[str | None, int]:
    """Address and port of a node; ``None`` if it hides, or is none."""
    text = text.strip().strip('"')
    port = ""
    if text.startswith("["):
        text, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
    try:
        address = str(ipaddress.ip_address(text))
    except ValueError:
        return None, 0
    return address, int(port) if port.isascii() and port.isdigit() and len(port) < 6 else 0
