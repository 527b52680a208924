"""The HTTP client with a server of ours, over TLS."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from circuits.web import Controller, Server
from circuits.web.client import Client, ConnectError
from tests.certificates import Certificates


class Root(Controller):
    def index(self) -> str:
        return "It works"


def answer(pending: Any, app: Any) -> Any:
    for _ in range(2000):
        if pending.is_done:
            return pending.take()
        app.tick(0.01)
    raise AssertionError("no answer")


def test_tls_is_spoken_and_checked(certificates: Certificates) -> None:
    server = Server(("127.0.0.1", 0), secure=True, certfile=str(certificates.server))
    app = server + Root()
    context = ssl.create_default_context(cafile=str(certificates.authority))
    trusting = Client(server.base, channel="trusting", tls=context).register(app)
    careful = Client(server.base, channel="careful").register(app)
    with app.running():
        for _ in range(2):
            assert answer(trusting.get("/"), app).text == "It works"
        with pytest.raises(ConnectError, match="certificate"):
            answer(careful.get("/"), app)
