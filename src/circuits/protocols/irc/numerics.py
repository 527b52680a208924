"""Numbers of replies and errors."""

from circuits.net.protocols import _irc_numerics
from circuits.net.protocols._irc_numerics import *  # noqa: F403 - documented names

__all__ = [name for name in vars(_irc_numerics) if name.isupper()]
