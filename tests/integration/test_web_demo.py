"""The demonstration, as visitors see it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.integration.web_support import CHECKOUT, SECONDS, Program, running
from tests.support import require_program

SITE = CHECKOUT / "examples" / "demo" / "site.py"


@pytest.fixture(scope="module")
def site() -> Iterator[Program]:
    with running(SITE, "--port", "0") as program:
        yield program
    assert "ERROR" not in program.output
    assert "Traceback" not in program.output


def test_it_tells_its_address(site: Program) -> None:
    assert site.greeting == f"Serving on {site.base}/ (Ctrl-C stops)\n"


def test_every_link_of_the_front_page_works(site: Program) -> None:
    front = site.get("/").body.decode()
    links = {unescape(link) for link in re.findall(r'(?:href|src)="([^"]+)"', front)}
    assert len(links) >= 8
    for link in links:
        answer = site.get(link)
        assert answer.code == 200, link
        assert answer.body, link


def test_the_status_is_json(site: Program) -> None:
    answer = site.get("/status/now")
    assert (answer["Content-Type"] or "").startswith("application/json")
    assert json.loads(answer.body).keys() >= {"circuits", "python", "requests"}


def test_the_picture_is_drawn_from_what_happened(site: Program) -> None:
    answer = site.get("/pulse.svg")
    assert answer["Content-Type"] == "image/svg+xml"
    assert len(ElementTree.fromstring(answer.body)) == 61


def test_the_form_answers_and_escapes(site: Program) -> None:
    assert b"<form method=" in site.get("/guestbook").body
    body = b"name=%3Cb%3EBob%26&message=%3Cscript%3Ealert(1)%3C/script%3E+%C3%A4"
    with site.connect() as wire:
        wire.send(
            b"POST /guestbook HTTP/1.1\r\nHost: t\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        answer = wire.answer()
    page = answer.body.decode()
    assert answer.code == 200
    assert "<script>" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; ä" in page
    assert "Thank you, &lt;b&gt;Bob&amp;" in page


def test_the_form_asks_again_where_something_is_missing(site: Program) -> None:
    with site.connect() as wire:
        answer = wire.get("/guestbook", "Content-Length: 0", method="POST")
    assert answer.code == 422
    assert b"<form" in answer.body


def test_the_stream_arrives_over_about_a_second(site: Program) -> None:
    with site.connect() as wire:
        wire.send(b"GET /countdown HTTP/1.1\r\nHost: t\r\n\r\n")
        wire.until(b"<li>10,")
        began = time.monotonic()
        wire.until(b"<li>1,")
        passed = time.monotonic() - began
        wire.until(b"</html>")
        wire.until(b"0\r\n\r\n")
    assert 0.5 < passed < SECONDS


def test_a_stream_does_not_hold_up_others(site: Program) -> None:
    with site.connect() as wire:
        wire.send(b"GET /countdown HTTP/1.1\r\nHost: t\r\n\r\n")
        wire.until(b"<li>10,")
        assert site.get("/").code == 200
        assert b"<li>1," not in wire._seen
        wire.until(b"0\r\n\r\n")


def test_a_visitor_who_leaves_the_stream_harms_nobody(site: Program) -> None:
    with site.connect() as wire:
        wire.send(b"GET /countdown HTTP/1.1\r\nHost: t\r\n\r\n").until(b"<li>10,")
    assert site.get("/countdown").code == 200


def test_the_oracle_is_awaited(site: Program) -> None:
    assert b"<blockquote>42</blockquote>" in site.get("/ask?question=6*7").body
    assert b"&lt;i&gt;" in site.get("/ask?question=%3Ci%3E").body


def test_static_files_are_listed(site: Program) -> None:
    page = site.get("/static/").body
    assert b'<a href="style.css">' in page
    assert site.get("/static").code == 301


def test_what_does_not_exist_is_not_found(site: Program) -> None:
    assert site.get("/nowhere").code == 404


def test_a_taken_port_is_replaced_with_a_notice() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running(SITE, "--port", str(port)) as program:
            assert program.port != port
            assert program.get("/").code == 200
        assert f"Port {port} is taken" in program.output


def test_a_browser_shows_the_front_page(site: Program, tmp_path: Path) -> None:
    chromium = require_program("chromium")
    picture = tmp_path / "front.png"
    done = subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=1100,1000",
            f"--screenshot={picture}",
            "--dump-dom",
            f"{site.base}/",
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=90,
        env={**os.environ, "HOME": str(tmp_path)},
        check=False,
    )
    page = done.stdout.decode()
    assert done.returncode == 0, done.stderr.decode()
    assert "<h1>It works</h1>" in page
    assert page.count("<strong>") == 6
    assert page.rstrip().endswith("</html>")
