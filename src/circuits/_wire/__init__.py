"""Pure codecs: bytes to messages and back.

Nothing here touches a socket, a clock, a log or an event, so every codec can be tested with
literals and used by any transport. A codec is fed with ``receive_data(data)``, read with
``next_message()`` and says who is wrong when something is:

    ProtocolError
        LocalProtocolError      our side asked for something that must not be sent
        RemoteProtocolError     the peer broke the rules; each codec has its own, which knows
                                what to answer
"""

from __future__ import annotations

__all__ = ["LocalProtocolError", "ProtocolError"]


class ProtocolError(Exception):
    """Root of what codecs raise."""


class LocalProtocolError(ProtocolError, ValueError):
    """A bug on our side: the message would not be legal on the wire, or comes at a wrong time.

    A ``ValueError`` too, because the usual cause is a bad argument such as a line break in a
    header value.
    """
