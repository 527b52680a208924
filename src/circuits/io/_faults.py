"""How components of this package tell that something failed."""

from __future__ import annotations

import logging
from typing import Any

from .events import Error, IoError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuits.core.components import BaseComponent

__all__ = ["report"]


def report(component: BaseComponent, problem: BaseException, *channels: Any) -> None:
    """Fire ``error`` and ``io_error``; log what nobody would hear of.

    Args:
        component: Who it happened to.
        problem: What.
        *channels: Where to fire; the component's channel by default.
    """
    where = channels or (component.channel,)
    error = Error(problem)
    error.channels = where
    engine = component._tree_engine
    if not error._choose_routes(engine.route("error", where)):
        if not engine.route("io_error", where):
            logging.getLogger("circuits").error("%r failed: %s", component, problem)
    component.fire(error, *where)
    component.fire(IoError(problem), *where)
