"""Events of :class:`circuits.protocols.irc.IRC`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits.core.events import Event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .message import Message

__all__ = ["reply", "request", "response"]


class response(Event):  # noqa: N801 - documented name
    """A message that has come; the class of the events that are named after commands.

    Fired by the component on its channel.

    Attributes:
        tags: IRCv3 tags of the message.
    """

    def __init__(self, *args: Any, tags: Mapping[str, str] | None = None) -> None:
        super().__init__(*args)
        self.tags: Mapping[str, str] = {} if tags is None else tags


class request(Event):  # noqa: N801 - documented name
    """A message shall be sent. Fired at the component by anyone, as commands make it."""

    def __init__(self, message: Message) -> None:
        super().__init__(message)


class reply(Event):  # noqa: N801 - documented name
    """A server shall answer a client. For applications to fire and to handle.

    Nobody else handles it: the application knows the nickname that ``message.add_nick`` asks
    for, and its own name for ``message.prefix``.

    Args:
        target: The socket of the client.
        message: What to answer.
    """

    def __init__(self, target: Any, message: Message) -> None:
        super().__init__(target, message)
