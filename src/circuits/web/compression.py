"""Compression: bodies become smaller on their way, for clients that want it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits.core.components import BaseComponent
from circuits.core.handlers import handler

from . import _coding
from ._header_elements import HeaderElement
from ._response_body import FileRange
from .headers import add_vary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .wrappers import Response

__all__ = ["Compression"]

#: What is worth it. Images, sounds, videos, fonts and archives are compressed already.
_TYPES = (
    "application/atom+xml",
    "application/geo+json",
    "application/javascript",
    "application/json",
    "application/ld+json",
    "application/manifest+json",
    "application/problem+json",
    "application/rss+xml",
    "application/wasm",
    "application/xhtml+xml",
    "application/xml",
    "image/bmp",
    "image/svg+xml",
    "image/x-icon",
)


class Compression(BaseComponent):
    """Compresses bodies with what the client likes best of ``zstd``, ``br`` and ``gzip``.

    ``gzip`` is always there, the others with the extra ``web``. Handles ``response`` with priority
    0.005, after everybody who changes bodies. What is streamed is compressed as it comes, and each
    piece can be read at once. Nothing happens to answers in part (206), to what has a coding already,
    to ``no-transform``, to small bodies and other types.

    A page that shows a secret, such as a form token, beside text that a stranger chooses gives the
    secret away by its length, TLS or not (BREACH). ``CSRF`` masks its tokens; for others, leave the page
    out: ``response.headers["Cache-Control"] = "no-transform"``.

    Args:
        level: From 1, fast, to 9, small.
        types: Media types to compress beside all of ``text/``; ``None`` is a list of common ones.
        minimum_bytes: Bodies that are shorter are left alone, if their length is known.
        codings: What to use, the preferred one first; ``None`` is all there is.
        **kwargs: For the component, such as ``channel``.

    Raises:
        ValueError: A coding is not there.

    .. versionadded:: 2.1
    """

    channel = "web"

    def __init__(
        self,
        level: int = 5,
        types: Iterable[str] | None = None,
        minimum_bytes: int = 500,
        codings: Iterable[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.level = level
        self.types = frozenset(_TYPES if types is None else types)
        self.minimum_bytes = minimum_bytes
        there = _coding.available()
        wanted = list(there) if codings is None else list(codings)
        for name in wanted:
            if name not in there:
                raise ValueError(
                    f"the coding {name!r} is not there; install circuits[web] for zstd and br"
                )
        self._makers = {name: there[name] for name in wanted}

    @handler("response", priority=0.005, filter=True)
    def _on_response(self, response: Any) -> None:
        if getattr(response, "name", None) == "httperror" or not self._is_fit(response):
            return
        add_vary(response.headers, "Accept-Encoding")
        elements = response.request.headers.elements("Accept-Encoding")
        accepted = [(e.value, getattr(e, "qvalue", 1.0)) for e in elements]
        name = _coding.choose(accepted, tuple(self._makers))
        if name is None:
            return
        _coding.code_body(response, self._makers[name](self.level), name)

    def _is_fit(self, response: Response) -> bool:
        code = response.code
        if not response.stream:
            response._render()  # nobody but who sends it comes after us
        headers = response.headers
        if code < 200 or code in (204, 205, 206, 304) or "Content-Encoding" in headers:
            return False
        kind = HeaderElement.parse(headers.get("Content-Type", "text/html"))[0].lower()
        if not kind.startswith("text/") and kind not in self.types:
            return False
        if "no-transform" in (headers["Cache-Control"] or "").lower():
            return False
        body = response.body
        if response.stream and not body:
            return False  # the application pushes the pieces, and they are its own
        if isinstance(body, FileRange):
            return body.remaining >= self.minimum_bytes
        if isinstance(body, list):
            return sum(len(response.encode_part(p)) for p in body if p) >= self.minimum_bytes
        return True
