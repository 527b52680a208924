"""Configuration in a file, INI or TOML (manual: circuits.app.config).

The suffix of the file name decides: ``.toml`` is TOML, all else INI. Both are seen as sections
of options. A file is read as a whole before anything changes, and written beside the old one and
then put in its place, so that there is never half a configuration, in memory or on disk.

ConfigError
    ConfigSyntaxError       the file is not what its name says
    ConfigValueError        an option is not of the kind that was asked for
    ConfigChangedError      saving would undo what somebody else has written
"""

from __future__ import annotations

import configparser
import errno
import os
from typing import TYPE_CHECKING, Any, ClassVar

from circuits.core.components import BaseComponent
from circuits.core.errors import CircuitsError
from circuits.core.events import Event
from circuits.core.handlers import handler

from ._stores import IniStore, TomlStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    T = TypeVar("T")

    from ._stores import Store

    _Fingerprint = tuple[int, int, int]

__all__ = [
    "Config",
    "ConfigChangedError",
    "ConfigError",
    "ConfigEvent",
    "ConfigSyntaxError",
    "ConfigValueError",
    "Load",
    "Save",
]

_BOOLEANS = configparser.ConfigParser.BOOLEAN_STATES


class ConfigError(CircuitsError):
    """Something is wrong with a configuration."""


class ConfigSyntaxError(ConfigError, ValueError):
    """The file cannot be understood; the message says where."""


class ConfigChangedError(ConfigError):
    """The file has changed since it was read, so that saving would undo that."""


class ConfigValueError(ConfigError, ValueError):
    """An option does not have the kind of value that was asked for."""


class ConfigEvent(Event):
    """Base of what is fired at a :class:`Config`, on its channel; success and failure are told."""

    channels: ClassVar[tuple[str, ...]] = ("config",)  # type: ignore[misc]
    success: ClassVar[bool] = True  # type: ignore[misc]
    failure: ClassVar[bool] = True  # type: ignore[misc]


