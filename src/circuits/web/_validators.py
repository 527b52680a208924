"""Whether a client has already what it asks for; see ``circuits.web.tools``."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from . import _conditional as rules
from .errors import HTTPError, Redirect

if TYPE_CHECKING:
    from .wrappers import Request, Response

__all__ = ["validate_etags", "validate_file", "validate_since"]


def _refuse_cached(request: Request, response: Response) -> HTTPError:
    """What a condition that says "you have it already" leads to."""
    if request.method in ("GET", "HEAD"):
        return Redirect(request, response, [], 304)
    return HTTPError(request, response, 412)


def validate_file(request: Request, response: Response, modified: int) -> HTTPError | None:
    """Compare a file with what the client has of it.

    Dates are compared exactly: an older copy that was put in its place is a change, too.
    """
    headers = request.headers
    tag = response.headers["ETag"]
    current = rules.parse_etag(tag) if tag else None
    if "If-Match" in headers:
        if not rules.if_match(",".join(headers.get_all("If-Match")), current):
            return HTTPError(request, response, 412)
    elif "If-Unmodified-Since" in headers:
        since = rules.parse_http_date(headers["If-Unmodified-Since"])
        if since is not None and since != modified:
            return HTTPError(request, response, 412)
    if "If-None-Match" in headers:
        if not rules.if_none_match(",".join(headers.get_all("If-None-Match")), current):
            return _refuse_cached(request, response)
    elif "If-Modified-Since" in headers:
        since = rules.parse_http_date(headers["If-Modified-Since"])
        if since is not None and since == modified:
            return _refuse_cached(request, response)
    return None


def validate_since(request: Request, response: Response) -> HTTPError | None:
    """Compare the response's ``Last-Modified`` with what the client has.

    Does nothing without that header. A client that also names entity tags has them compared by
    :func:`validate_etags` instead.

    Args:
        request: The request.
        response: Its response.

    Returns:
        An event to return, 304 or 412, or ``None`` to go on.
    """
    headers = request.headers
    unmodified = headers["If-Unmodified-Since"] if "If-Match" not in headers else None
    modified = headers["If-Modified-Since"] if "If-None-Match" not in headers else None
    if (unmodified is None and modified is None) or not 200 <= response.code <= 299:
        return None
    stated = response.headers["Last-Modified"]
    changed = None if stated is None else rules.parse_http_date(stated)
    if changed is None:
        return None
    if unmodified is not None and not rules.if_unmodified_since(unmodified, changed):
        return HTTPError(request, response, 412)
    if modified is not None and not rules.if_modified_since(modified, changed):
        return _refuse_cached(request, response)
    return None


def validate_etags(
    request: Request, response: Response, autotags: bool = False
) -> HTTPError | None:
    """Compare the response's ``ETag`` with those the client names.

    Runs once per response; further calls do nothing.

    Args:
        request: The request.
        response: Its response.
        autotags: Whether to make a tag of the body if there is none. Of no use for a body that is
            streamed, and wrong for resources that are changed through the same URL.

    Returns:
        An event to return, 304 or 412, or ``None`` to go on.
    """
    if response._etags_validated:
        return None
    response._etags_validated = True
    if not 200 <= response.code <= 299:
        return None
    stated = response.headers["ETag"]
    if stated is None and autotags and response.code == 200 and not response.stream:
        body = response.body
        if not isinstance(body, list):
            body = response.body = list(body)
        digest = sha256()
        for part in body:
            if part is not None:
                digest.update(response.encode_part(part))
        stated = response.headers["ETag"] = f'"{digest.hexdigest()[:32]}"'
    current = rules.parse_etag(stated) if stated else None
    wanted = request.headers.get_all("If-Match")
    if wanted and not rules.if_match(",".join(wanted), current):
        return HTTPError(request, response, 412)
    known = request.headers.get_all("If-None-Match")
    if known and not rules.if_none_match(",".join(known), current):
        return _refuse_cached(request, response)
    return None
