"""circuits.app.config: sections of options, in files that are never half written."""

from __future__ import annotations

import configparser
import datetime
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuits import Component
from circuits.app._toml import dump_toml
from circuits.app.config import (
    Config,
    ConfigChangedError,
    ConfigSyntaxError,
    ConfigValueError,
    Load,
    Save,
)
from circuits.testing import settle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from circuits.testing import Recorder

    Run = Callable[[Component], Component]
    Record = Callable[..., Recorder]

INI = """
[DEFAULT]
home = /srv
[general]
Name = the name
data = %(home)s/data
count = 3
share = 0.5
on = Yes
"""

TOML = """
colour = "red"
[general]
Name = "the name"
data = "100 %"
count = 3
share = 0.5
on = true
when = 2026-11-23
hosts = ["a", "b"]
[general.deep]
x = 1
"""


@pytest.fixture(params=["app.ini", "app.TOML"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Config:
    """A configuration of each format with the same options."""
    path = tmp_path / request.param
    path.write_text(TOML if request.param.endswith("TOML") else INI)
    made = Config(path)
    made.load()
    return made


def test_options_have_values_of_the_kind_that_is_asked_for(config: Config) -> None:
    assert config.sections() == ["general"]
    assert config.has_section("general")
    assert not config.has_section("other")
    assert config.has_option("general", "count")
    assert not config.has_option("general", "missing")
    assert not config.has_option("other", "count")
    assert config.get("general", "data") in ("/srv/data", "100 %")
    assert config.getint("general", "count") == 3
    assert config.getfloat("general", "share") == 0.5
    assert config.getboolean("general", "on") is True
    assert config.get("general", "home" if "ini" in config.filename else "colour")


def test_what_is_missing_has_the_default(config: Config) -> None:
    for section in ("general", "other"):
        assert config.get(section, "missing") is None
        assert config.get(section, "missing", "x") == "x"
        assert config.getint(section, "missing") == 0
        assert config.getint(section, "missing", 7) == 7
        assert config.getfloat(section, "missing", 1.5) == 1.5
        assert config.getboolean(section, "missing") is False
        assert config.getboolean(section, "missing", True) is True
    with pytest.raises(configparser.NoSectionError):
        config.items("other")
    with pytest.raises(configparser.NoSectionError):
        config.set("other", "x", "y")


def test_a_value_of_another_kind_is_told_with_its_place(config: Config) -> None:
    for ask in (config.getint, config.getfloat, config.getboolean):
        with pytest.raises(ConfigValueError, match=r"data in \[general\] must be"):
            ask("general", "data")


def test_what_is_saved_is_loaded_again(config: Config) -> None:
    config.add_section("more")
    config.set("more", "text", "ünï \" ' \\ # ; =")
    config.set("more", "number", 12)
    config.save()
    again = Config(config.filename)
    again.load()
    assert again.get("more", "text") == "ünï \" ' \\ # ; ="
    assert again.getint("more", "number") == 12
    assert again.items("general") == config.items("general")
    with pytest.raises(configparser.DuplicateSectionError):
        again.add_section("more")


def test_a_missing_file_is_empty(tmp_path: Path) -> None:
    for name in ("a.ini", "a.toml"):
        config = Config(tmp_path / name, {"x": 1})
        config.load()
        assert config.sections() == []
        config.add_section("s")
        assert config.getint("s", "x") == 1


def test_loading_again_forgets_what_has_gone(config: Config) -> None:
    config.add_section("ours")
    with open(config.filename, "w", encoding="utf-8") as file:
        file.write("[other]\n")
    config.load()
    assert config.sections() == ["other"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.ini", b"[general\n"),
        ("a.ini", b"x = 1\n"),
        ("a.ini", b"[a]\nx=1\nx=2\n"),
        ("a.ini", b"[a]\nx=\xff\n"),
        ("a.toml", b"x = \n"),
        ("a.toml", b"x = '\xff'\n"),
    ],
)
def test_a_malformed_file_changes_nothing(tmp_path: Path, name: str, data: bytes) -> None:
    good = tmp_path / f"good-{name}"
    good.write_text("[kept]\n")
    config = Config(good)
    config.load()
    bad = tmp_path / name
    bad.write_bytes(data)
    with pytest.raises(ConfigSyntaxError, match=name):
        config.load(bad)
    assert config.sections() == ["kept"]
    assert config.filename == os.fspath(good)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"folder\.ini"):
        (tmp_path / "folder.ini").mkdir()
        Config(tmp_path / "folder.ini").load()


def test_a_file_that_somebody_else_has_changed_is_not_overwritten(config: Config) -> None:
    assert not config.is_changed()
    with open(config.filename, "a", encoding="utf-8") as file:
        file.write("\n[theirs]\n")
    assert config.is_changed()
    with pytest.raises(ConfigChangedError, match="changed on disk"):
        config.save()
    config.load()
    config.add_section("ours")
    config.save()
    config.save()  # what we have written ourselves is no change
    assert config.sections() == ["general", "theirs", "ours"]


def test_a_file_that_comes_after_it_was_looked_for_is_a_change(tmp_path: Path) -> None:
    config = Config(tmp_path / "a.ini")
    config.load()
    (tmp_path / "a.ini").write_text("[theirs]\n")
    with pytest.raises(ConfigChangedError):
        config.save()
    (tmp_path / "a.ini").unlink()
    config.save()


def test_another_file_name_is_the_one_from_now_on(config: Config, tmp_path: Path) -> None:
    for name in ("b.toml", "b.ini"):
        config.save(tmp_path / name)
        assert config.filename == os.fspath(tmp_path / name)
        again = Config(config.filename)
        again.load()
        assert again.getint("general", "count") == 3
        assert again.get("general", "data") == config.get("general", "data")


def test_saving_keeps_the_mode_and_links(tmp_path: Path) -> None:
    real, link = tmp_path / "real.ini", tmp_path / "link.ini"
    real.write_text("[a]\n")
    real.chmod(0o640)
    link.symlink_to(real)
    config = Config(link)
    config.load()
    config.add_section("b")
    config.save()
    assert link.is_symlink()
    assert "[b]" in real.read_text()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.ini", "real.ini"]


def test_a_save_that_fails_leaves_the_file_alone(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (tmp_path / os.path.basename(config.filename)).read_bytes()

    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    config.add_section("more")
    with pytest.raises(OSError, match="No space"):
        config.save()
    path = tmp_path / os.path.basename(config.filename)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_ini_takes_raw_and_vars_into_account(tmp_path: Path) -> None:
    path = tmp_path / "a.ini"
    path.write_text("[s]\na = %(b)s\nb = 1\n")
    config = Config(path)
    config.load()
    assert config.get("s", "a") == "1"
    assert config.get("s", "a", raw=True) == "%(b)s"
    assert config.get("s", "a", vars={"b": 2}) == "2"
    assert config.items("s") == [("a", "1"), ("b", "1")]
    assert config.items("s", raw=True) == [("a", "%(b)s"), ("b", "1")]
    assert ("a", "2") in config.items("s", vars={"b": "2"})
    config.set("s", "c", "%(missing)s")
    with pytest.raises(configparser.InterpolationError):
        config.get("s", "c")


def test_toml_keeps_types(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(TOML)
    config = Config(path)
    config.load()
    config.save()
    config.load()
    assert config.get("general", "when") == datetime.date(2026, 11, 23)
    assert config.get("general", "hosts") == ["a", "b"]
    assert config.get("general", "deep") == {"x": 1}
    assert config.get("general", "count", vars={"count": 4}) == 4
    with pytest.raises(ValueError, match="no way to write None"):
        config.set("general", "x", None)
    with pytest.raises(configparser.DuplicateSectionError):
        config.add_section("colour")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "pipe"
    os.mkfifo(target)
    config = Config(str(target))
    config.add_section("a")
    with pytest.raises(FileExistsError, match="this is no file"):
        config.save()
    assert stat.S_ISFIFO(target.stat().st_mode)
    assert [*tmp_path.iterdir()] == [target]


def test_events_load_and_save(tmp_path: Path, app_runner: Run, recorder: Record) -> None:
    app = app_runner(Component())
    seen = recorder(app)
    path = tmp_path / "a.ini"
    config = Config(path).register(app)
    app.fire(Load())
    settle(app)
    seen.expect("load_success", on="config")
    config.add_section("s")
    app.fire(Save())
    settle(app)
    seen.expect("save_success", on="config")
    path.write_text("[broken\n")
    app.fire(Load())
    settle(app)
    seen.expect("load_failure", on="config")
    assert config.sections() == ["s"]


_SCALARS = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.dates()
    | st.datetimes()
    | st.times()
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), _VALUES))
def test_toml_that_is_written_is_read_the_same(document: dict[str, Any]) -> None:
    import tomllib

    try:
        text = dump_toml(document)
        text.encode()
    except UnicodeEncodeError:
        return  # keys of inner tables may hold what no file can
    assert tomllib.loads(text) == document


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_toml_knows_all_numbers(value: float) -> None:
    import tomllib

    assert str(tomllib.loads(dump_toml({"x": value}))["x"]) == str(value)


def test_toml_has_text_for_keys() -> None:
    with pytest.raises(ValueError, match="keys of TOML"):
        dump_toml({1: 2})  # type: ignore[dict-item]
