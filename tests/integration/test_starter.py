"""The starter project: made, built, installed, tested and run."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.sync.client import connect

import circuits
from tests.integration.web_support import running

#: Where the circuits of this test is, for programs that run elsewhere.
_CIRCUITS = str(Path(circuits.__file__).parents[1])


def run(*arguments: str, cwd: Path, path: tuple[str, ...] = (), status: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([*path, _CIRCUITS]),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("starter")
    run("-m", "circuits", "new", "my-shop", cwd=folder)
    return folder / "my-shop"


@pytest.fixture(scope="module")
def installed(project: Path) -> str:
    """The folder that the project is installed into."""
    site = project.parent / "site"
    options = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    options += ["--no-build-isolation", "--target", str(site)]
    run("-m", "pip", "install", *options, ".", cwd=project)
    return str(site)


def test_its_tests_pass_within_five_seconds(project: Path) -> None:
    before = os.times()
    told = run("-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=project)
    after = os.times()
    found = re.search(r"(\d+) passed", told)
    assert found is not None, told
    assert int(found[1]) >= 4
    # Of the processor: what else a machine does is not theirs, and they wait for nothing.
    used = after.children_user + after.children_system
    assert used - before.children_user - before.children_system < 5


def test_its_tests_pass_where_it_is_installed(project: Path, installed: str) -> None:
    options = ["-o", "pythonpath=", "-p", "no:cacheprovider"]
    run("-W", "error", "-m", "pytest", "-q", *options, cwd=project, path=(installed,))


def test_it_has_its_page_and_its_program_with_it(installed: str) -> None:
    names = {path.name for path in Path(installed, "my_shop").iterdir()}
    assert {"app.py", "page.html"} <= names
    assert Path(installed, "bin", "my-shop").exists()


def test_the_program(installed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([installed, _CIRCUITS]))
    with running("-m", "my_shop", "--bind", "127.0.0.1:0") as program:
        assert b"<h1>My shop</h1>" in program.get("/").body
        assert b"Hello Ann!" in program.get("/hello?name=Ann").body
        with connect(f"ws://127.0.0.1:{program.port}/live") as websocket:
            assert str(websocket.recv(20)).isdigit()
    assert '"GET /hello?name=Ann HTTP/1.1" 200' in program.output


def test_a_port_that_is_taken_is_told_in_a_line(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        told = run("-m", "my_shop", "--bind", bind, cwd=project / "src", status=2)
    assert f"my-shop: error: cannot listen on {bind}: [Errno " in told
    assert "Traceback" not in told


def test_it_is_clean(project: Path) -> None:
    run("-m", "ruff", "check", "--isolated", "--no-cache", ".", cwd=project)
    run("-m", "ruff", "format", "--isolated", "--no-cache", "--check", ".", cwd=project)
    cache = str(project.parent / "mypy_cache")
    run("-m", "mypy", "--strict", "--cache-dir", cache, "src", cwd=project)