class Load(ConfigEvent):
    """Read the file.

    Fired by anyone, on the channel of the :class:`Config`. ``load_success`` or ``load_failure``
    follows; after a failure, what was there before is still there.

    Args:
        filename: Another file, which is the one from now on.
    """

    def __init__(
        self, filename: str | os.PathLike[str] | None = None, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(filename, *args, **kwargs)


class Save(ConfigEvent):
    """Write the file.

    Fired by anyone, on the channel of the :class:`Config`. ``save_success`` or ``save_failure``
    follows; after a failure the file on disk is what it was.

    Args:
        filename: Another file, which is the one from now on.
    """

    def __init__(
        self, filename: str | os.PathLike[str] | None = None, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(filename, *args, **kwargs)


class Config(BaseComponent):
    """Holds sections of options, and reads and writes their file.

    Nothing is read before a ``Load`` event, or a call of :meth:`load`. Comments are lost when
    the file is saved.

    In an INI file all values are text, names of options are lower case, and ``%(name)s`` stands
    for another option. In a TOML file values have types, which :meth:`get` returns; a table is
    a section, and options that precede all tables are defaults of every section. Tables within
    tables are values.

    Handles ``load`` and ``save``.

    Args:
        filename: The file; a name that ends in ``.toml`` is TOML, any other one INI. ``~`` is
            your home.
        defaults: Options that every section has.
        channel: Channel of the component.

    Attributes:
        filename: The file.

    .. versionchanged:: 2.1
       TOML, and saving without a moment in which the file is incomplete, are new.
    """

    channel = "config"

    def __init__(
        self,
        filename: str | os.PathLike[str],
        defaults: Mapping[str, Any] | None = None,
        channel: Any = "config",
    ) -> None:
        super().__init__(channel=channel)
        self.filename: str = _path(filename)
        self._defaults = dict(defaults or {})
        self._seen: _Fingerprint | None = None  # the file as we last read or wrote it
        self._store: Store = self._new_store()

    def _new_store(self) -> Store:
        kind = TomlStore if self.filename.lower().endswith(".toml") else IniStore
        return kind(self._defaults)

    # -- the file --

    @handler("load")
    def _on_load(
        self, filename: str | os.PathLike[str] | None = None, *args: Any, **kwargs: Any
    ) -> None:
        self.load(filename)

    def load(self, filename: str | os.PathLike[str] | None = None) -> None:
        """Read the file, and forget what was there before. A file that is missing is empty.

        Raises:
            OSError: The file is there and cannot be read.
            ConfigSyntaxError: It cannot be understood.
        """
        before = self.filename
        if filename is not None:
            self.filename = _path(filename)
        store = self._new_store()
        seen = _ABSENT
        try:
            try:
                with open(self.filename, "rb") as file:
                    seen = _fingerprint(os.fstat(file.fileno()))
                    data = file.read()
            except FileNotFoundError:
                data = b""
            try:
                store.parse(data.decode("utf-8-sig"), self.filename)
            except (configparser.Error, ValueError) as problem:
                what = (
                    str(problem) if self.filename in str(problem) else f"{self.filename}: {problem}"
                )
                raise ConfigSyntaxError(what) from problem
        except BaseException:
            self.filename = before
            raise
        self._store, self._seen = store, seen

    @handler("save")
    def _on_save(
        self, filename: str | os.PathLike[str] | None = None, *args: Any, **kwargs: Any
    ) -> None:
        self.save(filename)

    def save(self, filename: str | os.PathLike[str] | None = None) -> None:
        """Write the file: completely, or not at all.

        Raises:
            OSError: It cannot be written.
            ConfigChangedError: Somebody has written it since we did, or read it. Load it, or
                remove it, first.
        """
        before, seen, store = self.filename, self._seen, self._store
        if filename is not None and _path(filename) != before:
            self.filename, seen = _path(filename), None
            store = self._new_store()
            store.take(self._store)
        try:
            if seen is not None and self.is_changed():
                raise ConfigChangedError(
                    f"{self.filename} has changed on disk since it was read: load it before it is saved"
                )
            self._seen = _write(self.filename, store.dump().encode("utf-8"))
            self._store = store
        except BaseException:
            self.filename = before
            raise

    def is_changed(self) -> bool:
        """Whether somebody else has written the file since it was last read or written here.

        .. versionadded:: 2.1
        """
        try:
            now = _fingerprint(os.stat(self.filename))
        except FileNotFoundError:
            return False
        return now != self._seen

    # -- sections and options --

    def sections(self) -> list[str]:
        """The names of the sections.

        .. versionadded:: 2.1
        """
        return self._store.sections()

    def add_section(self, section: str) -> None:
        """Make a section.

        Raises:
            configparser.DuplicateSectionError: There is one of that name.
            ValueError: The name is not allowed.
        """
        self._store.add_section(section)

    def has_section(self, section: str) -> bool:
        """Whether there is a section."""
        return self._store.has_section(section)

    def has_option(self, section: str, option: str) -> bool:
        """Whether a section has an option, be it by default."""
        return self._store.has_option(section, option)

    def set(self, section: str, option: str, value: Any) -> None:
        """Give an option a value; in an INI file, its text, in which ``%`` is written ``%%``.

        Raises:
            configparser.NoSectionError: There is no such section.
            ValueError: The file format has no way to write the value.
        """
        self._store.set(section, option, value)

    def items(
        self, section: str, raw: bool = False, vars: Mapping[str, Any] | None = None
    ) -> list[tuple[str, Any]]:
        """Pairs of option and value.

        Args:
            section: The section.
            raw: Leave ``%(name)s`` as it is.
            vars: Options that come before those of the section.

        Raises:
            configparser.NoSectionError: There is no such section.
        """
        return self._store.items(section, raw, vars)

    def get(
        self,
        section: str,
        option: str,
        default: Any = None,
        raw: bool = False,
        vars: Mapping[str, Any] | None = None,
    ) -> Any:
        """The value of an option.

        Args:
            section: The section.
            option: The option.
            default: What to return if there is no such section or option.
            raw: Leave ``%(name)s`` as it is.
            vars: Options that come before those of the section.

        Raises:
            configparser.InterpolationError: ``%(name)s`` names something that is not there.
        """
        try:
            return self._store.get(section, option, raw, vars)
        except (configparser.NoSectionError, configparser.NoOptionError):
            return default

    def getint(self, section: str, option: str, default: int = 0) -> int:
        """The value of an option as a whole number.

        Raises:
            ConfigError: It is none.
        """
        return self._convert(section, option, default, int, "a whole number")

    def getfloat(self, section: str, option: str, default: float = 0.0) -> float:
        """The value of an option as a number.

        Raises:
            ConfigError: It is none.
        """
        return self._convert(section, option, default, float, "a number")

    def getboolean(self, section: str, option: str, default: bool = False) -> bool:
        """The value of an option as a truth value: yes, true, on, 1 or no, false, off, 0.

        Raises:
            ConfigError: It is none.
        """
        return self._convert(section, option, default, _boolean, "one of yes, no, true, false")

    def _convert(
        self, section: str, option: str, default: T, convert: Callable[[Any], T], what: str
    ) -> T:
        missing: Any = _MISSING
        value = self.get(section, option, missing)
        if value is missing:
            return default
        try:
            return convert(value)
        except (TypeError, ValueError) as problem:
            raise ConfigValueError(
                f"{self.filename}: {option} in [{section}] must be {what}, not {value!r}"
            ) from problem


_MISSING = object()
#: What is seen of a file that is not there.
_ABSENT = (0, 0, 0)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    try:
        return _BOOLEANS[str(value).lower()]
    except KeyError:
        raise ValueError(value) from None


def _path(filename: str | os.PathLike[str]) -> str:
    return os.path.expanduser(os.fspath(filename))


# -- what is on disk ----------------------------------------------------------------------------


def _fingerprint(status: os.stat_result) -> _Fingerprint:
    return (status.st_ino, status.st_size, status.st_mtime_ns)


def _write(filename: str, data: bytes) -> _Fingerprint:
    """Put a file in the place of another one; whoever reads sees the old one or the new one.

    Raises:
        OSError: There is something else than a file, such as a device.
    """
    target = os.path.realpath(filename)  # a link stays a link
    if os.path.exists(target) and not os.path.isfile(target):
        raise OSError(errno.EEXIST, "this is no file, and is left alone", filename)
    beside = f"{target}.{os.getpid()}.tmp"
    number = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with open(number, "wb") as file:
            try:
                mode = os.stat(target).st_mode & 0o7777
            except FileNotFoundError:
                pass  # as the umask says
            else:
                os.chmod(beside, mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            seen = _fingerprint(os.fstat(file.fileno()))
        os.replace(beside, target)
    except BaseException:
        os.unlink(beside)
        raise
    return seen
