"""What several integration tests need."""

from __future__ import annotations

import pytest

from tests.certificates import Certificates


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates that an authority of the tests has signed; needs the program openssl."""
    return Certificates(tmp_path_factory.mktemp("certificates"))
