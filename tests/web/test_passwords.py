"""Passwords as hashes: made, checked, and what fits nothing."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any

import pytest

from circuits.web import passwords
from circuits.web.passwords import (
    hash_password,
    is_password_hash,
    needs_rehash,
    verify_password,
)
from tests.web.session_support import sources

CHEAP = {"log_n": 4, "r": 1, "p": 1}


def cheap(password: str) -> str:
    return hash_password(password, **CHEAP)


def test_a_password_fits_its_hash_and_no_other() -> None:
    stored = hash_password("pässwörd")
    assert stored.startswith("$scrypt$ln=14,r=8,p=5$")
    assert verify_password("pässwörd", stored)
    assert not needs_rehash(stored)
    assert not verify_password("password", cheap("pässwörd"))


def test_each_hash_has_a_salt_of_its_own() -> None:
    assert cheap("a") != cheap("a")
    with sources(random_bytes=lambda count: b"s" * count):
        stored = cheap("a")
    made = hashlib.scrypt(b"a", salt=b"s" * 16, n=16, r=1, p=1, dklen=32)
    assert stored.split("$")[3:] == [
        b64encode(data).decode().rstrip("=") for data in (b"s" * 16, made)
    ]


def test_what_others_have_made_is_understood() -> None:
    # RFC 7914, section 12, the third vector, in the string format of PHC.
    made = bytes.fromhex(
        "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
        "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
    )
    salt, text = (b64encode(data).decode().rstrip("=") for data in (b"SodiumChloride", made))
    stored = f"$scrypt$ln=14,r=8,p=1${salt}${text}"
    assert verify_password("pleaseletmein", stored)
    assert not verify_password("pleaseletmeout", stored)
    assert needs_rehash(stored)


@pytest.mark.parametrize(
    "stored",
    [
        None,
        "",
        "swordfish",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "$scrypt$",
        "$scrypt$ln=99,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=0,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=18,r=99,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=4,r=1,p=1$AAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=4,r=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$",
        "$scrypt$ln=4,r=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA\n",
        "$argon2id$v=19$m=65536,t=3,p=4$AAAA$AAAA",
    ],
)
def test_what_is_no_hash_fits_nothing(stored: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    work: list[Any] = []

    def scrypt(*arguments: Any) -> bytes:
        work.append(arguments)
        return b""

    monkeypatch.setattr(passwords, "_scrypt", scrypt)
    assert not verify_password(stored or "", stored)
    assert not is_password_hash(stored)
    assert work == [(b"", bytes(16), 14, 8, 5, 32)]  # as for any user
    assert needs_rehash(stored or "")


@pytest.mark.parametrize("password", ["x" * 4097, "é" * 2049, "\ud800"])
def test_what_nobody_types_is_no_password(password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_LOG_N", CHEAP["log_n"])
    with pytest.raises(ValueError, match="at most"):
        cheap(password)
    assert not verify_password(password, cheap("x"))
    assert verify_password("x" * 4096, cheap("x" * 4096))


@pytest.mark.parametrize(
    "cost", [{"log_n": 0}, {"log_n": 21}, {"r": 33}, {"p": 0}, {"log_n": 20, "r": 32}]
)
def test_a_cost_out_of_range_is_refused(cost: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="out of range"):
        hash_password("a", **cost)
