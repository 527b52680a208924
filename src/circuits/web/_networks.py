"""Addresses of peers, and whether they are among those that were named."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Networks", "unmapped"]


def unmapped(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address, of IPv4 also where a socket of IPv6 has it; ``None`` if it is none."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


class Networks:
    """Peers that were named.

    Args:
        names: Addresses and networks; ``"unix"`` is whoever comes over a UNIX socket.
        what: What to call them in errors.

    Raises:
        TypeError, ValueError: Something is no address.
    """

    def __init__(self, names: Iterable[str], what: str) -> None:
        if isinstance(names, str):
            raise TypeError(f"{what} must be a collection of addresses, not {names!r}")
        given = list(names)
        self._has_unix = "unix" in given
        self._networks = [_network(name) for name in given if name != "unix"]

    def has(self, address: str | None) -> bool:
        """Whether a peer is one of them; a UNIX socket has no address."""
        if not address:
            return self._has_unix
        found = unmapped(address)
        return found is not None and any(found in network for network in self._networks)


def _network(name: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    network = ipaddress.ip_network(name)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < 96:
        return network
    return ipaddress.IPv4Network((mapped, network.prefixlen - 96))
