"""Which proxy a request goes through, if any."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment

from ._client_auth import basic

__all__ = ["Proxies", "Proxy", "parse_proxy"]


class Proxy(NamedTuple):
    """A proxy, and what it wants to see; nothing of that is for servers."""

    host: str
    port: int
    authorization: str = ""


def parse_proxy(url: str) -> Proxy:
    """Read the URL of a proxy, with name and password or without.

    Raises:
        ValueError: It is none of ``http``. What it says is not repeated: it may be secret.
    """
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http":
        raise ValueError(f"a proxy is spoken to by http, not by {parts.scheme!r}")
    host, port = parts.hostname, None
    try:
        port = parts.port
    except ValueError:
        host = None
    if not host or any(character <= " " for character in url):
        raise ValueError("the URL of a proxy has no good host or port")
    authorization = ""
    if parts.username is not None:
        authorization = basic(unquote(parts.username), unquote(parts.password or ""))
    return Proxy(host, 80 if port is None else port, authorization)


class Proxies:
    """The proxies of a client.

    Args:
        url: Of one for everything.
        by_environment: Without one, whether ``http_proxy``, ``https_proxy``, ``all_proxy`` and
            ``no_proxy`` say, in small letters, or else in capitals. Below CGI, what was
            ``HTTP_PROXY`` is a header that any client can send, and is not looked at.
    """

    def __init__(self, url: str | None, by_environment: bool) -> None:
        self._one = None if url is None else parse_proxy(url)
        self._known = getproxies_environment() if by_environment and url is None else {}
        self._exempt = [text.strip().lower() for text in self._known.get("no", "").split(",")]

    def find(self, host: str, port: int, secure: bool) -> Proxy | None:
        """The proxy for a server.

        Raises:
            ValueError: The environment names one that cannot be used.
        """
        if self._one is not None or not self._known:
            return self._one
        url = self._known.get("https" if secure else "http") or self._known.get("all")
        if not url or any(_matches(exempt, host.lower(), port) for exempt in self._exempt):
            return None
        return parse_proxy(url)


def _matches(exempt: str, host: str, port: int) -> bool:
    """Whether an entry of ``no_proxy`` means a server: a name with all below it, or addresses."""
    if not exempt or exempt == "*":
        return bool(exempt)
    name, colon, number = exempt.rpartition(":")
    if colon and number.isdecimal() and (":" not in name or name.endswith("]")):
        if int(number) != port:
            return False
        exempt = name
    try:
        address = ip_address(host)
    except ValueError:
        name = exempt.removeprefix("*").lstrip(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
    try:
        return address in ip_network(exempt.strip("[]"), strict=False)
    except ValueError:
        return False
