"""What a poller knows of its descriptors, and what wakes it up."""

from __future__ import annotations

import errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._direct import Direct

    SetInterest = Callable[[int, int, int], object]

__all__ = ["Doors", "Watch", "WatchTable"]


class Doors:
    """Where ``_read`` and ``_write`` of the descriptors of one channel go."""

    __slots__ = ("__weakref__", "read", "write")

    def __init__(self, read: Direct, write: Direct) -> None:
        self.read = read
        self.write = write


class Watch:
    """One descriptor.

    Attributes:
        number: Its number.
        fd: The very object that was given, and that events carry.
        interest: What the kernel reports of it, in bits.
        target: The channel that its events go to.
        owner: The component whose channel that is.
        doors: For ``_read`` and ``_write``; found when it is ready first.
    """

    __slots__ = ("doors", "fd", "interest", "number", "owner", "target")

    def __init__(self, number: int, fd: Any) -> None:
        self.number = number
        self.fd = fd
        self.interest = 0
        self.target: Any = "*"
        self.owner: Any = None
        self.doors: Doors | None = None


class WatchTable(dict[int, Watch]):
    """The descriptors by their numbers, and by the objects that stand for them."""

    __slots__ = ("_numbers",)

    def __init__(self) -> None:
        super().__init__()
        self._numbers: dict[Any, int] = {}

    def find(self, fd: Any) -> Watch | None:
        """The entry of a descriptor, be it a number or an object, open or closed."""
        number = self._numbers.get(fd)
        if number is None and isinstance(fd, int):
            number = fd
        return None if number is None else self.get(number)

    def change(
        self, fd: Any, source: Any, add: int, remove: int, set_interest: SetInterest
    ) -> None:
        """Change what the kernel is to report of a descriptor.

        Args:
            fd: The descriptor.
            source: The component that owns it from now on; ``None`` to stop something.
            add: Bits of interest.
            remove: Bits of interest.
            set_interest: Tells the kernel: number, the interest before, the interest after.

        Raises:
            OSError: The kernel cannot watch it.
        """
        watch = self.find(fd)
        if watch is None:
            if source is None:
                return
            number = fd if isinstance(fd, int) else fd.fileno()
            if number < 0:
                raise OSError(errno.EBADF, "descriptor is closed")
            stale = self.get(number)
            if stale is not None:  # closed behind our back, and its number used again
                self.forget(stale, set_interest)
            watch = Watch(number, fd)
        before = watch.interest
        after = (before | add) & ~remove
        if after != before:
            try:
                set_interest(watch.number, before, after)
            except OSError:
                if source is None:
                    after = before & ~remove  # closed meanwhile: there is nothing to stop
                else:
                    raise
        watch.interest = after
        if source is not None:
            target = getattr(source, "channel", None)
            if target is None:
                target = "*"
            if source is not watch.owner or target != watch.target:
                watch.owner, watch.target = source, target
                watch.doors = None
            self[watch.number] = watch
            self._numbers[fd] = watch.number
        elif not after:
            self._drop(watch)

    def forget(self, watch: Watch, set_interest: SetInterest) -> None:
        """Take an entry out, whatever has become of its descriptor."""
        self._drop(watch)
        before, watch.interest = watch.interest, 0
        if before:
            try:
                set_interest(watch.number, before, 0)
            except (OSError, ValueError):
                return  # closed: the kernel has forgotten it too

    def _drop(self, watch: Watch) -> None:
        self.pop(watch.number, None)
        self._numbers.pop(watch.fd, None)
