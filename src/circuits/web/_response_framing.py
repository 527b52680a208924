"""How a response tells where it ends: by its length, by chunks, or with the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._response import Response
    from .headers import Headers

__all__ = ["delimit", "heed_connection", "state_length"]

#: What a Connection field may say that is for us to say; others, such as ``Upgrade``, are kept.
_OPTIONS_OF_OURS = frozenset({"", "close", "keep-alive"})


def delimit(response: Response, headers: Headers, length: int | None) -> None:
    """Decide how the end of the body is told, where its length is not all there is to it."""
    request = response.request
    may_chunk = response.protocol != "HTTP/1.0" and request.server is not None
    wish = headers["Transfer-Encoding"]
    if may_chunk and (response.chunked or (wish or "").strip().lower() == "chunked"):
        response.chunked = True
    else:
        response.chunked = False
        if length is not None:
            state_length(headers, length)
        elif "Content-Length" not in headers and request.method != "HEAD":
            response.chunked = may_chunk
            response.close = response.close or not may_chunk
    if not response.chunked:
        del headers["Transfer-Encoding"]
    else:
        del headers["Content-Length"]
        if wish != "chunked":
            headers["Transfer-Encoding"] = "chunked"


def state_length(headers: Headers, length: int) -> None:
    """Have ``Content-Length`` say this."""
    text = str(length)
    # A field that is right stays in its place, so that preparing twice changes nothing.
    if dict.get(headers, "content-length") != text:
        headers._put("Content-Length", "content-length", text)


def heed_connection(response: Response, headers: Headers) -> None:
    """Have what the application says of the connection, and what becomes of it, agree.

    It may ask for the end. That it goes on is not for it to say.
    """
    if response.code == 101:
        return  # what is said is that it becomes something else
    options = [option.strip() for option in headers["Connection"].split(",")]
    said = {option.lower() for option in options}
    if said.isdisjoint(_OPTIONS_OF_OURS):
        # It is left as it is, which means the end to a client of HTTP/1.0.
        response.close = response.close or response.protocol == "HTTP/1.0"
        return
    response.close = response.close or "close" in said
    others = [option for option in options if option.lower() not in _OPTIONS_OF_OURS]
    if response.close:
        others.append("close")
    elif response.protocol == "HTTP/1.0":
        others.append("Keep-Alive")
    if others:
        headers["Connection"] = ", ".join(others)
    else:
        del headers["Connection"]
