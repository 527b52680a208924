"""Passwords as they should be kept: salted scrypt hashes, in the PHC string format.

::

    stored = hash_password("correct horse")  # "$scrypt$ln=14,r=8,p=5$...$..."
    verify_password("correct horse", stored)  # True

Both take a tenth of a second or so, on purpose. In a server have a
:class:`~circuits.core.workers.Worker` do that, so that the loop goes on meanwhile.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from typing import Final

from circuits.core import _clock

__all__ = ["hash_password", "is_password_hash", "needs_rehash", "verify_password"]

#: What OWASP recommends at least, with 16 MiB of memory: N = 2**14, r = 8, p = 5.
_LOG_N: Final = 14
_R: Final = 8
_P: Final = 5

_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32

#: Nobody types more; what is longer is not worth the work.
_PASSWORD_BYTES: Final = 4096

#: What one check may take at most, in bytes of memory: a stored hash can ask for anything.
_MEMORY_BYTES: Final = 256 * 1024 * 1024

_parse = re.compile(
    r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,2}),p=([0-9]{1,2})"
    r"\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})",
    re.ASCII,
).fullmatch


def hash_password(password: str, *, log_n: int = _LOG_N, r: int = _R, p: int = _P) -> str:
    """Make what is stored in place of a password: another text each time.

    Args:
        password: The password.
        log_n: The cost: each more doubles time and memory.
        r: Size of a block; the memory is ``128 * r * 2**log_n`` bytes.
        p: How often; more takes more time in the same memory.

    Raises:
        ValueError: The password has more than 4096 bytes, or the cost is out of range.

    .. versionadded:: 2.1
    """
    data = _encode(password)
    if data is None:
        raise ValueError(f"a password has {_PASSWORD_BYTES} bytes at most, and no lone surrogates")
    if not (1 <= log_n <= 20 and 1 <= r <= 32 and 1 <= p <= 32 and _fits(log_n, r)):
        raise ValueError(f"the cost ln={log_n}, r={r}, p={p} is out of range")
    salt = _clock.random_bytes(_SALT_BYTES)
    made = _scrypt(data, salt, log_n, r, p, _HASH_BYTES)
    return f"$scrypt$ln={log_n},r={r},p={p}${_b64(salt)}${_b64(made)}"


def verify_password(password: str, stored: str | None) -> bool:
    """Whether a password is the one that a hash was made of.

    Takes as long for a user who does not exist: give ``None`` for the hash then.

    Args:
        password: What somebody has typed.
        stored: What :func:`hash_password` has made; anything else fits no password.

    .. versionadded:: 2.1
    """
    data = _encode(password)
    taken = _taken_apart(stored)
    if taken is None or data is None:
        _scrypt(b"", bytes(_SALT_BYTES), _LOG_N, _R, _P, _HASH_BYTES)
        return False
    log_n, r, p, salt, expected = taken
    return hmac.compare_digest(_scrypt(data, salt, log_n, r, p, len(expected)), expected)


def is_password_hash(stored: object) -> bool:
    """Whether a text has the form of what :func:`hash_password` makes.

    .. versionadded:: 2.1
    """
    return isinstance(stored, str) and _taken_apart(stored) is not None


def needs_rehash(stored: str) -> bool:
    """Whether a hash costs less than new ones do; make a new one when the password is at hand.

    .. versionadded:: 2.1
    """
    taken = _taken_apart(stored)
    return taken is None or (taken[0], taken[1], taken[2]) < (_LOG_N, _R, _P)


def _taken_apart(stored: str | None) -> tuple[int, int, int, bytes, bytes] | None:
    match = None if stored is None else _parse(stored)
    if match is None:
        return None
    log_n, r, p = (int(number) for number in match.group(1, 2, 3))
    if not (log_n and r and p) or not _fits(log_n, r):
        return None
    try:
        salt, made = (b64decode(text + "=" * (-len(text) % 4)) for text in match.group(4, 5))
    except ValueError:
        return None
    return log_n, r, p, salt, made


def _fits(log_n: int, r: int) -> bool:
    return (128 * r << log_n) <= _MEMORY_BYTES


def _scrypt(data: bytes, salt: bytes, log_n: int, r: int, p: int, length: int) -> bytes:
    n = 1 << log_n
    memory = 128 * r * (n + p + 2) + 1024 * 1024
    return hashlib.scrypt(data, salt=salt, n=n, r=r, p=p, maxmem=memory, dklen=length)


def _encode(password: str) -> bytes | None:
    try:
        data = password.encode()
    except UnicodeEncodeError:
        return None
    return data if len(data) <= _PASSWORD_BYTES else None


def _b64(data: bytes) -> str:
    return b64encode(data).rstrip(b"=").decode()
