"""``cached_property`` as functools has it, without its lock."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from functools import cached_property
else:

    class cached_property:  # noqa: N801 - used as the property that it stands for
        """An attribute that is made at the first look, unless somebody sets it before.

        That of functools takes a lock each time, before Python 3.12.
        """

        def __init__(self, make):
            self.func = make
            self.__doc__ = make.__doc__

        def __set_name__(self, owner, name):
            self._name = name

        def __get__(self, thing, owner=None):
            if thing is None:
                return self
            made = vars(thing)[self._name] = self.func(thing)
            return made


__all__ = ["cached_property"]
