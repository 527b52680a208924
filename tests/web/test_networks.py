"""Who is among the addresses and networks that were named."""

from __future__ import annotations

import pytest

from circuits.web._networks import Networks, unmapped


@pytest.mark.parametrize(
    ("names", "address", "is_one"),
    [
        (["10.0.0.1"], "10.0.0.1", True),
        (["10.0.0.1"], "10.0.0.2", False),
        (["10.0.0.0/8", "::1"], "::1", True),
        (["10.0.0.0/8"], "::ffff:10.1.2.3", True),
        (["::ffff:10.0.0.1"], "10.0.0.1", True),
        (["::ffff:10.0.0.0/104"], "::ffff:10.1.2.3", True),
        (["::/0"], "10.0.0.1", False),
        (["fe80::/10"], "fe80::1%eth0", True),
        (["10.0.0.1"], "nonsense", False),
        (["10.0.0.1"], None, False),
        (["unix"], None, True),
        (["unix"], "", True),
        (["unix"], "10.0.0.1", False),
        ([], None, False),
    ],
)
def test_who_is_one_of_them(names: list[str], address: str | None, is_one: bool) -> None:
    assert Networks(names, "friends").has(address) == is_one


def test_names_are_addresses_and_several() -> None:
    with pytest.raises(ValueError, match="does not appear"):
        Networks(["proxy.example"], "friends")
    with pytest.raises(TypeError, match=r"friends must be a collection of addresses, not 'unix'"):
        Networks("unix", "friends")


def test_what_is_no_address_is_none() -> None:
    assert unmapped("proxy.example") is None
    assert str(unmapped("::ffff:192.0.2.1")) == "192.0.2.1"
