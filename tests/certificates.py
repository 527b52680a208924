"""Certificates for tests, made when they are needed by the program ``openssl``."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support import require_program

_CONFIGURATION = """
[ca]
default_ca = here
[here]
dir = .
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
copy_extensions = copy
rand_serial = yes
unique_subject = no
x509_extensions = leaf
[any]
commonName = supplied
[leaf]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[authority]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[req]
distinguished_name = name
[name]
"""

#: What the certificates are for, and from when to when they are good.
_ALWAYS = ("20200101000000Z", "20991231000000Z")
_LONG_AGO = ("20200101000000Z", "20200201000000Z")
_HERE = "DNS:localhost,IP:127.0.0.1,IP:::1"


class Certificates:
    """An authority, and what it has signed; each file holds a key and its certificate.

    Attributes:
        authority: The certificate of the authority.
        server: For ``localhost`` and its addresses.
        elsewhere: For another host.
        expired: For ``localhost``, long ago.
        client: For a client.
        stranger: For ``localhost``, signed by itself.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._openssl = require_program("openssl")
        (folder / "configuration").write_text(_CONFIGURATION)
        (folder / "index").touch()
        self.authority = folder / "authority"
        self._self_signed("authority", "test authority", "authority")
        self.server = self._signed("server", _HERE, *_ALWAYS)
        self.elsewhere = self._signed("elsewhere", "DNS:elsewhere.example", *_ALWAYS)
        self.expired = self._signed("expired", _HERE, *_LONG_AGO)
        self.client = self._signed("client", "DNS:client.example", *_ALWAYS)
        self.stranger = self._self_signed("stranger", "localhost", "leaf")

    def _run(self, *arguments: str) -> None:
        subprocess.run(
            [self._openssl, *arguments],
            cwd=self._folder,
            check=True,
            capture_output=True,
            timeout=60,
        )

    def _request(self, name: str, *more: str) -> None:
        self._run(
            "req", "-config", "configuration", "-newkey", "ec", "-nodes",
            "-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", f"{name}.key", *more,
        )  # fmt: skip

    def _self_signed(self, name: str, common_name: str, extensions: str) -> Path:
        more = ("-x509", "-days", "30", "-extensions", extensions, "-addext")
        names = f"subjectAltName={_HERE}"
        self._request(name, "-subj", f"/CN={common_name}", "-out", name, *more, names)
        return self._joined(name, name)

    def _signed(self, name: str, names: str, begin: str, end: str) -> Path:
        addition = ("-addext", f"subjectAltName={names}")
        self._request(name, "-subj", f"/CN={name}", "-out", f"{name}.request", *addition)
        self._run(
            "ca", "-batch", "-notext", "-config", "configuration", "-cert", "authority",
            "-keyfile", "authority.key", "-startdate", begin, "-enddate", end,
            "-in", f"{name}.request", "-out", name,
        )  # fmt: skip
        return self._joined(name, name)

    def _joined(self, name: str, certificate: str) -> Path:
        path = self._folder / f"{name}.pem"
        key = (self._folder / f"{name}.key").read_text()
        path.write_text(key + (self._folder / certificate).read_text())
        return path
