"""The store of sessions in their cookies; see :mod:`circuits.web.sessions`.

The cookie is ``VERSION.PAYLOAD.SIGNATURE``: base64 of JSON with id, dates and data, and the
HMAC-SHA256 of what stands before the last dot. The key is derived from the secret, so that the
same secret may sign other things elsewhere.
"""

from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING, Any, Final

from circuits.core import _clock

from ._session import Session, Store, to_json
from ._signing import decode, encode, sign, signing_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["CookieStore"]

#: What browsers keep of a cookie at least (RFC 6265, 6.1): name, value and attributes.
COOKIE_BYTES: Final = 4096

_VERSION: Final = "1"


class CookieStore(Store):
    """Keeps each session in its cookie, signed, so that the server keeps nothing.

    Clients can read what a session holds, but not change it. The values are those of JSON, and
    all of the cookie has 4096 bytes at most: a session that needs more is an error, never cut. Of
    requests that overlap, the response that arrives last decides. A copy of a cookie is good until
    it expires: ending a session, or giving it another id, cannot revoke it.

    Args:
        secret: What signs: text or bytes that nobody can guess. Of several, the first signs, and
            the others are accepted as well, so that secrets can be replaced without a logout.

    Raises:
        ValueError: There is no secret.
    """

    def __init__(self, secret: str | bytes | Iterable[str | bytes]) -> None:
        self._keys = signing_keys(secret, b"circuits.web.sessions")

    def load(self, sid: str) -> dict[str, Any] | None:
        """What the value of a cookie holds; ``None`` if it is not ours, or has expired."""
        session = self._find(sid, None)
        return None if session is None else dict(session)

    def save(self, sid: str, data: Mapping[str, Any]) -> None:
        """Nothing is kept here."""

    def delete(self, sid: str) -> None:
        """Nothing is kept here."""

    def _dump(self, value: Any) -> object:
        return json.dumps(value, separators=(",", ":"))

    def _find(self, token: str, live: Session | None) -> Session | None:
        if len(token) > COOKIE_BYTES or not token.isascii():
            return None
        signed, _, signature = token.rpartition(".")
        signer = None
        for number, key in enumerate(self._keys):
            if hmac.compare_digest(sign(key, signed), signature):
                signer = number
        version, _, payload = signed.partition(".")
        if signer is None or version != _VERSION:
            return None
        try:
            sid, created, used, data = json.loads(decode(payload))
        except (TypeError, ValueError):
            return None
        if not data or not self._is_alive(_clock.wall(), created, used):
            return None
        if live is not None:
            return live
        session = Session(sid, (), self)
        session._refresh(data)
        session._created = created
        session._token = token if signer == 0 else None
        return session

    def _commit(self, session: Session) -> bool:
        return True

    def _cookie_value(self, session: Session, presented: str | None) -> str | None:
        if not session:
            return None
        dumps = {key: self._dump(value) for key, value in session.items()}
        if session._token is not None and self.idle is None and dumps == session._base:
            return session._token
        now = int(_clock.wall())
        if session._created is None:
            session._created = now
        dates = f"{session._created},{now}"
        payload = encode(f'["{session.sid}",{dates},{to_json(session)}]'.encode())
        signed = f"{_VERSION}.{payload}"
        session._token = f"{signed}.{sign(self._keys[0], signed)}"
        session._base = dumps
        session._is_stored = True
        return session._token
