"""Contexts for TLS: what is said of files that are missing, swapped, or something else."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from circuits.net._tls_contexts import client_context, server_context

#: Made up: enough to see what the files were meant to be.
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("cert.pem").write_text(CERTIFICATE)
    Path("key.pem").write_text(KEY)
    Path("both.pem").write_text(CERTIFICATE + KEY)
    Path("readme").write_text("nothing of that sort")
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("certfile", "keyfile", "text"),
    [
        ("key.pem", "cert.pem", "'key.pem' holds no certificate, keyfile does: are they swapped?"),
        ("readme", "key.pem", "certfile 'readme' holds no certificate"),
        ("readme", None, "certfile 'readme' holds no certificate"),
        ("cert.pem", "readme", "keyfile 'readme' holds no private key"),
        ("cert.pem", None, "certfile 'cert.pem' holds no private key, and there is no keyfile"),
        ("cert.pem", "key.pem", "certfile 'cert.pem', keyfile 'key.pem'"),
        (Path("both.pem"), None, "certfile 'both.pem', certfile 'both.pem'"),
    ],
)
def test_a_wrong_file_is_named(certfile: Any, keyfile: Any, text: str) -> None:
    for make in (server_context, client_context):
        with pytest.raises(ssl.SSLError) as caught:
            make(certfile=certfile, keyfile=keyfile)
        assert str(caught.value).endswith(f": {text}") or str(caught.value).endswith(f" {text}")
        assert caught.value.errno is not None


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("certfile", "keyfile"), [("none.pem", None), ("cert.pem", "none.pem")])
def test_a_missing_file_is_named(certfile: str, keyfile: str | None) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        server_context(certfile=certfile, keyfile=keyfile)
    assert caught.value.filename == "none.pem"
