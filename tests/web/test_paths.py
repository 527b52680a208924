from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuits.web import exceptions
from circuits.web._paths import (
    Docroot,
    is_below,
    join_segments,
    mount,
    normalise,
    parse_target,
    resolve,
    split_segments,
)


@pytest.mark.parametrize(
    ("target", "path", "qs", "segments"),
    [
        ("/", "/", "", []),
        ("/a/b?c=d?e", "/a/b", "c=d?e", ["a", "b"]),
        ("//a///b/", "//a///b/", "", ["a", "b"]),
        ("/a%20b", "/a b", "", ["a b"]),
        ("/%C3%A9", "/é", "", ["é"]),
        ("/\xc3\xa9?\xc3\xa9", "/é", "é", ["é"]),
        ("/a%2Fb", "/a%2Fb", "", ["a/b"]),
        ("/a%2fb", "/a%2Fb", "", ["a/b"]),
        ("/a%252Fb", "/a%252Fb", "", ["a%2Fb"]),
        ("/a%25252Fb", "/a%25252Fb", "", ["a%252Fb"]),
        ("/a%2541", "/a%41", "", ["a%41"]),
        ("/.hidden/a..b", "/.hidden/a..b", "", [".hidden", "a..b"]),
    ],
)
def test_targets_are_decoded_once(target: str, path: str, qs: str, segments: list[str]) -> None:
    parsed = parse_target(target)
    assert (parsed.path, parsed.qs, parsed.authority, parsed.redirect) == (path, qs, None, None)
    assert split_segments(parsed.path) == segments


def test_the_raw_path_is_kept() -> None:
    assert parse_target("/a%20b?c").raw_path == "/a%20b"


@pytest.mark.parametrize(
    ("target", "redirect"),
    [
        ("/a/../b", "/b"),
        ("/a/./b/.", "/a/b/"),
        ("/..", "/"),
        ("/../../etc/passwd", "/etc/passwd"),
        ("/a/%2e%2E/b%20c", "/b%20c"),
        ("/a/b/..", "/a/"),
        ("/.", "/"),
        # No host may come out of it.
        ("/.//evil.example", "/evil.example"),
        ("/x/..//evil.example", "/evil.example"),
        ("/./%5Cevil.example", "/%5Cevil.example"),
        ("/./%2Fevil.example", "/%2Fevil.example"),
    ],
)
def test_dot_segments_lead_to_the_normalised_path(target: str, redirect: str) -> None:
    assert parse_target(target).redirect == redirect


@pytest.mark.parametrize(
    "target",
    [
        "",
        "a",
        "/a#b",
        "/a b",
        "/a\x00",
        "/a\x7f",
        "/%",
        "/%zz",
        "/%ff",
        "/\xff",
        "/?\xff",
        "*",
        "ftp://h/",
        "http:///x",
        "http://u@h/",
        "host:80",
    ],
)
def test_malformed_targets(target: str) -> None:
    with pytest.raises(exceptions.BadRequest):
        parse_target(target)


def test_other_forms() -> None:
    assert parse_target("*", "OPTIONS").path == "*"
    absolute = parse_target("http://h:80/a?b")
    assert (absolute.path, absolute.qs, absolute.authority) == ("/a", "b", "h:80")
    assert parse_target("HTTPS://h").path == "/"
    assert parse_target("http://h", "OPTIONS").path == "*"
    assert parse_target("http://h?x").qs == "x"
    with pytest.raises(exceptions.NotImplemented):
        parse_target("host:443", "CONNECT")
    with pytest.raises(exceptions.NotImplemented):
        parse_target("/", "CONNECT")


@given(st.lists(st.text(alphabet="a/%2Ff5.", min_size=1)))
def test_joining_and_splitting_are_inverse(segments: list[str]) -> None:
    assert split_segments("/" + join_segments(segments)) == segments


@given(st.lists(st.sampled_from(["", ".", "..", "a"]), max_size=8))
def test_normalised_paths_neither_climb_nor_name_a_host(segments: list[str]) -> None:
    path = "/".join(normalise(["", *segments]))
    assert path.startswith("/")
    assert not path.startswith("//")
    assert not {".", ".."} & set(path.split("/"))


