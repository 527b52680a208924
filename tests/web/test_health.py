"""Liveness and readiness."""

from __future__ import annotations

import pytest

from circuits.core.events import Stopped
from circuits.testing import settle
from circuits.web.controllers import Controller
from circuits.web.dispatchers.dispatcher import Dispatcher
from circuits.web.health import Draining, Health
from tests.web.http_support import serving


class Root(Controller):
    def index(self) -> str:
        return self.request.id

    def fails(self) -> str:
        raise RuntimeError("as it does at times")


def test_a_server_is_alive_and_ready() -> None:
    with serving(Dispatcher(), Root(), Health()) as server:
        for path in ("/healthz", "/readyz"):
            reply = server.connect().get(path)
            assert (reply.code, reply.body) == (200, b"ok\n")
            assert reply.headers["cache-control"] == "no-store"
            assert server.connect().get(path, method="HEAD").headers["content-length"] == "3"
            refused = server.connect().get(path, method="POST")
            assert (refused.code, refused.headers["allow"]) == (405, "GET, HEAD")
        assert server.connect().get("/healthz/more").code == 404


@pytest.mark.parametrize("reason", ["draining", "stopped"])
def test_it_is_not_ready_from_when_it_is_about_to_close(reason: str) -> None:
    with serving(Dispatcher(), Root(), Health()) as server:
        server.fire(Draining() if reason == "draining" else Stopped(server), "anywhere")
        settle(server)
        reply = server.connect().get("/readyz")
        assert (reply.code, reply.body) == (503, b"draining\n")
        assert server.connect().get("/healthz").code == 200


def test_it_is_ready_again_when_it_is_started_again() -> None:
    component = Health()
    with serving(component):
        pass
    assert component.is_draining
    with serving(component) as server:
        assert server.connect().get("/readyz").code == 200


def test_what_is_needed_can_be_checked(caplog: pytest.LogCaptureFixture) -> None:
    there = {"database": True, "queue": True}

    def queue() -> bool:
        if not there["queue"]:
            raise OSError("a secret")
        return True

    checks = {"database": lambda: there["database"], "queue": queue}
    with serving(Health(None, "/ready", checks=checks)) as server:
        assert server.connect().get("/ready").code == 200
        assert server.connect().get("/healthz").code == 404
        there.update(database=False, queue=False)
        reply = server.connect().get("/ready")
        assert (reply.code, reply.body) == (503, b"not ready: database, queue\n")
        assert "a secret" in caplog.text
        there.update(database=True)
        assert server.connect().get("/ready").body == b"not ready: queue\n"
