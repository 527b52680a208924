"""Tools to look at a tree, and to take it apart (manual: circuits.tools)."""

from __future__ import annotations

from circuits.core.utils import findroot

from . import checks, graphs, imports, migration, signatures, suspended, trees
from .checks import *  # noqa: F403 - documented names, as below
from .graphs import *  # noqa: F403
from .imports import *  # noqa: F403
from .migration import *  # noqa: F403
from .signatures import getargspec
from .suspended import *  # noqa: F403
from .trees import *  # noqa: F403

__all__ = ["findroot", "getargspec"]
__all__ += checks.__all__
__all__ += graphs.__all__
__all__ += imports.__all__
__all__ += migration.__all__
__all__ += suspended.__all__
__all__ += trees.__all__
