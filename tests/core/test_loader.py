from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from circuits import Component, Event, Loader
from circuits.testing import settle

_SOURCE = """
from circuits import BaseComponent, Component

class Zebra(Component):
    pass

class Ape(Component):
    channel = "ape"

    def init(self, *args, **kwargs):
        self.got = args, kwargs

number = 3
"""


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("ld_"):
            del sys.modules[name]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ld_zoo.py").write_text(_SOURCE)
    (tmp_path / "ld_empty.py").write_text("from circuits import Component\n")
    (tmp_path / "ld_broken.py").write_text("1 / 0\n")
    return tmp_path


def test_the_first_component_class_of_the_module_is_made_and_registered(folder: Path) -> None:
    loader = Loader(paths=[str(folder)], init_args=(1,), init_kwargs={"key": 2})
    component: Any = loader.load("ld_zoo")
    assert type(component).__name__ == "Ape"
    assert component.got == ((1,), {"key": 2})
    assert component in loader
    assert loader.channel == "loader"


def test_registering_can_be_left_out(folder: Path) -> None:
    loader = Loader(auto_register=False, paths=[str(folder)])
    component = loader.load("ld_zoo")
    assert component is not None
    assert component.parent is component


@pytest.mark.parametrize("name", ["ld_empty", "ld_broken", "ld_missing"])
def test_nothing_suitable_gives_nothing(folder: Path, name: str) -> None:
    loader = Loader(paths=[str(folder)])
    assert loader.load(name) is None
    assert len(loader.components) == 0


def test_the_event_load(folder: Path) -> None:
    app = Component()
    Loader(paths=[str(folder)]).register(app)
    value = app.fire(Event.create("load", "ld_zoo"), "loader")
    settle(app)
    assert type(value.value).__name__ == "Ape"


@pytest.mark.parametrize("suffix", ["zip", "egg"])
def test_an_archive_is_a_path(tmp_path: Path, suffix: str) -> None:
    archive = tmp_path / f"parts.{suffix}"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("ld_zipped.py", _SOURCE)
        file.writestr("EGG-INFO/PKG-INFO", "Name: parts\n")
    loader = Loader(paths=[str(archive)])
    assert type(loader.load("ld_zipped")).__name__ == "Ape"


def test_paths_come_first_in_their_order(tmp_path: Path) -> None:
    Loader(paths=["/first", "/second"])
    assert sys.path[:2] == ["/first", "/second"]


def test_a_module_that_changed_is_loaded_anew(folder: Path) -> None:
    loader = Loader(paths=[str(folder)])
    assert type(loader.load("ld_zoo")).__name__ == "Ape"
    source = "from circuits import Component\nclass Aardvark(Component):\n    pass\n# changed\n"
    (folder / "ld_zoo.py").write_text(source)
    assert type(loader.load("ld_zoo")).__name__ == "Aardvark"


def test_it_can_be_called_from_another_thread_while_the_tree_runs(
    folder: Path, app_thread: Any
) -> None:
    loader = Loader(paths=[str(folder)])
    app_thread(loader)
    assert loader.load("ld_zoo") in loader
