"""Lines out of what a socket or a file reads (manual: circuits.net.protocols.line)."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any

from circuits._wire.line import LIMIT_BYTES, LineDecoder, LineTooLongError, split_lines
from circuits._wire.line import LINE_END as LINESEP
from circuits.core.components import BaseComponent
from circuits.core.events import Event
from circuits.core.handlers import handler
from circuits.core.utils import findchannel
from circuits.net.sockets import SocketError

if TYPE_CHECKING:
    from collections.abc import Callable

    from circuits._wire.line import Splitter

__all__ = ["LINESEP", "LP", "Line", "LineTooLongError", "splitLines"]


class Line(Event):
    """A line has come. Fired by :class:`LP` on its channel; return values are ignored.

    Args:
        *args: ``(line,)``, or ``(sock, line)`` where several peers are served. The line is text
            without its end.
    """


def splitLines(s: bytes, buffer: bytes) -> tuple[list[bytes], bytes]:
    r"""Split data into lines.

    Args:
        s: What has come.
        buffer: What was left over before.

    Returns:
        The whole lines, without the LF or CR LF at their ends, and what is left over now. A CR
        at the very end is left over, since its LF may come.
    """
    return split_lines(s, buffer)


#: How many lines of one connection are fired in a turn of the loop; before the next ones, others have
#: theirs, and nothing more is read from it. So a peer that sends nothing but line ends fills no
#: queue: what is held of it is what was read at once.
LINES_PER_TURN = 256

#: How long a splitter of one's own may be kept from seeing all of a long unfinished line, in seconds.
_DEFER_SECONDS = 0.02

#: Of how many senders of datagrams the beginning of a line is kept: those that came last.
MOST_SENDERS = 256


class LP(BaseComponent):
    """Line protocol: makes ``line`` events out of ``read`` events.

    Register it beside a client, a server or a file, on the same channel. With ``read(data)`` it
    keeps the unfinished line in ``buffer``, with ``read(sock, data)`` one for each socket. An
    unfinished line is dropped when its connection ends. Of senders of datagrams, which never
    say that they end, the unfinished lines of the latest 256 are kept.

    A connection gets 256 ``line`` events in a turn of the loop. While there are more, nothing is
    read from it, so neither memory nor others suffer from a flood.

    Handles ``read``, ``disconnect`` and ``disconnected``; fires ``line`` and, for each line past
    ``max_line``, one ``socket_error`` with a :class:`LineTooLongError`, in its place among the
    lines. The rest of such a line is dropped as it comes.

    Args:
        *args: Ignored, or for ``init`` of a subclass.
        encoding: Of the lines. Each line is decoded on its own, and what cannot be decoded is
            replaced. ``None``: lines are bytes.
        splitter: Function of the data and of what it left over before; it returns a list of
            lines and what is left over now.
        getBuffer: Function of a socket that returns what was left over of its data; ``None`` and
            ``KeyError`` mean nothing. For programs that keep it themselves.
        updateBuffer: Function that is given a socket and what is left over, before the lines are
            fired.
        max_line: Longest line in bytes without its end; ``None`` for no limit.

            .. versionadded:: 2.1
        **kwargs: ``channel``.
    """

    def __init__(
        self,
        *args: Any,
        encoding: str | None = "utf-8",
        splitter: Splitter = splitLines,
        getBuffer: Callable[[Any], Any] | None = None,  # noqa: N803 - documented name
        updateBuffer: Callable[[Any, Any], Any] | None = None,  # noqa: N803 - documented name
        max_line: int | None = LIMIT_BYTES,
        **kwargs: Any,
    ) -> None:
        if encoding is not None:
            codecs.lookup(encoding)  # raises the LookupError that names it
        self.encoding = encoding
        self.splitter = splitter
        self.getBuffer = getBuffer  # documented name
        self.updateBuffer = updateBuffer  # documented name
        self.max_line = max_line
        self._decoder = self._new_decoder()
        self._decoders: dict[Any, LineDecoder] = {}
        self._deferred: set[LineDecoder] = set()  # see _look_later
        self._busy: set[LineDecoder] = set()  # those with lines for further turns
        super().__init__(*args, **kwargs)

    @property
    def buffer(self) -> Any:
        """The unfinished line of ``read(data)``. May be set."""
        return self._decoder.rest

    @buffer.setter
    def buffer(self, rest: Any) -> None:
        self._decoder.rest = rest

    @handler("read")
    def _on_read(self, *args: Any) -> None:
        if len(args) == 1:
            self._decoder.receive_data(args[0])
            self._tell(self._decoder)
            return
        sock, data = args
        is_datagram = isinstance(sock, tuple)
        decoder = self._decoders.pop(sock, None) if is_datagram else self._decoders.get(sock)
        if decoder is None:
            decoder = self._new_decoder()
            if not is_datagram:
                self._decoders[sock] = decoder
        if self.getBuffer is not None:
            decoder.rest = self._stored(self.getBuffer, sock)
        decoder.receive_data(data)
        if self.updateBuffer is not None:
            self.updateBuffer(sock, decoder.rest)
        if is_datagram and decoder.is_unfinished:
            if len(self._decoders) >= MOST_SENDERS:
                self._forget_oldest_sender()
            self._decoders[sock] = decoder  # as the latest
        self._tell(decoder, sock)

    def _forget_oldest_sender(self) -> None:
        senders = [key for key in self._decoders if isinstance(key, tuple)]
        if len(senders) >= MOST_SENDERS:
            del self._decoders[senders[0]]

    @handler("disconnect")
    def _on_disconnect(self, sock: Any = None) -> None:
        decoder = self._decoders.pop(sock, None)
        if decoder is not None:
            self._busy.discard(decoder)

    @handler("disconnected")
    def _on_disconnected(self) -> None:
        self._busy.discard(self._decoder)
        self._decoder = self._new_decoder()

    def _new_decoder(self) -> LineDecoder:
        splitter = None if self.splitter is splitLines else self.splitter
        return LineDecoder(self.max_line, splitter)

    @staticmethod
    def _stored(get_buffer: Callable[[Any], Any], sock: Any) -> Any:
        try:
            stored = get_buffer(sock)
        except KeyError:
            return b""
        return b"" if stored is None else stored

    def _tell(self, decoder: LineDecoder, *sock: Any) -> None:
        """Fire the lines that have come; of many, some now and the others in further turns."""
        if decoder.is_deferred:
            self._look_later(decoder, *sock)
        if decoder not in self._busy:
            self._tell_some(decoder, *sock)
            while decoder.has_messages and self._tree_engine.runner is None:
                self._tell_some(decoder, *sock)  # there are no turns
            if decoder.has_messages:
                self._busy.add(decoder)
                self._hold_reading(True, *sock)
                self._tell_later(decoder, *sock)

    def _look_later(self, decoder: LineDecoder, *sock: Any) -> None:
        """Have a splitter of one's own see everything soon, however much comes until then."""
        if self._tree_engine.runner is None:
            decoder.catch_up()
        elif decoder not in self._deferred:
            self._deferred.add(decoder)
            self._tree_engine.schedule.call_in(_DEFER_SECONDS, lambda: self._look(decoder, *sock))

    def _look(self, decoder: LineDecoder, *sock: Any) -> None:
        self._deferred.discard(decoder)
        if decoder is self._decoder or decoder in self._decoders.values():
            decoder.catch_up()
            self._tell(decoder, *sock)

    def _tell_later(self, decoder: LineDecoder, *sock: Any) -> None:
        self._tree_engine.turns.add(lambda: self._tell_more(decoder, *sock))

    def _tell_more(self, decoder: LineDecoder, *sock: Any) -> None:
        if decoder not in self._busy:
            return  # its connection has ended
        self._tell_some(decoder, *sock)
        if decoder.has_messages:
            self._tell_later(decoder, *sock)
        else:
            self._busy.discard(decoder)
            self._hold_reading(False, *sock)

    def _hold_reading(self, is_held: bool, *sock: Any) -> None:
        """Have whoever reads for us read nothing, or read on."""
        for component in findchannel(self.root, self.channel, all=True):
            hold = getattr(component, "_hold_reading", None)
            if hold is not None and component is not self:
                hold(is_held, *sock)

    def _tell_some(self, decoder: LineDecoder, *sock: Any) -> None:
        encoding = self.encoding
        for _ in range(LINES_PER_TURN):
            line = decoder.next_message()
            if line is None:
                return
            if isinstance(line, LineTooLongError):
                self.fire(SocketError(*sock, line))
            elif encoding is None or isinstance(line, str):
                self.fire(Line(*sock, line))
            else:
                self.fire(Line(*sock, bytes(line).decode(encoding, "replace")))
