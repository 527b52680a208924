"""A real IRC server for tests: ngircd, from its Debian package."""

from __future__ import annotations

import contextlib
import getpass
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support import require_program, unused_port

SECONDS = 20.0

_CONFIGURATION = """
[Global]
Name = irc.example.net
Info = test
AdminEMail = nobody@example.net
Listen = 127.0.0.1
Ports = {port}
ServerUID = {user}
ServerGID = {user}
MotdPhrase = Hello there
{more}
[Limits]
ConnectRetry = 60
MaxConnectionsIP = 0
MaxPenaltyTime = 0
PingTimeout = {ping_timeout}
[Options]
DNS = no
Ident = no
PAM = no
"""


@contextlib.contextmanager
def ngircd(folder: Path, *, ping_timeout: int = 120, password: str = "") -> Iterator[int]:
    """Run a server until the block ends; its port."""
    program = require_program("ngircd")
    port = unused_port()
    path = folder / "ngircd.conf"
    path.write_text(
        _CONFIGURATION.format(
            port=port,
            user=getpass.getuser(),
            ping_timeout=ping_timeout,
            more=f"Password = {password}" if password else "",
        ),
        encoding="utf-8",
    )
    log = folder / "ngircd.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "-n", "-f", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_for(port, process, log)
            yield port
        finally:
            process.terminate()
            process.wait(SECONDS)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=SECONDS).close()
            return
        except OSError:
            assert process.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
            time.sleep(0.02)
