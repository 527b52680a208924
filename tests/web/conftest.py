"""What the tests of the web package share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from circuits import BaseComponent, Manager
from tests.web.client_support import Network, network
from tests.web.http_support import App, Client, Serve, serving


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Runs a server that answers like a function says, and connects to it."""
    contexts = []

    def start(answer: Any, *parts: Manager, **options: Any) -> Client:
        app = answer if isinstance(answer, BaseComponent) else App(answer)
        context = serving(app, *parts, **options)
        contexts.append(context)
        server = context.__enter__()
        server.stop_timeout = 0  # tests may end in the middle of an answer
        return server.connect()

    yield start
    for context in reversed(contexts):
        context.__exit__(None, None, None)


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    """What HTTP clients reach, in memory."""
    with network(monkeypatch) as net:
        yield net
