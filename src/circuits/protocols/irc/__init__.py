"""IRC as the 3.x line has it: commands are functions, and each command that comes is an event.

What differs from :mod:`circuits.net.protocols.irc`: ``PRIVMSG("#circuits", "hello")`` makes an event
``request`` with a :class:`Message`; a PRIVMSG that comes is an event ``privmsg``, a numeric reply an
event ``numeric``, and the first argument of all is ``(nick, user, host)``.

.. versionadded:: 2.1
"""

from __future__ import annotations

from circuits.net.protocols._irc_numerics import *  # noqa: F403 - documented names

from . import commands, numerics, replies, utils
from .commands import *  # noqa: F403 - documented names
from .events import reply, request, response
from .message import Error, Message
from .protocol import IRC
from .utils import *  # noqa: F403 - documented names

__all__ = ["IRC", "Error", "Message", "replies", "reply", "request", "response"]
__all__ += commands.__all__
__all__ += numerics.__all__
__all__ += utils.__all__
