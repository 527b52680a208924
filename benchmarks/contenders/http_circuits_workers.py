"""Hello by a Controller in as many worker processes as are asked for, announced when all serve."""

from __future__ import annotations

import os
import sys
import threading
import urllib.request

from serving import announce, many_descriptors, silent_socket

from circuits.web import Controller
from circuits.web.main import main


class Root(Controller):
    def index(self) -> str:
        return "Hello World!"

    def who(self) -> str:
        return str(os.getpid())


def wait_for_all(port: int, number: int) -> None:
    seen = set()
    while len(seen) < number:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/who", timeout=10) as answer:
            seen.add(answer.read())
    announce(port)


if __name__ == "__main__":
    many_descriptors()
    sock = silent_socket()
    workers = sys.argv[1]
    port = sock.getsockname()[1]
    threading.Thread(target=wait_for_all, args=(port, int(workers)), daemon=True).start()
    bind, application = f"fd:{sock.fileno()}", "http_circuits_workers:Root"
    sys.exit(main(["-b", bind, "--workers", workers, "--no-access-log", application]))
