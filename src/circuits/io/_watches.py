"""What is watched by inotify: numbers of watches, and the paths that they stand for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Watch", "Watches"]


class Watch:
    """One path that is watched.

    Attributes:
        path: The path.
        mask: What is to be told of it.
        is_dir: Whether it is a folder.
        recursive: Whether the folders below it are watched, too.
        auto_add: Whether that includes those that come later.
        known: Entries that were told of when the folder was read.
    """

    __slots__ = ("auto_add", "is_dir", "known", "mask", "path", "recursive")

    def __init__(self, path: str, mask: int, is_dir: bool, recursive: bool, auto_add: bool) -> None:
        self.path = path
        self.mask = mask
        self.is_dir = is_dir
        self.recursive = recursive
        self.auto_add = auto_add
        self.known: set[str] = set()


class Watches:
    """The watches of one component. Two paths to one folder share a number."""

    def __init__(self) -> None:
        self._by_number: dict[int, list[Watch]] = {}
        self._numbers: dict[str, int] = {}

    def of(self, number: int) -> tuple[Watch, ...]:
        """The paths that a number stands for; none if the watch has ended."""
        return tuple(self._by_number.get(number, ()))

    def all(self) -> Iterator[Watch]:
        """Every watch there is now."""
        for watches in list(self._by_number.values()):
            yield from list(watches)

    def number(self, path: str) -> int | None:
        """The number that a path has."""
        return self._numbers.get(path)

    def has_above(self, path: str) -> bool:
        """Whether the folder that a path is in is watched."""
        folder = os.path.dirname(path)
        return folder in self._numbers or os.path.join(folder, "") in self._numbers

    def add(self, number: int, watch: Watch) -> list[int]:
        """Enter a path; one that is there already is replaced.

        Returns:
            The numbers that stand for nothing any more.
        """
        ended = self.remove(watch.path, False)
        self._numbers[watch.path] = number
        self._by_number.setdefault(number, []).append(watch)
        return [old for old in ended if old != number]

    def remove(self, path: str, recursive: bool) -> list[int]:
        """Take out a path.

        Args:
            path: Which.
            recursive: Whether what is below goes, too.

        Returns:
            The numbers that stand for nothing any more.
        """
        below = os.path.join(path, "")
        gone = [p for p in self._numbers if p == path or (recursive and p.startswith(below))]
        ended = []
        for name in gone:
            number = self._numbers.pop(name)
            left = [watch for watch in self._by_number[number] if watch.path != name]
            if left:
                self._by_number[number] = left
            else:
                del self._by_number[number]
                ended.append(number)
        return ended

    def rename(self, old: str, new: str) -> None:
        """A folder has another name now, and so have all below it."""
        below = os.path.join(old, "")
        for path in [p for p in self._numbers if p == old or p.startswith(below)]:
            number = self._numbers.pop(path)
            moved = new + path[len(old) :]
            self._numbers[moved] = number
            for watch in self._by_number[number]:
                if watch.path == path:
                    watch.path = moved

    def end(self, number: int) -> None:
        """The kernel has ended a watch."""
        for watch in self._by_number.pop(number, ()):
            self._numbers.pop(watch.path, None)

    def clear(self) -> None:
        """Forget everything."""
        self._by_number.clear()
        self._numbers.clear()
