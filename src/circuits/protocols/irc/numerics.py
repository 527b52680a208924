"""Numbers of replies and errors."""

from __future__ import annotations

from circuits.net.protocols import _irc_numerics
from circuits.net.protocols._irc_numerics import *  # noqa: F403 - documented names

__all__: list[str] = []
__all__ += _irc_numerics.__all__
