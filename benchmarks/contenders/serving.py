"""What every server shares: it tells its port on a line of standard output, then serves."""

from __future__ import annotations

import atexit
import resource
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from random import Random
from typing import Final

#: What is asked for where a file is served, and how long it is.
FILE_NAME: Final = "file.bin"
FILE_BYTES: Final = 1024 * 1024


def many_descriptors() -> None:
    """Allow as many connections as the system lets us have."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def silent_socket() -> socket.socket:
    """A listening socket on a free port."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    sock.listen(4096)
    return sock


def listening_socket() -> socket.socket:
    """A listening socket on a free port, announced."""
    many_descriptors()
    sock = silent_socket()
    announce(sock.getsockname()[1])
    return sock


def announce(port: int) -> None:
    print(port, flush=True)


def folder_with_file() -> str:
    """A folder with one file in it, which is removed in the end."""
    folder = tempfile.mkdtemp(prefix="circuits-bench-")
    atexit.register(shutil.rmtree, folder)
    Path(folder, FILE_NAME).write_bytes(Random(1).randbytes(FILE_BYTES))
    return folder


def certificate() -> str:
    """A key and a certificate for ``localhost``, made by the program ``openssl``."""
    folder = Path(tempfile.mkdtemp(prefix="circuits-bench-"))
    key, signed, both = folder / "key", folder / "certificate", folder / "both.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", signed,
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    both.write_text(key.read_text() + signed.read_text())
    return str(both)
