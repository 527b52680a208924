"""Bind parameters, and what events say about peers."""

from __future__ import annotations

import re
import socket
from typing import Any

import pytest

from circuits.net import sockets
from circuits.net._address import for_events, is_numeric, named
from circuits.net.sockets import parse_ipv4_parameter, parse_ipv6_parameter


@pytest.fixture
def this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name look-ups answer without a network; they go through the names of the module."""
    monkeypatch.setattr(sockets, "gethostname", lambda: "here")
    monkeypatch.setattr(sockets, "gethostbyname", {"here": "192.0.2.7"}.__getitem__)
    monkeypatch.setattr(sockets, "getfqdn", lambda: "here.example")
    monkeypatch.setattr(
        sockets,
        "getaddrinfo",
        lambda host, port, family: [(family, 1, 6, "", (f"2001:db8::{len(host)}", port, 0, 0))],
    )


@pytest.mark.usefixtures("this_machine")
@pytest.mark.parametrize(
    ("given", "address"),
    [
        (None, None),
        (0, ("192.0.2.7", 0)),
        (65535, ("192.0.2.7", 65535)),
        ("localhost:80", ("localhost", 80)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
        (":80", ("", 80)),
        (("127.0.0.1", 80), ("127.0.0.1", 80)),
        (["127.0.0.1", 80], ("127.0.0.1", 80)),
        ("/run/a.sock", "/run/a.sock"),
    ],
)
def test_ipv4(given: Any, address: Any) -> None:
    assert parse_ipv4_parameter(given) == address


@pytest.mark.usefixtures("this_machine")
@pytest.mark.parametrize(
    ("given", "address"),
    [
        (None, None),
        (80, ("2001:db8::12", 80)),
        ("[::1]:80", ("::1", 80)),
        ("localhost:80", ("localhost", 80)),
        (("::1", 80), ("::1", 80)),
        (("fe80::1", 80, 0, 2), ("fe80::1", 80, 0, 2)),
        ("name", "name"),
    ],
)
def test_ipv6(given: Any, address: Any) -> None:
    assert parse_ipv6_parameter(given) == address


def test_ports_where_the_machine_does_not_know_its_own_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(*args: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(sockets, "gethostbyname", unknown)
    monkeypatch.setattr(sockets, "getaddrinfo", unknown)
    assert parse_ipv4_parameter(80) == ("0.0.0.0", 80)
    assert parse_ipv6_parameter(80) == ("::", 80)


@pytest.mark.parametrize("parse", [parse_ipv4_parameter, parse_ipv6_parameter])
@pytest.mark.parametrize(
    "malformed", ["a:", "a:b", "a:-1", "a:+1", "a:65536", "a:1_0", "a:\u0663", "::1:80", "[::1:80"]
)
def test_malformed_text_is_named(parse: Any, malformed: str) -> None:
    with pytest.raises(ValueError, match=r"port|bind") as caught:
        parse(malformed)
    assert repr(malformed) in str(caught.value)


@pytest.mark.parametrize("parse", [parse_ipv4_parameter, parse_ipv6_parameter])
@pytest.mark.parametrize("number", [-1, 65536])
def test_ports_have_a_range(parse: Any, number: int) -> None:
    with pytest.raises(ValueError, match="0 to 65535"):
        parse(number)


def test_an_ipv6_address_needs_the_class_for_it() -> None:
    with pytest.raises(ValueError, match="IPv6"):
        parse_ipv4_parameter("[::1]:80")


@pytest.mark.parametrize("parse", [parse_ipv4_parameter, parse_ipv6_parameter])
@pytest.mark.parametrize("wrong", [True, 1.5, (), ("a",), ("a", 1, 2), {"a": 1}, object()])
def test_anything_else_is_a_type_error(parse: Any, wrong: Any) -> None:
    with pytest.raises(TypeError, match="bind must be"):
        parse(wrong)


@pytest.mark.parametrize("parse", [parse_ipv4_parameter, parse_ipv6_parameter])
def test_a_socket_stays_a_socket(parse: Any) -> None:
    with socket.socket() as sock:
        assert parse(sock) is sock


@pytest.mark.parametrize(
    ("family", "host", "expected"),
    [
        (socket.AF_INET, "127.0.0.1", True),
        (socket.AF_INET, "localhost", False),
        (socket.AF_INET, "::1", False),
        (socket.AF_INET6, "::1", True),
        (socket.AF_INET6, "fe80::1%lo", False),
        (socket.AF_INET, "", False),
        (socket.AF_INET, "a\0b", False),
        (socket.AF_INET, None, False),
    ],
)
def test_what_needs_no_look_up(family: int, host: Any, expected: bool) -> None:
    assert is_numeric(family, host) is expected


@pytest.mark.parametrize(
    ("address", "arguments"),
    [
        (("127.0.0.1", 80), ("127.0.0.1", 80)),
        (("::1", 80, 0, 0), ("::1", 80)),
        (("fe80::1", 80, 5, 1), ("fe80::1%lo", 80)),
        (("fe80::1%lo", 80, 0, 1), ("fe80::1%lo", 80)),
        (("fe80::1", 80, 0, 2**31), (f"fe80::1%{2**31}", 80)),
        ("", ()),
        ("/run/client.sock", ()),
        (b"\0abstract", ()),
    ],
)
def test_what_events_say_about_a_peer(
    monkeypatch: pytest.MonkeyPatch, address: Any, arguments: tuple[Any, ...]
) -> None:
    def name(index: int) -> str:
        if index != 1:
            raise OSError(6, "no such interface")
        return "lo"

    monkeypatch.setattr(socket, "if_indextoname", name)
    assert for_events(address) == arguments


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (("127.0.0.1", 80), "'127.0.0.1:80'"),
        (("::1", 80, 0, 0), "'[::1]:80'"),
        ("/run/a.sock", "'/run/a.sock'"),
    ],
)
@pytest.mark.parametrize(
    "problem",
    [
        OSError(98, "in use"),
        OSError("too long"),
        socket.gaierror(-2, "unknown"),
        TimeoutError("late"),
    ],
)
def test_an_error_of_the_system_names_the_address(
    problem: OSError, address: Any, text: str
) -> None:
    problem = type(problem)(*problem.args)
    before = str(problem)
    for _ in range(2):
        named(problem, address)
        assert str(problem) == f"{before}: {text}"


def test_what_names_something_or_nothing_is_left_alone() -> None:
    problems = [OSError(2, "missing", "/etc/x"), ValueError("no port"), OSError(98, "in use")]
    before = [str(problem) for problem in problems]
    for problem, address in zip(problems, (("a", 1), ("a", 1), None), strict=True):
        named(problem, address)
    assert [str(problem) for problem in problems] == before


@pytest.mark.parametrize("cls", [sockets.TCPServer, sockets.UDPServer])
@pytest.mark.parametrize("port", ["8000x", 70000, -1])
def test_a_port_that_is_none_is_shown(cls: Any, port: Any) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(("127.0.0.1", port)))):
        cls(("127.0.0.1", port))


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs UNIX sockets")
def test_a_path_that_is_too_long_is_shown() -> None:
    path = "/" + "x" * 200
    with pytest.raises(OSError, match=path):
        sockets.UNIXServer(path)
