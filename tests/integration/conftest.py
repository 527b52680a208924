"""What several integration tests need."""

from __future__ import annotations

import socket

import pytest

from circuits.core.pollers import BasePoller, EPoll, Poll, Select
from tests.certificates import Certificates


@pytest.fixture(params=[Select, Poll, EPoll], ids=lambda kind: kind.__name__)
def poller(request: pytest.FixtureRequest) -> BasePoller:
    """Each poller of this platform in turn."""
    made: BasePoller = request.param()
    return made


@pytest.fixture(scope="session")
def ipv6() -> None:
    """Skips the test where there is no IPv6, not even to this machine."""
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError as problem:
        pytest.skip(f"needs IPv6: {problem}")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates that an authority of the tests has signed; needs the program openssl."""
    return Certificates(tmp_path_factory.mktemp("certificates"))