# -- files --------------------------------------------------------------------------------------


@pytest.fixture
def docroot(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "a.txt").write_text("a")
    (root / ".secret").write_text("s")
    (tmp_path / "rootfile").write_text("outside")
    return root


def test_what_is_inside_is_found(docroot: Path) -> None:
    root = os.path.realpath(docroot)
    assert resolve(str(docroot), ["sub", "a.txt"]) == os.path.join(root, "sub", "a.txt")
    assert resolve(str(docroot), ["sub", ""]) == os.path.join(root, "sub")
    assert resolve(str(docroot), []) == root
    assert resolve(str(docroot), ["missing"]) == os.path.join(root, "missing")


@pytest.mark.parametrize(
    "segments",
    [
        ["..", "rootfile"],
        ["sub", "..", "..", "rootfile"],
        ["../rootfile"],
        ["sub/a.txt"],
        ["/etc/passwd"],
        ["a\0b"],
        ["."],
        [".secret"],
        ["x" * 5000, "\udc80\ud800"],
    ],
)
def test_what_is_outside_is_not(docroot: Path, segments: list[str]) -> None:
    assert resolve(str(docroot), segments) is None


def test_links_may_not_lead_outside(docroot: Path) -> None:
    (docroot / "inside").symlink_to(docroot / "sub")
    (docroot / "outside").symlink_to(docroot.parent / "rootfile")
    (docroot / "hidden").symlink_to(docroot / ".secret")
    assert resolve(str(docroot), ["inside", "a.txt"]) is not None
    assert resolve(str(docroot), ["outside"]) is None
    assert resolve(str(docroot), ["hidden"]) is None
    assert resolve(str(docroot), ["hidden"], dotfiles=True) is not None


def test_a_folder_that_merely_begins_alike_is_outside(docroot: Path) -> None:
    (docroot.parent / "root2").mkdir()
    (docroot / "twin").symlink_to(docroot.parent / "root2")
    assert resolve(str(docroot), ["twin"]) is None


def test_dotfiles_may_be_allowed(docroot: Path) -> None:
    assert resolve(str(docroot), [".secret"], dotfiles=True) is not None
    assert resolve(str(docroot), ["..", "rootfile"], dotfiles=True) is None


def test_the_docroot_itself_may_be_hidden_or_a_link(tmp_path: Path) -> None:
    hidden = tmp_path / ".www"
    hidden.mkdir()
    (tmp_path / "link").symlink_to(hidden)
    assert resolve(str(hidden), ["a"]) is not None
    assert resolve(str(tmp_path / "link"), ["a"]) == os.path.join(os.path.realpath(hidden), "a")


# -- looking up often ---------------------------------------------------------------------------


def found(folder: Docroot, *segments: str, dotfiles: bool = False) -> str | None:
    """The path that is found, or ``None``."""
    answer = folder.find(segments, dotfiles=dotfiles)
    if answer is None:
        return None
    path, status = answer
    assert os.path.samestat(status, os.stat(path))
    return path


@pytest.mark.parametrize("dotfiles", [False, True])
@pytest.mark.parametrize(
    "segments",
    [
        [],
        [""],
        ["sub"],
        ["sub", "a.txt"],
        ["sub", "", "a.txt", ""],
        ["sub", "a.txt", "b"],
        ["missing"],
        ["missing", "a.txt"],
        [".secret"],
        ["link"],
        ["link", "a.txt"],
        ["outside"],
        ["outside", "x.txt"],
        ["hidden"],
        ["loop"],
        ["dangling"],
        ["sub", "up", "sub", "a.txt"],
        ["sub", "up", "outside", "x.txt"],
        [".."],
        ["sub/a.txt"],
        ["a\0b"],
        ["x" * 5000],
        ["\ud800"],
    ],
)
def test_a_kept_folder_finds_what_resolving_finds(
    docroot: Path, segments: list[str], dotfiles: bool
) -> None:
    (docroot.parent / "elsewhere").mkdir()
    (docroot.parent / "elsewhere" / "x.txt").write_text("outside")
    (docroot / "link").symlink_to("sub")
    (docroot / "sub" / "up").symlink_to("..")
    (docroot / "outside").symlink_to(docroot.parent / "elsewhere")
    (docroot / "hidden").symlink_to(".secret")
    (docroot / "loop").symlink_to("loop")
    (docroot / "dangling").symlink_to("nowhere")
    path = resolve(str(docroot), segments, dotfiles=dotfiles)
    expected = path if path is not None and os.path.exists(path) else None
    folder = Docroot(str(docroot))
    assert found(folder, *segments, dotfiles=dotfiles) == expected
    assert found(folder, *segments, dotfiles=dotfiles) == expected  # from what it has kept


