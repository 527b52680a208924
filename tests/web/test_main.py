"""The command line of circuits.web: what it understands, and what it refuses."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from circuits.core import pollers
from circuits.core.components import BaseComponent
from circuits.web import main as module
from circuits.web._command_line import make_parser
from circuits.web._loading import load
from circuits.web.main import main, parse_bind

_MAN_PAGE = Path(__file__).parents[2] / "docs" / "man" / "circuits.web.1"


@pytest.mark.parametrize(
    ("text", "bind"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("127.0.0.1", ("127.0.0.1", 8000)),
        ("127.0.0.1:", ("127.0.0.1", 8000)),
        ("localhost:0", ("localhost", 0)),
        (":8080", ("0.0.0.0", 8080)),
        ("8080", ("127.0.0.1", 8080)),
        ("", ("127.0.0.1", 8000)),
        ("[::1]:80", ("::1", 80)),
        ("[::1]", ("::1", 8000)),
        ("::1", ("::1", 8000)),
        ("./web.sock", "./web.sock"),
        ("/run/web.sock", "/run/web.sock"),
        ("unix:web.sock", "web.sock"),
        ("fd:3", 3),
    ],
)
def test_bind(text: str, bind: object) -> None:
    assert parse_bind(text) == bind


@pytest.mark.parametrize("text", ["host:port", "host:70000", "[::1", "[::1]80", "h:-1", "h:٣"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        parse_bind(text)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["-b", "host:port"], "not a port: 'port'"),
        (["-t", "magic"], "invalid choice: 'magic'"),
        (["-s", "magic"], "invalid choice: 'magic'"),
        (["-j", "2", "--reload"], "--reload is for one process"),
        (["--keyfile", "key.pem"], "--keyfile needs --certfile"),
        (["--mode", "660"], "--mode is for a UNIX socket"),
        (["--mode", "999"], "not a mode"),
        (["--stop-timeout", "-1"], "not a number of seconds"),
        (["--drain-delay", "soon"], "not a number of seconds"),
        (["-b", "fd:x"], "not a descriptor"),
        (["--workers", "0"], "not a number of processes"),
        (["-m", "many"], "not a number of processes"),
        (["no/such/folder"], "there is no folder 'no/such/folder'"),
        (["no_such_module:App"], "neither a folder nor a module 'no_such_module'"),
        (["json:no_such_thing"], f"module 'json' ({json.__file__}) has no 'no_such_thing'"),
        (["json:JSONDecoder"], "neither a component nor a class of components"),
        (["json:dumps"], "call it in the module, and name the result"),
        (
            ["circuits:Timer"],
            "without arguments (missing a required argument: 'interval'): make it",
        ),
        (["circuits.io:File"], "without arguments (missing a required argument: "),
        (["string:digits"], "nor an application for WSGI or ASGI: it is of <class 'str'>"),
        (["setup.py"], "no folder 'setup.py'; an application is given as MODULE:NAME"),
        (["--interface", "component", "json:dumps"], "neither a component nor a class"),
        (["--interface", "wsgi", "string:digits"], "neither a component nor a class"),
        (["--threads", "many"], "not a number of threads"),
        (["-s", "base", "."], "--server base serves no folder"),
        (["a", "b"], "unrecognized arguments: b"),
        (["--nonsense"], "unrecognized arguments"),
    ],
)
def test_a_wrong_command_line_is_explained(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert re.fullmatch(r"circuits/\d+\.\d+\S*\n", capsys.readouterr().out)


def test_the_man_page_has_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    options = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text[text.index("positional") :]))
    page = _MAN_PAGE.read_text().replace("\\-", "-").replace("\\fB", "").replace("\\fR", "")
    assert {"-b", "--bind", "--passwd", "--poller", "-v"} <= options
    missing = {option for option in options if not re.search(rf"(?<![\w-]){option}\b", page)}
    assert missing == set()


# -- parts of it ---------------------------------------------------------------------------------


def test_an_application_is_found_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "an_application_of_this_test.py").write_text(
        "from circuits import BaseComponent\n"
        "class App(BaseComponent):\n"
        "    class Inner(BaseComponent): pass\n"
        "made = App()\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    parser = make_parser()
    name = "an_application_of_this_test"
    try:
        assert isinstance(load(parser, f"{name}:App"), BaseComponent)
        assert type(load(parser, f"{name}:App.Inner")).__name__ == "Inner"
        made = load(parser, f"{name}:made")
        assert load(parser, f"{name}:made") is made
    finally:
        sys.modules.pop(name, None)


def test_a_folder_wins_over_a_module_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json:loads").mkdir()
    monkeypatch.chdir(tmp_path)
    parser = make_parser()
    content, what = module._content(parser, parser.parse_args(["json:loads"]))
    assert what == str(tmp_path / "json:loads")
    assert [type(component).__name__ for component in content] == ["Static", "Root"]


def test_a_poller_that_fails_is_replaced_with_a_notice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken:
        def __init__(self) -> None:
            raise OSError("not on this system")

    monkeypatch.setattr(pollers, "EPoll", Broken)
    assert isinstance(module._choose_poller("epoll"), pollers.Select)
    assert "no epoll here (not on this system), taking select" in capsys.readouterr().err


def test_users_are_read(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text("# comment\n\nbob:a:b\nann: x \nempty:\n")
    users = module._read_users(make_parser(), str(path))
    assert users == {"bob": "a:b", "ann": " x ", "empty": ""}


@pytest.mark.parametrize(
    ("text", "complaint"), [("bob\n", "line 1: not NAME:PASSWORD"), (":x\n", "line 1"), (None, "")]
)
def test_a_file_of_users_that_cannot_be_read(
    tmp_path: Path, text: str | None, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "users"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SystemExit):
        module._read_users(make_parser(), str(path))
    error = capsys.readouterr().err
    assert str(path) in error
    assert complaint in error


def test_the_tree_is_drawn() -> None:
    class Top(BaseComponent):
        channel = "top"

    class Below(BaseComponent):
        pass

    assert module._draw(Top() + (Below() + Below())) == "Top/top\n  Below/*\n    Below/*"


def test_an_address_is_shown_as_it_is_written() -> None:
    assert module._show(("::1", 80)) == "[::1]:80"
    assert module._show(("h", 80)) == "h:80"
    assert module._show("/path") == "/path"


def test_routes_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a_site_of_this_test.py").write_text(
        "from circuits.web import Controller\n"
        "class Root(Controller):\n"
        "    def page(self, number: int): return ''\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    try:
        assert main(["--routes", "a_site_of_this_test:Root"]) == 0
    finally:
        sys.modules.pop("a_site_of_this_test", None)
    assert capsys.readouterr().out.split() == [
        "*",
        "/page/{number}",
        "a_site_of_this_test.Root.page",
    ]


def test_a_log_that_cannot_be_written_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "no" / "log")
    assert main(["-b", "127.0.0.1:0", "--access-log", path, str(tmp_path)]) == 1
    assert f"cannot write {path}" in capsys.readouterr().err


def test_a_proxy_must_be_an_address(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["-b", "127.0.0.1:0", "--trusted-proxies", "nginx", str(tmp_path)])
    assert caught.value.code == 2
    assert "--trusted-proxies: 'nginx'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["--user", "no such user"], 1, "no user"),
        (["--user", "root", "--group", "no such group"], 1, "no group"),
        (["--group", "root"], 2, "--group needs --user"),
        (["--umask", "999"], 2, "not a mode"),
        (["--limit-parts", "x"], 2, "neither a number nor 'none'"),
    ],
)
def test_who_it_becomes_and_limits_are_checked_before_anything_is_opened(
    arguments: list[str], status: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        got: int | str | None = main([*arguments, "-b", "127.0.0.1:0", "."])
    except SystemExit as end:
        got = end.code
    assert got == status
    assert text in capsys.readouterr().err
