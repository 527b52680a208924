"""Names with several values: the fields of a form, and the parameters of a query."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from .exceptions import MissingField

__all__ = ["MultiValues"]

T_co = TypeVar("T_co", covariant=True)


class MultiValues(Mapping[str, T_co]):
    """A mapping from names to their first values, which has the others, too.

    .. versionadded:: 2.1
    """

    def __init__(self, pairs: Iterable[tuple[str, T_co]] = ()) -> None:
        self._values: dict[str, list[T_co]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> T_co:
        try:
            return self._values[name][0]
        except KeyError:
            raise MissingField(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def getall(self, name: str) -> list[T_co]:
        """All values of a name in their order; none is an empty list."""
        return list(self._values.get(name, ()))

    def pairs(self) -> list[tuple[str, T_co]]:
        """Every name with each of its values."""
        return [(name, value) for name, values in self._values.items() for value in values]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, MultiValues):
            return self._values == other._values
        return Mapping.__eq__(self, other)

    __hash__ = None  # type: ignore[assignment]  # as of any mapping that holds what can change

    def __repr__(self) -> str:
        values: dict[str, Any] = self._values
        return f"<{type(self).__name__} {values!r}>"
