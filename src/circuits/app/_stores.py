"""Sections of options in memory, and their two formats."""

from __future__ import annotations

import configparser
import tomllib
from io import StringIO
from typing import TYPE_CHECKING, Any

from ._toml import dump_toml

if TYPE_CHECKING:
    from collections.abc import Mapping


class IniStore:
    """Sections of text, by the standard parser."""

    def __init__(self, defaults: Mapping[str, Any]) -> None:
        self._parser = configparser.ConfigParser({k: _text(v) for k, v in defaults.items()})
        self.sections = self._parser.sections
        self.add_section = self._parser.add_section
        self.has_section = self._parser.has_section
        self.has_option = self._parser.has_option

    def parse(self, text: str, source: str) -> None:
        self._parser.read_string(text, source)

    def dump(self) -> str:
        file = StringIO()
        self._parser.write(file)
        return file.getvalue()

    def set(self, section: str, option: str, value: Any) -> None:
        self._parser.set(section, option, _text(value))

    def get(self, section: str, option: str, raw: bool, vars: Mapping[str, Any] | None) -> Any:
        return self._parser.get(section, option, raw=raw, vars=_texts(vars))

    def items(
        self, section: str, raw: bool, vars: Mapping[str, Any] | None
    ) -> list[tuple[str, Any]]:
        return list(self._parser.items(section, raw=raw, vars=_texts(vars)))

    def take(self, other: Store) -> None:
        """Copy what another store holds."""
        for section in other.sections():
            self.add_section(section)
            for option, value in other.items(section, True, None):
                escape = isinstance(other, TomlStore) and isinstance(value, str)
                self.set(section, option, value.replace("%", "%%") if escape else value)


class TomlStore:
    """Sections of values with types."""

    def __init__(self, defaults: Mapping[str, Any]) -> None:
        self._given = dict(defaults)
        self._defaults: dict[str, Any] = {}  # those of the file
        self._tables: dict[str, dict[str, Any]] = {}

    def parse(self, text: str, source: str) -> None:
        for name, value in tomllib.loads(text).items():
            (self._tables if isinstance(value, dict) else self._defaults)[name] = value

    def dump(self) -> str:
        return dump_toml({**self._defaults, **self._tables})

    def sections(self) -> list[str]:
        return list(self._tables)

    def add_section(self, section: str) -> None:
        if section in self._tables or section in self._defaults:
            raise configparser.DuplicateSectionError(section)
        self._tables[section] = {}

    def has_section(self, section: str) -> bool:
        return section in self._tables

    def has_option(self, section: str, option: str) -> bool:
        return section in self._tables and option in self._options(section, None)

    def _options(self, section: str, vars: Mapping[str, Any] | None) -> dict[str, Any]:
        try:
            table = self._tables[section]
        except KeyError:
            raise configparser.NoSectionError(section) from None
        return {**self._given, **self._defaults, **table, **(vars or {})}

    def set(self, section: str, option: str, value: Any) -> None:
        if section not in self._tables:
            raise configparser.NoSectionError(section)
        dump_toml({option: value})  # raises for what TOML cannot hold
        self._tables[section][option] = value

    def get(self, section: str, option: str, raw: bool, vars: Mapping[str, Any] | None) -> Any:
        options = self._options(section, vars)
        if option not in options:
            raise configparser.NoOptionError(option, section)
        return options[option]

    def items(
        self, section: str, raw: bool, vars: Mapping[str, Any] | None
    ) -> list[tuple[str, Any]]:
        return list(self._options(section, vars).items())

    def take(self, other: Store) -> None:
        """Copy what another store holds; of an INI file, that is text."""
        for section in other.sections():
            self._tables[section] = dict(other.items(section, False, None))


Store = IniStore | TomlStore


def _texts(vars: Mapping[str, Any] | None) -> dict[str, str] | None:
    return None if vars is None else {k: _text(v) for k, v in vars.items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)
