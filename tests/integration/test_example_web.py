"""The examples of the web, run and asked as their readers would do it."""

from __future__ import annotations

import contextlib

import pytest

from tests.integration.example_support import EXAMPLES
from tests.integration.web_support import Program, running

pytestmark = pytest.mark.integration


def example(name: str, *arguments: str) -> contextlib.AbstractContextManager[Program]:
    """Run one, on a free port."""
    return running(EXAMPLES / "web" / name, "-b", "127.0.0.1:0", *arguments)


def test_virtual_hosts() -> None:
    with example("virtualhosts.py") as program, program.connect() as wire:
        assert wire.get("/").body == b"I am the main site\n"
        wire.send(b"GET /topic/7 HTTP/1.1\r\nHost: forum.example.com\r\n\r\n")
        assert wire.answer().body == b"Topic 7, at http://forum.example.com/topic/7\n"
