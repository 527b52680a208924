"""What components have open, kept from the garbage until they have closed it.

A tree is a circle, and who forgets one without stopping it leaves it to the garbage collector, which
finalizes what is in a circle in any order. A component closes what it has when its turn comes; a
socket that came before it would warn that nobody has closed it. What is held here is in no circle.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["HELD", "close", "hold"]

#: By identity: what a program has made may be equal to something else, or have no hash. Kept by the
#: interpreter itself: when that ends, all modules and what they have made are one more circle.
HELD: dict[int, Any] = vars(sys).setdefault("_circuits_held", {})


def hold(thing: Any) -> None:
    """Keep something until it is closed by :func:`close`; once, however often this is called.

    What refers to its component, in whatever way, would keep that alive as well.
    """
    HELD[id(thing)] = thing


def close(thing: Any) -> None:
    """Close something, whether it was held or not."""
    HELD.pop(id(thing), None)
    thing.close()
