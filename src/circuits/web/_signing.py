"""Signing what clients keep for us, so that they cannot change it."""

from __future__ import annotations

import hmac
import logging
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["decode", "encode", "sign", "signing_keys"]

_log = logging.getLogger("circuits.web.sessions")

_SECRET_BYTES: Final = 16


def signing_keys(secrets: str | bytes | Iterable[str | bytes], purpose: bytes) -> list[bytes]:
    """Derive a key from each secret, so that one secret can serve several purposes.

    Raises:
        ValueError: There is no secret, or one is empty.
    """
    given = [secrets] if isinstance(secrets, str | bytes) else list(secrets)
    if not given or not all(given):
        raise ValueError("a secret is needed that nobody can guess: 32 random bytes")
    keys = [secret.encode() if isinstance(secret, str) else bytes(secret) for secret in given]
    if any(len(key) < _SECRET_BYTES for key in keys):
        _log.warning(
            "a secret has less than %d bytes, so that it can be guessed; make one with "
            "python -c 'import secrets; print(secrets.token_hex(32))'",
            _SECRET_BYTES,
        )
    return [hmac.digest(key, purpose, "sha256") for key in keys]


def encode(data: bytes) -> str:
    """Base64 for URLs, without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The reverse of :func:`encode`. Raises ``ValueError`` for what that cannot have made."""
    data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if encode(data) != text:
        raise ValueError("not the base64 of anything")
    return data


def sign(key: bytes, text: str) -> str:
    """The signature of a text."""
    return encode(hmac.digest(key, text.encode(), "sha256"))
