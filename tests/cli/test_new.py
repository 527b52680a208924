"""``circuits new``: names, files, and what it refuses."""

from __future__ import annotations

import keyword
import os
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from circuits import __version__
from circuits.cli import main
from circuits.cli.new import BadNameError, check_name

FILES = {
    ".gitignore",
    "README.md",
    "my-shop.service",
    "pyproject.toml",
    "src/my_shop/__init__.py",
    "src/my_shop/__main__.py",
    "src/my_shop/app.py",
    "src/my_shop/page.html",
    "tests/test_app.py",
}


@pytest.fixture
def made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["new", "my-shop", "--directory", str(tmp_path)]) == 0
    return tmp_path / "my-shop"


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_what_it_makes(made: Path) -> None:
    assert files(made) == FILES


def test_nothing_is_left_to_fill_in(made: Path) -> None:
    for name in FILES:
        text = (made / name).read_text(encoding="utf-8")
        assert "{{" not in text, name
        assert not re.search("PACKAGE|NAME", text), name
        assert text.endswith("\n"), name
    assert "<h1>My shop</h1>" in (made / "src/my_shop/page.html").read_text(encoding="utf-8")


def test_its_metadata(made: Path) -> None:
    project = tomllib.loads((made / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == "my-shop"
    assert project["dependencies"] == [f"circuits>={__version__},<3"]
    assert project["scripts"] == {"my-shop": "my_shop.__main__:main"}


def test_it_says_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "shop"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Made shop of 9 files. Next:"
    assert lines[2] == "  cd shop"
    assert lines[-2:] == ["  .venv/bin/pytest", "  .venv/bin/shop"]
    assert (tmp_path / "shop" / "src" / "shop").is_dir()


@pytest.mark.parametrize(
    ("origin", "told"),
    [
        ('{"url": "file:///srv/a%20b"}', "pip install '/srv/a b' -e '.[test]'"),
        ('{"url": "https://example.org/x"}', "pip install -e '.[test]'"),
        ("not JSON", "pip install -e '.[test]'"),
        ("[]", "pip install -e '.[test]'"),
        (None, "pip install -e '.[test]'"),
    ],
)
def test_a_circuits_from_a_folder_is_installed_from_there(
    origin: str | None,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Distribution:
        def read_text(self, name: str) -> str | None:
            assert name == "direct_url.json"
            return origin

    monkeypatch.setattr(metadata, "distribution", lambda name: Distribution())
    assert main(["new", "shop", "-d", str(tmp_path)]) == 0
    assert told in capsys.readouterr().out
    assert told in (tmp_path / "shop" / "README.md").read_text(encoding="utf-8")


def test_folders_above_are_made(tmp_path: Path) -> None:
    assert main(["new", "shop", "-d", str(tmp_path / "a" / "b")]) == 0
    assert (tmp_path / "a" / "b" / "shop").is_dir()


def test_what_exists_is_left_alone(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (made / "README.md").write_text("mine", encoding="utf-8")
    assert main(["new", "my-shop", "--directory", str(made.parent)]) == 1
    assert capsys.readouterr().err == (
        f"circuits new: {made} exists already; nothing was changed\n"
    )
    assert (made / "README.md").read_text(encoding="utf-8") == "mine"


def test_a_file_in_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["new", "file", "-d", str(tmp_path)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert main(["new", "shop", "-d", str(tmp_path / "file")]) == 1
    assert f"{tmp_path / 'file'}" in capsys.readouterr().err


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_folder_that_may_not_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tmp_path.chmod(0o500)
    assert main(["new", "shop", "-d", str(tmp_path)]) == 1
    assert "Permission denied" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name",
    ["", "Shop", "1st", "-x", "a--b", "a b", "../up", "a/b", ".", "shop-", "ärger", "a.b", "a\n"],
)
def test_names_that_are_none(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "-d", str(tmp_path), "--", name]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"circuits new: {name!r} is no name for a project: ")
    assert "such as my-shop" in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("class", "is a word of Python"),
        ("json", "would hide the module json"),
        ("circuits", "would hide the module circuits"),
        ("tests", "would hide the module tests"),
        ("a" * 51, "at most 50 characters, not 51"),
    ],
)
def test_names_that_cannot_be_used(
    name: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", name, "-d", str(tmp_path)]) == 2
    assert why in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_package_can_be_imported() -> None:
    assert check_name("my-shop-2") == "my_shop_2"
    for word in keyword.kwlist:
        if word.islower():
            with pytest.raises(BadNameError):
                check_name(word)
