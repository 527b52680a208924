"""The programs on the pages run, and print what the pages say."""

from __future__ import annotations

import ast
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.listings import PAGES, ROOT, Listing, listings, strange_fences
from tests.support import require_package, require_program, unused_port

pytestmark = pytest.mark.integration

SECONDS = 60
_ANNOUNCE = Path(__file__).with_name("announce.py")
_LISTINGS = [listing for page in PAGES for listing in listings(page)]
#: What a listing needs beside circuits, by a word in it.
_NEEDED: dict[str, Callable[[], object]] = {
    '"openssl"': lambda: require_program("openssl"),
    "import tornado": lambda: require_package("tornado"),
    "from twisted": lambda: require_package("twisted"),
}
_IDENTITY = re.compile(r"\b\d+:MainThread \(queued=\d+\)")


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """A screen that nobody sees, by its name."""
    require_package("tkinter")
    ours, theirs = os.pipe()
    process = subprocess.Popen(
        [require_program("Xvfb", "xvfb"), "-displayfd", str(theirs), "-nolisten", "tcp"],
        pass_fds=[theirs],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    try:
        with os.fdopen(ours, encoding="ascii") as told:
            number = told.readline().strip()  # written when it is there
        assert number, "Xvfb did not start"
        yield f":{number}"
    finally:
        process.terminate()
        process.wait(SECONDS)


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", *arguments]


def _environment(folder: Path) -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }


def _free_port() -> str:
    return str(unused_port())


def _save(listing: Listing, folder: Path, port: str) -> Path:
    for name, code in listing.files:
        (folder / name).write_text(code, encoding="utf-8")
    code = listing.code
    other = listing.has("port")
    if other is not None:
        code = code.replace(other, _free_port())
    code = re.sub(r"\b8000\b", port, code)
    path = folder / ("test_listing.py" if listing.has("tests") is not None else "app.py")
    path.write_text(code, encoding="utf-8")
    return path


def _kind_of(body: bytes) -> str:
    if body.startswith((b"{", b"[")):
        return "application/json"
    is_form = re.fullmatch(rb"\w+=\S*", body) is not None
    return "application/x-www-form-urlencoded" if is_form else "text/plain"


def _ask(port: int, line: str) -> None:
    """Do what a line of the comment says, and look at the answer."""
    question, arrow, expected = line.rpartition(" -> ")
    assert arrow, f"{line!r} is no question"
    if question.startswith('"'):
        wanted = ast.literal_eval(expected).encode()
        with socket.create_connection(("127.0.0.1", port), SECONDS) as sock:
            sock.sendall(ast.literal_eval(question).encode())
            seen = b""
            while wanted not in seen:
                data = sock.recv(4096)
                assert data, f"{seen!r} has no {wanted!r}"
                seen += data
        return
    words = question.split()
    if words[0].startswith("/"):
        words.insert(0, "GET")
    method, path, *body = words
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        content = " ".join(body).encode() if body else None
        headers = {"Content-Type": _kind_of(content)} if content else {}
        connection.request(method, path, content, headers)
        answer = connection.getresponse()
        text = f"{answer.status} {answer.reason}\n{answer.headers}\n{answer.read().decode()}"
    finally:
        connection.close()
    assert expected in text


def _comparable(text: str, folder: Path) -> str:
    return _IDENTITY.sub("PID:THREAD", text.replace(f"{folder}{os.sep}", "")).rstrip()


def _run_to_the_end(listing: Listing, path: Path) -> None:
    arguments = (listing.has("arguments") or "").split()
    done = subprocess.run(
        _command(path.name, *arguments),
        cwd=path.parent,
        env=_environment(path.parent),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    errors = listing.has("errors")
    if errors is None:
        assert done.stderr == ""
    else:
        assert errors in done.stderr
    if listing.output is not None:
        folder = path.parent
        assert _comparable(done.stdout, folder) == _comparable(listing.output, folder)


def _run_and_ask(listing: Listing, path: Path) -> None:
    until = listing.has("until")
    command = _command(*([] if until is not None else [str(_ANNOUNCE)]), path.name)
    process = subprocess.Popen(
        command,
        cwd=path.parent,
        env=_environment(path.parent),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        seen = ""
        for line in process.stdout:
            seen += line
            if until is None:
                assert line.startswith("port "), seen
                port = int(line.split()[1])
                for known, rest in listing.how:
                    if known not in ("server", "port", "errors"):
                        _ask(port, f"{known} {rest}")
                break
            if until in line:
                break
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, seen + rest
        assert until is None or until in seen
        assert listing.has("errors") is not None or "ERROR" not in rest
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate(timeout=SECONDS)


@pytest.mark.parametrize("listing", _LISTINGS, ids=str)
def test_a_listing_runs(
    listing: Listing,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if listing.has("skip") is not None:
        ast.parse(listing.code)
        return
    for word, needed in _NEEDED.items():
        if word in listing.code or any(word in code for _, code in listing.files):
            needed()
    if listing.has("display") is not None:
        monkeypatch.setenv("DISPLAY", request.getfixturevalue("display"))
    is_server = listing.has("server") is not None or listing.has("until") is not None
    path = _save(listing, tmp_path, "0" if listing.has("server") is not None else "8000")
    if listing.has("file") is not None:
        ast.parse(listing.code)
    elif listing.has("tests") is not None:
        done = subprocess.run(
            _command("-m", "pytest", "-q", "-p", "no:cacheprovider", path.name),
            cwd=tmp_path,
            env=_environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    elif is_server:
        _run_and_ask(listing, path)
    else:
        _run_to_the_end(listing, path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_fence_is_that_of_a_program(page: Path) -> None:
    assert strange_fences(page) == []


def test_who_is_not_run_says_why() -> None:
    reasons = [reason for listing in _LISTINGS if (reason := listing.has("skip")) is not None]
    assert all(len(reason.split()) > 2 for reason in reasons)
    assert len(reasons) <= 5


def test_there_are_programs() -> None:
    assert len(_LISTINGS) > 30
