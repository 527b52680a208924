"""The figures that standards give as examples: digests (RFC 7616, 2617, 2069) and ranges (RFC 9110)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from circuits.web import _conditional
from circuits.web._auth import Nonces, check_digest
from circuits.web._client_auth import DigestAuth
from tests.web.session_support import sources

_TARGET = "/dir/index.html"

_NEW = {
    "realm": "http-auth@example.org",
    "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    "password": "Circle of Life",
    "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
}
_OLD = {
    "realm": "testrealm@host.com",
    "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093",
    "cnonce": "0a4f113b",
    "password": "Circle Of Life",
    "opaque": "5ccc069c403ebaf9f0171e9517f40e41",
}

_DIGESTS = [
    (_NEW, "MD5", True, "8ca523f5e9506fed4657c9700eebdbec"),
    (_NEW, "SHA-256", True, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    (_OLD, "MD5", True, "6629fae49393a05397450978507c4ef1"),
    ({**_OLD, "password": "CircleOfLife"}, "MD5", False, "1949323746fe6a43ef61f9606e7febea"),
]


class Given(Nonces):
    """Nonces that somebody else has made."""

    def is_fresh(self, nonce: str) -> bool:
        return True

    def use(self, nonce: str, count: int) -> bool:
        return True


@pytest.mark.parametrize(("facts", "algorithm", "has_qop", "response"), _DIGESTS)
def test_a_server_takes_the_digests_of_the_standards(
    facts: dict[str, str], algorithm: str, has_qop: bool, response: str
) -> None:
    fields = {"username": "Mufasa", "uri": _TARGET, "response": response, **facts}
    del fields["password"]
    text = ", ".join(f'{name}="{value}"' for name, value in fields.items())
    text += f", algorithm={algorithm}" + (", qop=auth, nc=00000001" if has_qop else "")
    users = {"Mufasa": facts["password"]}

    def check(credentials: str) -> str | None:
        return check_digest(credentials, "GET", _TARGET, facts["realm"], users, Given())

    assert check(text) == "Mufasa"
    assert check(text.replace(response, "0" + response[1:])) is None
    assert check(text.replace("Mufasa", "Scar")) is None


@pytest.mark.parametrize(("facts", "algorithm", "has_qop", "response"), _DIGESTS)
def test_a_client_makes_the_digests_of_the_standards(
    facts: dict[str, str], algorithm: str, has_qop: bool, response: str
) -> None:
    auth: Any = DigestAuth("Mufasa", facts["password"])
    challenge = {"realm": facts["realm"], "nonce": facts["nonce"], "algorithm": algorithm}
    if has_qop:
        challenge["qop"] = "auth"
    origin = ("example.org", 80, False)
    auth._challenges[origin] = challenge, 0
    cnonce = SimpleNamespace(hex=lambda: facts["cnonce"])
    with sources(random_bytes=lambda count: cnonce):
        header = auth.header(SimpleNamespace(origin=origin, method="GET", target=_TARGET))
    assert f'response="{response}"' in header


@pytest.mark.parametrize(
    ("header", "ranges"),
    [
        ("bytes=0-499", [(0, 500)]),
        ("bytes=500-999", [(500, 1000)]),
        ("bytes=-500", [(9500, 10_000)]),
        ("bytes=9500-", [(9500, 10_000)]),
        ("bytes=0-0,-1", [(0, 1), (9999, 10_000)]),
        ("bytes= 0-999, 4500-5499, -1000", [(0, 1000), (4500, 5500), (9000, 10_000)]),
        ("bytes=500-600,601-999", [(500, 601), (601, 1000)]),
        ("bytes=500-700,601-999", [(500, 701), (601, 1000)]),
    ],
)
def test_ranges_of_the_standard(header: str, ranges: list[tuple[int, int]]) -> None:
    assert _conditional.parse_ranges(header, 10_000) == ranges
