"""Loader: components from modules that are named at run time (manual: circuits.core.loader)."""

from __future__ import annotations

import sys

from .components import BaseComponent
from .handlers import handler
from .utils import safeimport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

__all__ = ["Loader"]


class Loader(BaseComponent):
    """Makes components of modules found by name.

    Handles ``load(name)`` on its channel.

    Args:
        auto_register: Whether what is loaded is registered to the loader.
        init_args: Positional arguments for the components.
        init_kwargs: Keyword arguments for the components.
        paths: Folders, zip archives or eggs, to be searched before all others.
        channel: Where to listen.
    """

    def __init__(
        self,
        auto_register: bool = True,
        init_args: Iterable[Any] | None = None,
        init_kwargs: Mapping[str, Any] | None = None,
        paths: Iterable[str] | None = None,
        channel: Any = "loader",
    ) -> None:
        super().__init__(channel=channel)
        self._auto_register = auto_register
        self._init_args = tuple(init_args or ())
        self._init_kwargs = dict(init_kwargs or {})
        for path in reversed([str(path) for path in paths or ()]):
            sys.path.insert(0, path)

    @handler("load")
    def load(self, name: str) -> BaseComponent | None:
        """Import a module and make an instance of its component.

        That is the first, in alphabetical order, of the component classes that the module
        itself defines.

        Args:
            name: Dotted name of the module. One that is imported already is reloaded.

        Returns:
            The component, or ``None`` if the import failed or the module has none.
        """
        module = safeimport(name)
        if module is None:
            return None
        for _, member in sorted(vars(module).items()):
            if (
                isinstance(member, type)
                and issubclass(member, BaseComponent)
                and member.__module__ == module.__name__
            ):
                component = member(*self._init_args, **self._init_kwargs)
                if self._auto_register:
                    component.register(self)
                return component
        return None
