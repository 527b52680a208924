"""Sockets that were open already when the process began."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from circuits.net import _activation
from circuits.net._activation import inherited_sockets


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Three descriptors in a row, of which the second is no socket."""
    numbers = list(range(200, 203))
    with socket.socket() as one, socket.socket(socket.AF_UNIX) as other:
        reader, writer = os.pipe()
        for source, number in zip((one.fileno(), reader, other.fileno()), numbers, strict=True):
            os.dup2(source, number)
        os.close(reader)
        os.close(writer)
    monkeypatch.setattr(_activation, "_FIRST", numbers[0])
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "3")
    monkeypatch.setenv("LISTEN_FDNAMES", "web:log:")
    yield numbers
    for number in numbers:
        try:
            os.close(number)
        except OSError:
            continue  # the test has closed it


def test_sockets_are_found_with_their_names(given: list[int]) -> None:
    (web, one), (unknown, other) = inherited_sockets()
    with one, other:
        assert (web, one.fileno(), one.family) == ("web", given[0], socket.AF_INET)
        assert (unknown, other.fileno(), other.family) == ("unknown", given[2], socket.AF_UNIX)
        assert not os.get_inheritable(one.fileno())


def test_they_are_handed_out_once(given: list[int]) -> None:
    for _, sock in inherited_sockets():
        sock.close()
    assert inherited_sockets() == []
    assert not [name for name in os.environ if name.startswith("LISTEN_")]


def test_the_environment_may_be_kept(given: list[int]) -> None:
    for _, sock in inherited_sockets(keep_environment=True):
        sock.close()
    assert os.environ["LISTEN_FDS"] == "3"


@pytest.mark.parametrize(
    ("variable", "value"),
    [("LISTEN_PID", "1"), ("LISTEN_PID", ""), ("LISTEN_FDS", ""), ("LISTEN_FDS", "-1")],
)
def test_what_is_not_for_us_is_left_alone(
    given: list[int], monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert inherited_sockets() == []