def test_a_kept_folder_follows_its_name(tmp_path: Path) -> None:
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "a.txt").write_text(version)
    current = tmp_path / "current"
    current.symlink_to("one")
    folder = Docroot(str(current))
    real = os.path.realpath(tmp_path)
    assert found(folder, "a.txt") == os.path.join(real, "one", "a.txt")
    current.unlink()
    current.symlink_to("two")
    assert found(folder, "a.txt") == os.path.join(real, "two", "a.txt")
    current.unlink()
    assert found(folder, "a.txt") is None


def test_a_kept_folder_leaves_its_old_place_to_others(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a.txt").write_text("ours")
    current = tmp_path / "current"
    current.symlink_to("one")
    folder = Docroot(str(current))
    assert found(folder, "a.txt") is not None
    # The same folder under another name, and a stranger's under the old one.
    (tmp_path / "one").rename(tmp_path / "moved")
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a.txt").write_text("not ours")
    current.unlink()
    current.symlink_to("moved")
    assert found(folder, "a.txt") == os.path.join(os.path.realpath(tmp_path), "moved", "a.txt")


def test_a_kept_folder_sees_a_file_that_becomes_a_link(docroot: Path) -> None:
    folder = Docroot(str(docroot))
    assert found(folder, "sub", "a.txt") is not None
    (docroot / "sub" / "a.txt").unlink()
    (docroot / "sub" / "a.txt").symlink_to(docroot.parent / "rootfile")
    assert found(folder, "sub", "a.txt") is None
    (docroot / "sub" / "a.txt").unlink()
    (docroot / "sub").rmdir()
    (docroot / "sub").symlink_to(docroot.parent)
    assert found(folder, "sub", "rootfile") is None


@pytest.mark.skipif(os.name != "posix", reason="everything is resolved elsewhere")
def test_a_kept_folder_asks_the_system_once_for_each_segment(
    docroot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Docroot(os.path.realpath(docroot))
    folder.find(["sub", "a.txt"])
    asked: list[str] = []

    def noted(ask: Callable[[str], os.stat_result]) -> Callable[[str], os.stat_result]:
        def note_and_ask(path: str) -> os.stat_result:
            asked.append(path)
            return ask(path)

        return note_and_ask

    monkeypatch.setattr(os, "stat", noted(os.stat))
    monkeypatch.setattr(os, "lstat", noted(os.lstat))
    assert folder.find(["sub", "a.txt"]) is not None
    assert folder.find(["sub", "b.txt"]) is None
    monkeypatch.undo()
    assert len(asked) == 6


def test_the_root_of_the_system_may_be_kept() -> None:
    folder = Docroot(os.path.abspath(os.sep))
    assert found(folder) == os.path.abspath(os.sep)
    top = next(name for name in os.listdir(os.sep) if not name.startswith("."))
    assert found(folder, top) == os.path.realpath(os.path.join(os.sep, top))


@pytest.mark.parametrize(
    ("prefix", "path", "is_its"),
    [
        ("/", "/", True),
        ("", "/a", True),
        ("/", "*", False),
        ("a", "/a", True),
        ("/a//b/", "/a/b/c", True),
        ("/a", "/ab", False),
        ("/a/b", "/a", False),
    ],
)
def test_what_is_below_a_mount(prefix: str, path: str, is_its: bool) -> None:
    assert is_below(path, mount(prefix)) == is_its
