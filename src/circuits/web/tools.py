"""Tools for request handlers and response filters (manual: circuits.web.tools)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from . import _auth, _coding, utils
from ._file_response import serve_download, serve_file
from ._header_elements import HeaderElement
from ._validators import validate_etags, validate_since
from .errors import HTTPError, Unauthorized
from .headers import add_vary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._auth import Encrypt, Users
    from .wrappers import Request, Response

__all__ = [
    "basic_auth",
    "check_auth",
    "digest_auth",
    "expires",
    "gzip",
    "serve_download",
    "serve_file",
    "validate_etags",
    "validate_since",
]

_YEAR_SECONDS = 365 * 24 * 60 * 60


def expires(
    request: Request, response: Response, secs: float | timedelta = 0, force: bool = False
) -> None:
    """Say how long the response may be kept.

    Args:
        request: The request.
        response: Its response.
        secs: Seconds, or a timedelta, from ``response.time`` on. 0 keeps it from being stored
            at all.
        force: Whether to do so even if ``ETag``, ``Last-Modified``, ``Age`` or ``Expires`` is set.
    """
    headers = response.headers
    if not force and any(n in headers for n in ("ETag", "Last-Modified", "Age", "Expires")):
        return
    seconds = secs.total_seconds() if isinstance(secs, timedelta) else secs
    if seconds == 0:
        if force or "Pragma" not in headers:
            headers["Pragma"] = "no-cache"
        if request.protocol >= (1, 1) and (force or "Cache-Control" not in headers):
            headers["Cache-Control"] = "no-cache, must-revalidate"
        seconds = -_YEAR_SECONDS
    headers["Expires"] = utils.formatdate(response.time + seconds)


# -- authentication ------------------------------------------------------------------------------

#: Nonces of the Digest scheme are good in all of this process.
_nonces = _auth.Nonces()


def check_auth(
    request: Request,
    response: Response,
    realm: str,
    users: Users,
    encrypt: Encrypt | None = None,
) -> bool:
    """Check the credentials of a request.

    ``request.login`` becomes the name of the user, or ``False``.

    Args:
        request: The request.
        response: Its response, which is not used.
        realm: The realm that credentials of the Digest scheme must name.
        users: A mapping from names to passwords, or a callable that gives one, or a callable that
            takes a name and gives the password. For the Digest scheme the passwords are plain.
        encrypt: For the Basic scheme: makes what ``users`` has of a password, or of password and
            name. ``None`` is MD5, for compatibility; better give a function around
            ``hashlib.scrypt`` or another slow and salted one. ``str`` is for plain passwords;
            with anything else nobody is let in by the Digest scheme.

    Returns:
        Whether the credentials are there and right. What is malformed is not.
    """
    return _check(("basic", "digest"), request, realm, users, encrypt)


def _check(
    schemes: tuple[str, ...],
    request: Request,
    realm: str,
    users: Users,
    encrypt: Encrypt | None = None,
) -> bool:
    request.login = False
    given = request.headers.get_all("Authorization")
    if len(given) != 1 or len(given[0]) > _auth.HEADER_LIMIT_BYTES:
        return False
    scheme, _, credentials = given[0].partition(" ")
    scheme = scheme.lower()
    name = None
    if scheme not in schemes:
        return False
    if scheme == "basic":
        name = _auth.check_basic(credentials, users, encrypt)
    else:
        query = f"?{request.qs}" if request.qs else ""
        target = request.script_name + request.raw_path + query
        if encrypt not in (None, str):
            users = {}  # what they have are hashes, and whoever has read one would be let in by it
        name = _auth.check_digest(credentials, request.method, target, realm, users, _nonces)
    if name is None:
        return False
    request.login = name
    return True


def basic_auth(
    request: Request,
    response: Response,
    realm: str,
    users: Users,
    encrypt: Encrypt | None = None,
) -> HTTPError | None:
    """Ask for credentials of the Basic scheme; see :func:`check_auth`.

    Returns:
        ``None`` if the request is authorised, else an error to return.

    Raises:
        ValueError: If the realm holds a quotation mark.
    """
    challenge = _auth.basic_challenge(realm)
    # Not Digest as well: for that, the stored hash of a password would be as good as the password.
    if _check(("basic",), request, realm, users, encrypt):
        return None
    response.headers["WWW-Authenticate"] = challenge
    return Unauthorized(request, response)


def digest_auth(
    request: Request,
    response: Response,
    realm: str,
    users: Users,
    *,
    algorithms: Iterable[str] = ("MD5",),
) -> HTTPError | None:
    """Ask for credentials of the Digest scheme; see :func:`check_auth`.

    Args:
        request: The request.
        response: Its response.
        realm: The realm.
        users: As for :func:`check_auth`, with plain passwords.
        algorithms: What to offer, the preferred one first. Some clients, Python's own among
            them, read the first challenge only and know nothing but MD5.

    Returns:
        ``None`` if the request is authorised, else an error to return.

    Raises:
        ValueError: If the realm holds a quotation mark, or an algorithm is not known.
    """
    challenges = _auth.digest_challenges(realm, _nonces.make(), algorithms)
    if _check(("digest",), request, realm, users):
        return None
    scheme, _, credentials = (request.headers.get("Authorization") or "").partition(" ")
    if scheme.lower() == "digest" and _auth.is_stale(credentials, _nonces):
        challenges = [challenge + ", stale=true" for challenge in challenges]
    del response.headers["WWW-Authenticate"]
    for challenge in challenges:
        response.headers.append("WWW-Authenticate", challenge)
    return Unauthorized(request, response)


# -- compression -------------------------------------------------------------------------------------


def gzip(
    response: Response, level: int = 4, mime_types: list[str] | tuple[str, ...] | None = None
) -> Any:
    """Compress the body if the client wants that.

    To be called by a handler of the ``response`` event: ``event[0] = gzip(event[0])``. Nothing
    happens to an empty body, for a client that does not ask for gzip or likes ``identity`` as
    much, and to other types than those listed.

    Args:
        response: The response.
        level: From 1, fast, to 9, small.
        mime_types: Types to compress; by default HTML and plain text.

    Returns:
        The response, or an error (406) if the client refuses both the compressed and the
        uncompressed form.
    """
    types = ("text/html", "text/plain") if mime_types is None else mime_types
    request = response.request
    headers = response.headers
    body = response.body
    if (isinstance(body, list) and not any(body)) or "Content-Encoding" in headers:
        return response
    if getattr(request, "cached", False) or response.code in (204, 205, 206, 304):
        return response  # a part of something cannot be compressed by itself
    kind = HeaderElement.parse(headers.get("Content-Type", "text/html"))[0].lower()
    if kind in types:
        add_vary(headers, "Accept-Encoding")  # also for who gets it uncompressed
    elements = request.headers.elements("Accept-Encoding")
    if not elements:
        return response
    qvalues: dict[str, float] = {}
    for element in elements:
        name, qvalue = element.value.lower(), getattr(element, "qvalue", 1.0)
        if name == "identity" and qvalue > 0:
            return response
        if name in ("gzip", "x-gzip") and qvalue > 0:
            if kind in types:
                _compress(response, level)
            return response
        qvalues[name] = qvalue
    refused = qvalues.get("identity", qvalues.get("*", 1.0)) == 0
    if refused and qvalues.get("gzip", qvalues.get("*", 1.0)) == 0:
        return HTTPError(request, response, 406)
    return response


def _compress(response: Response, level: int) -> None:
    parts = response.body
    if hasattr(parts, "__aiter__") or hasattr(parts, "attach"):
        _coding.code_body(response, _coding.available()["gzip"](level), "gzip")
        return
    _coding.mark_coded(response.headers, "gzip")
    if isinstance(parts, list):
        parts = [response.encode_part(part) for part in parts if part is not None]
    response.body = utils.compress(parts, level)
    del response.headers["Content-Length"]
