"""How far an exchange is."""

from __future__ import annotations

import enum

__all__ = ["State"]


class State(enum.IntEnum):
    """Where an exchange is; it moves down this list, but for one response that is replaced."""

    HEAD = 0  # the head of the request is here
    BODY = 1  # its body is being gathered, nobody has been asked
    HANDLING = 2  # handlers are asked
    DECIDED = 3  # there is an error, which handlers may still make a page of
    READY = 4  # the response has been fired
    SENDING = 5  # its head is being written; from here on there is no other answer
    STREAMING = 6  # the body follows piece by piece
    DONE = 7
