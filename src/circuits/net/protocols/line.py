"""Lines out of what a socket or a file reads (manual: circuits.net.protocols.line)."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any

from circuits._wire.line import LIMIT_BYTES, LineDecoder, LineTooLongError, split_lines
from circuits._wire.line import LINE_END as LINESEP
from circuits.core._routing import is_below
from circuits.core._turns import LEAST
from circuits.core.components import BaseComponent
from circuits.core.events import Event
from circuits.core.handlers import handler
from circuits.net.sockets import SocketError

from ._backlog import Backlog, BacklogFullError

if TYPE_CHECKING:
    from collections.abc import Callable

    from circuits._wire.line import Splitter
    from circuits.core.manager import Manager

__all__ = ["LINESEP", "LP", "BacklogFullError", "Line", "LineTooLongError", "splitLines"]


#: Of the handlers that put an end off until the last line is told: before those that hear of it.
_FIRST = 100


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

    Handles ``read``, ``disconnect``, ``disconnected``, ``eof`` and ``prepare_unregister``; fires
    ``line`` and, for each line past ``max_line``, one ``socket_error`` with a
    :class:`LineTooLongError`, in its place among the lines. The rest of such a line is dropped as it
    comes.

    Of a read with many lines some are fired, and some more whenever others had their turn. Nothing is
    read from that peer meanwhile, and its end comes after its last line. A source that cannot be
    paused and sends more than can be kept is told by one ``socket_error`` with a
    :class:`BacklogFullError`.

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
        self._backlog = Backlog(self, self._share, self._receive, self._lost)
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
        backlog = self._backlog
        if backlog.peers and self._keep(args[:-1], args[-1]):
            return
        if self._receive(*args):
            backlog.begin(*args[:-1])

    def _receive(self, *args: Any) -> bool:
        if len(args) == 1:
            self._decoder.receive_data(args[0])
            return self._tell(self._decoder)
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
        has_more = self._tell(decoder, sock)
        if is_datagram and (has_more or decoder.is_unfinished):
            if len(self._decoders) >= MOST_SENDERS:
                self._forget_oldest_sender()
            self._decoders[sock] = decoder  # as the latest
        return has_more

    def _forget_oldest_sender(self) -> None:
        senders = [key for key in self._decoders if isinstance(key, tuple)]
        if len(senders) >= MOST_SENDERS:
            del self._decoders[senders[0]]

    def _keep(self, who: tuple[Any, ...], data: Any) -> bool:
        try:
            return self._backlog.keep(who, data)
        except BacklogFullError as problem:
            self.fire(SocketError(*who, problem))
            return True

    def _share(self, *who: Any) -> bool:
        decoder = self._decoders.get(*who) if who else self._decoder
        return decoder is not None and self._tell(decoder, *who)

    def _lost(self, *who: Any) -> None:
        decoder = self._decoders.get(*who) if who else self._decoder
        if decoder is not None:
            decoder.drop_line()

    @handler("disconnect", priority=_FIRST)
    def _on_disconnect(self, event: Event, sock: Any = None) -> None:
        if not self._backlog.put_off((sock,), event):
            self._decoders.pop(sock, None)

    @handler("disconnected", priority=_FIRST)
    def _on_disconnected(self, event: Event) -> None:
        if not self._backlog.put_off((), event):
            self._decoder = self._new_decoder()

    @handler("eof", priority=_FIRST)
    def _on_eof(self, event: Event, *who: Any) -> None:
        self._backlog.put_off(who, event)

    @handler("prepare_unregister", channel="*")
    def _on_prepare_unregister(self, component: Manager) -> None:
        if self._backlog.peers and is_below(self, component):
            self._backlog.finish()

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
            if sock not in self._backlog.peers and self._tell(decoder, *sock):
                self._backlog.begin(*sock)

    def _tell(self, decoder: LineDecoder, *sock: Any) -> bool:
        if decoder.is_deferred:
            self._look_later(decoder, *sock)
        encoding = self.encoding
        turns = self._tree_engine.turns
        share = turns.left
        for count in range(share if share > LEAST else LEAST):
            line = decoder.next_message()
            if line is None:
                turns.left = share - count
                return False
            if isinstance(line, LineTooLongError):
                self.fire(SocketError(*sock, line))
            elif encoding is None or isinstance(line, str):
                self.fire(Line(*sock, line))
            else:
                self.fire(Line(*sock, bytes(line).decode(encoding, "replace")))
        turns.left = share - count - 1
        return decoder.has_message
