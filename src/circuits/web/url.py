"""URLs taken apart, to be compared, cleaned and followed: as in the 3.x line, but of text.

.. versionadded:: 2.1
   From the 3.x line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlencode, urljoin, urlparse

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

__all__ = ["URL", "parse_url"]

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}

#: What has a meaning in a path, a query or a fragment and stays as it is (RFC 3986, 3.3 and 3.4),
#: with what is quoted already.
_SAFE_IN_PATH = "/!$&'()*+,;=:@%"
_SAFE_IN_QUERY = _SAFE_IN_PATH + "?"

#: A percent sign that quotes nothing.
_STRAY_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True)
class URL:
    """A URL. What changes one makes a new one, so calls can be chained.

    Attributes:
        scheme: In lower case; empty where the URL is relative.
        host: In lower case, an IPv6 address without brackets; empty where there is none. Who the
            URL names as a user is not kept.
        port: ``None`` for the usual one of the scheme.
        path, params, query, fragment: Without ``;``, ``?`` and ``#``, quoted as they were given.
    """

    scheme: str
    host: str
    port: int | None
    path: str
    params: str = ""
    query: str = ""
    fragment: str = ""

    @classmethod
    def parse(cls, url: str | bytes, encoding: str = "utf-8") -> Self:
        """Take a URL apart.

        Args:
            url: The URL, as text or as bytes.
            encoding: Of bytes.

        Raises:
            ValueError: The port is no number below 65536, or brackets of an address do not match.
            UnicodeDecodeError: The bytes are of another encoding.
        """
        parts = urlparse(url.decode(encoding) if isinstance(url, bytes) else url)
        port = parts.port
        if port == _DEFAULT_PORTS.get(parts.scheme):
            port = None
        host = parts.hostname or ""
        return cls(parts.scheme, host, port, parts.path, parts.params, parts.query, parts.fragment)

    # -- as text --

    def unicode(self) -> str:
        """The URL as text, as ``str`` gives it."""
        return str(self)

    def encode(self, encoding: str) -> bytes:
        """The URL as bytes."""
        return str(self).encode(encoding)

    def utf8(self) -> bytes:
        """The URL as bytes in UTF-8."""
        return self.encode("utf-8")

    def __str__(self) -> str:
        place = f"[{self.host}]" if ":" in self.host else self.host
        if self.port is not None:
            place += f":{self.port}"
        text = f"{self.scheme}:" if self.scheme else ""
        text += f"//{place}" if place else ""
        text += self.path if not place or self.path.startswith(("/", "*")) else f"/{self.path}"
        text += f";{self.params}" if self.params else ""
        text += f"?{self.query}" if self.query else ""
        return text + (f"#{self.fragment}" if self.fragment else "")

    # -- comparing --

    def absolute(self) -> bool:
        """Whether it names a host."""
        return bool(self.host)

    def equiv(self, other: URL | str | bytes) -> bool:
        """Whether two URLs lead to the same: cleaned, with sorted queries, without fragments."""
        one = other if isinstance(other, URL) else URL.parse(other)
        return self._cleaned() == one._cleaned()

    def _cleaned(self) -> URL:
        return self.punycode().sanitize().canonical().defrag()

    # -- changing --

    def canonical(self) -> Self:
        """Sort the arguments of the query."""
        return replace(self, query="&".join(sorted(filter(None, self.query.split("&")))))

    def defrag(self) -> Self:
        """Leave the fragment away."""
        return replace(self, fragment="")

    def deparam(self, params: Iterable[str] | None = None) -> Self:
        """Leave arguments of the query away.

        Args:
            params: Their names, in any case; without names, nothing goes.
        """
        names = {name.lower() for name in params or ()}
        kept = [
            (name, value)
            for name, value in parse_qsl(self.query, keep_blank_values=True)
            if name.lower() not in names
        ]
        return replace(self, query=urlencode(kept)) if names else self

    def lower(self) -> Self:
        """Scheme and host in lower case, which they are already when the URL was parsed."""
        return replace(self, scheme=self.scheme.lower(), host=self.host.lower())

    def abspath(self) -> Self:
        """Resolve ``.``, ``..`` and repeated slashes in the path."""
        parts: list[str] = []
        names = self.path.split("/")
        for name in names:
            if name == "..":
                del parts[-1:]
            elif name not in ("", "."):
                parts.append(name)
        path = "/" + "/".join(parts)
        if parts and names[-1] in ("", ".", ".."):
            path += "/"
        return replace(self, path=path)

    def escape(self) -> Self:
        """Quote what must not stand in a URL; what is quoted already stays."""
        return replace(
            self,
            path=_quote(self.path, _SAFE_IN_PATH),
            params=_quote(self.params, _SAFE_IN_PATH),
            query=_quote(self.query, _SAFE_IN_QUERY),
            fragment=_quote(self.fragment, _SAFE_IN_QUERY),
        )

    def unescape(self) -> Self:
        """Undo quoting in the path."""
        return replace(self, path=unquote(self.path))

    def sanitize(self) -> Self:
        """Lower, resolve and quote."""
        return self.lower().abspath().escape()

    def punycode(self) -> Self:
        """The host as it is asked for in the DNS (RFC 3490).

        Raises:
            ValueError: The host is no name of a host.
        """
        if self.host.isascii():
            return self
        return replace(self, host=self.host.encode("idna").decode("ascii"))

    def unpunycode(self) -> Self:
        """The host as people read it."""
        return replace(self, host=self.host.encode("ascii").decode("idna"))

    def relative(self, path: str | bytes, encoding: str = "utf-8") -> Self:
        """What a link on the page of this URL leads to (RFC 3986, 5).

        Args:
            path: The link, relative or not.
            encoding: Of bytes.
        """
        link = path.decode(encoding) if isinstance(path, bytes) else path
        return self.parse(urljoin(str(self), link))


def _quote(text: str, safe: str) -> str:
    return quote(_STRAY_PERCENT.sub("%25", text), safe=safe)


def parse_url(url: str | bytes, encoding: str = "utf-8") -> URL:
    """Take a URL apart; see :meth:`URL.parse`."""
    return URL.parse(url, encoding)
