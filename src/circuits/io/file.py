"""Files, pipes and terminals as components (manual: circuits.io.file).

Theory of operation. Pipes, terminals and the like are driven by a ``Descriptor`` through the
poller. Regular files are always ready and cannot be watched: a file that is read fires an event
at itself for each piece, so that it takes one piece per turn of the loop and everybody else has
theirs. At the end of a file that is followed, it looks again at an interval.
"""

from __future__ import annotations

import codecs
import errno
import os
import stat
import sys
from typing import TYPE_CHECKING, Any

from circuits.core._descriptor import Descriptor
from circuits.core.components import Component
from circuits.core.events import Event
from circuits.core.handlers import handler

from ._following import Follower
from ._modes import DirectFile, Mode, OpenFile, open_path, take_file
from ._writer import HIGH_WATER, LOW_WATER, MAX_PENDING, OwnOpen, Writer
from .events import (
    EOF,
    Close,
    Closed,
    Error,
    Open,
    Opened,
    Read,
    Ready,
    Rotated,
    Seek,
    Write,
    report,
)

if TYPE_CHECKING:
    from circuits.core._engine import Engine

__all__ = [
    "BUFSIZE",
    "EOF",
    "Close",
    "Closed",
    "Error",
    "File",
    "Open",
    "Opened",
    "Read",
    "Ready",
    "Seek",
    "Write",
]

#: How much is read at once, in bytes.
BUFSIZE = 4096

#: How pollers say that there is nothing to wait for: epoll, and kqueue.
_NOT_WATCHABLE = (errno.EPERM, errno.ENODEV)

#: How often a file that is followed is looked at, in seconds.
INTERVAL = 0.25


#: Who may hold reading.
_FOR_APPLICATION, _FOR_PROTOCOL = 1, 2


class _Next(Event):
    """Read the next piece of a regular file: fired by it at itself."""

    name = "_next_piece"


_NATIVE = "le" if sys.byteorder == "little" else "be"

#: Encodings that begin with a mark, and what they are without it.
_UNMARKED = {"utf-16": f"utf-16-{_NATIVE}", "utf-32": f"utf-32-{_NATIVE}", "utf-8-sig": "utf-8"}


class File(Writer, Component):
    """A file, pipe or terminal: fires what it reads, writes what it is told to.

    Opens when it has joined a tree, and closes when it leaves. Fires ``ready(file)``,
    ``opened(filename, mode)``, ``read(data)`` for each piece, and, in mode ``r``, ``eof()`` and
    ``closed()`` at the end. Files that can be written, too, stay open. What fails is told by
    ``error(exception)`` and ``io_error(exception)``; if it was reading or writing, ``closed``
    follows.

    Handles ``write(data)``, ``seek(offset, whence)``, ``close()`` and ``open()``. What comes before
    the file is open is done then.

    Args:
        filename: Path, or an object with ``fileno()``, whose mode, name and encoding are taken over.
            The flags of a descriptor that somebody else has opened are left as they are; closing the
            file closes such an object.
        mode: As for the built-in ``open``; text or binary makes no difference to what is read.
        bufsize: How much to read at once, in bytes.
        encoding: Of text that is written; ``None`` is that of the interpreter.
        channel: Where to listen and to fire.
        autoclose: ``False``: keep a file open at its end and go on with what is appended, or with
            the file that takes its place (``rotated`` tells). ``eof`` is fired once.
        follow: ``True`` means ``autoclose=False``.

            .. versionadded:: 2.1
        interval: How often to look whether a followed file has grown, in seconds.

            .. versionadded:: 2.1
        high_water, low_water: When to fire ``pause`` and ``resume``, in bytes that are pending.

            .. versionadded:: 2.1
        max_pending: The file fails when more than this is pending, in bytes.

            .. versionadded:: 2.1

    Raises:
        ValueError: There is no such mode.
    """

    channel = "file"
    _filename: Any = None
    _mode: Mode
    _given: OpenFile | None = None
    _reading = False  # not at the end of what there is
    _holds = 0  # who does not want it to be read: the application, and a protocol
    #: Whether the mark of the encoding is there; ``None``: to be seen.
    _is_marked: bool | None = None
    _eof_told = False
    _turn = 0  # which event to go on is the valid one
    _is_terminal = False

    def __init__(
        self,
        filename: Any,
        mode: str = "r",
        bufsize: int = BUFSIZE,
        encoding: str | None = None,
        channel: Any = "file",
        *,
        autoclose: bool = True,
        follow: bool = False,
        interval: float = INTERVAL,
        high_water: int = HIGH_WATER,
        low_water: int = LOW_WATER,
        max_pending: int = MAX_PENDING,
        **kwargs: Any,
    ) -> None:
        self._take(filename, mode)
        if bufsize < 1:
            raise ValueError(f"bufsize must be at least 1, not {bufsize!r}")
        self.bufsize = bufsize
        given = None if isinstance(filename, str | os.PathLike) else filename
        self.encoding = encoding or getattr(given, "encoding", None) or sys.getdefaultencoding()
        self._set_limits(high_water, low_water, max_pending)
        self._follower = Follower(self, interval) if follow or not autoclose else None
        self._seeks: list[tuple[int, int]] = []
        super().__init__(filename, mode, channel=channel, **kwargs)

    def _take(self, filename: Any, mode: str) -> None:
        if not isinstance(filename, str | bytes | os.PathLike):
            own = getattr(filename, "mode", None)  # of some compressed files it is a number
            mode = own if isinstance(own, str) else mode
        self._mode = Mode(mode)
        self._filename = filename

    # -- what it is --

    @property
    def filename(self) -> Any:
        """Path as it was given, or the name of the file object."""
        filename = self._filename
        if isinstance(filename, str | bytes | os.PathLike):
            return filename
        return getattr(filename, "name", None)

    @property
    def mode(self) -> str:
        """The mode, as it was given."""
        return self._mode.text

    # -- opening --

    def _reopen(self) -> None:
        self._poller_found()

    def _label(self) -> Any:
        return self.filename

    def _encode(self, text: str) -> bytes:
        """Encode a piece: a mark of the byte order is written at the beginning of the file only."""
        unmarked = _UNMARKED.get(codecs.lookup(self.encoding).name)
        if unmarked is None:
            return text.encode(self.encoding)
        if self._is_marked is None:
            self._is_marked = not self._begins_file()
        is_marked, self._is_marked = self._is_marked, True
        return text.encode(unmarked if is_marked else self.encoding)

    def _begins_file(self) -> bool:
        """Whether what is written next is the first of the file."""
        stream = self._stream
        try:
            if stream is None:
                return "a" not in self._mode.text or not os.path.getsize(self.filename)
            if "a" in self._mode.text:
                return not os.fstat(stream.file).st_size
            return not os.lseek(stream.file, 0, os.SEEK_CUR)
        except (OSError, TypeError):  # not there yet, or nothing that has positions
            return True

    @handler("open")
    def _on_open(
        self, event: Event, filename: Any = None, mode: Any = None, bufsize: Any = None
    ) -> None:
        if isinstance(event, OwnOpen) and event.component is not self:
            return
        self.open(filename, mode, bufsize)

    @handler(False)
    def open(self, filename: Any = None, mode: str | None = None, bufsize: Any = None) -> None:
        """Open the file, or another one; one that is open is closed first.

        Args:
            filename: Path or file object; the one that it has by default.
            mode: The mode; the one that it has by default.
            bufsize: How much to read at once, in bytes.
        """
        if self._stream is not None:
            self._drop(self._stream, "opened anew")
            self._is_closing = False
        if filename is not None or mode is not None:
            self._take(
                self._filename if filename is None else filename,
                self._mode.text if mode is None else mode,
            )
        self.bufsize = bufsize or self.bufsize
        self._eof_told = False
        if self._was_opened:
            self._is_marked = None
        self._was_opened = True
        try:
            opened = self._acquire()
        except (OSError, ValueError) as problem:
            self._open_failed(problem)
            return
        self._begin(opened)
        if self._stream is None:
            return
        self.fire(Opened(self.filename, self.mode))
        seeks, self._seeks = self._seeks, []
        for offset, whence in seeks:
            self.seek(offset, whence)
        self._opened()

    def _acquire(self) -> OpenFile:
        """Open it, or take what somebody has opened. Raises ``OSError``."""
        filename = self._filename
        if isinstance(filename, str | bytes | os.PathLike):
            return open_path(filename, self._mode)
        flush = getattr(filename, "flush", None)
        if self._mode.writes and flush is not None and not getattr(filename, "closed", False):
            flush()  # what others have written comes first
        return take_file(filename)

    def _begin(self, opened: OpenFile) -> None:
        """Drive what was opened."""
        self._given = opened
        self._is_paused = False
        number = opened.number
        self._reading = self._mode.reads
        self._is_terminal = os.isatty(number)
        if self._can_be_watched(number):
            descriptor = Descriptor(
                self,
                number,
                reads=self._mode.reads and not self._holds,
                is_shared=not opened.is_ours,
                max_pending=self._max_pending,
            )
            self._stream = descriptor
            self._adopt(descriptor)
        else:
            self._stream = DirectFile(self, number, opened.is_ours)
            self._go_on()

    def _can_be_watched(self, number: int) -> bool:
        kind = os.fstat(number).st_mode
        if stat.S_ISREG(kind) or stat.S_ISBLK(kind):
            return False
        if stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind) or self._is_terminal or self._poller is None:
            return True
        try:  # some devices have nothing to wait for
            self._poller.addWriter(self, number)
        except (OSError, ValueError) as problem:
            # Anything else is reported when it is really watched.
            return getattr(problem, "errno", None) not in _NOT_WATCHABLE
        self._poller.removeWriter(number)
        return True

    # -- reading --

    def _go_on(self) -> None:
        """Read the next piece of a regular file in the next turn."""
        if self._reading and not self._holds and isinstance(self._stream, DirectFile):
            self._turn += 1
            self.fire(_Next(self, self._turn), self)

    @handler("_next_piece")
    def _on_next_piece(self, file: File, turn: int) -> None:
        stream = self._stream
        if file is not self or turn != self._turn or stream is None:
            return
        data = stream.read(self.bufsize)
        if data:
            if self._follower is not None:
                self._follower.saw(stream.file)
            self._received(data)
            self._go_on()
        elif data is not None:
            self._at_end()

    def _descriptor_readable(self, descriptor: Descriptor) -> None:
        data = descriptor.read(self.bufsize)
        if data:
            self._received(data)
        elif data is not None:
            self._at_end()

    def _received(self, data: bytes) -> None:
        self.fire(Read(data))

    def _at_end(self, is_hung_up: bool = False) -> None:
        """Nothing is left to be read, for now or for ever."""
        self._reading = False
        stream = self._stream
        if self._mode.ends and not self._eof_told:
            self._eof_told = True
            self.fire(EOF())
        if self._follower is not None and self._follower.wait(is_hung_up):
            return
        if self._mode.ends:
            self.close()
        elif isinstance(stream, Descriptor):
            stream.hold_reading(True)

    def _read_on(self) -> None:
        """There may be more to read: the file has grown, or its position has moved."""
        self._reading = self._mode.reads
        self._go_on()

    def _replace(self, opened: OpenFile) -> None:
        """Go on with the file that has taken the place of the one that is followed."""
        old, self._stream = self._stream, None
        self._is_marked = None
        self._begin(opened)
        if old is not None:
            old.finish()

    def _tell_rotated(self) -> None:
        self.fire(Rotated(self.filename))

    @handler(False)
    def pause_reading(self) -> None:
        """Leave what is to be read where it is, until :meth:`resume_reading`.

        .. versionadded:: 2.1
        """
        self._hold(True, _FOR_APPLICATION)

    @handler(False)
    def resume_reading(self) -> None:
        """Read on after :meth:`pause_reading`.

        .. versionadded:: 2.1
        """
        self._hold(False, _FOR_APPLICATION)

    @handler("_hold_reading")
    def _on_hold_reading(self, is_held: bool, *others: Any) -> None:
        if not others:
            self._hold(is_held, _FOR_PROTOCOL)

    def _hold(self, is_held: bool, whom: int) -> None:
        self._holds = self._holds | whom if is_held else self._holds & ~whom
        if self._holds:
            self._turn += 1
        if isinstance(self._stream, Descriptor) and self._reading:
            self._stream.hold_reading(bool(self._holds))
        self._go_on()

    # -- writing, moving, closing --

    def write(self, data: bytes | bytearray | memoryview | str) -> None:
        """Write, or keep what is not taken yet.

        Args:
            data: Bytes, or text that is encoded.

        Raises:
            TypeError: It is neither.
        """
        if self._stream is not None and not self._mode.writes:
            self._refuse(errno.EBADF, "it was opened for reading only")
        else:
            self._write(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> None:
        """Move the position for reading and writing; of a file that is not open yet, where to begin.

        Args:
            offset: Where to, in bytes.
            whence: From where: 0 the beginning, 1 the present position, 2 the end.
        """
        stream = self._stream
        if stream is None:
            self._seeks.append((offset, whence))
            return
        try:
            os.lseek(stream.file, offset, whence)
        except OSError as problem:
            problem.filename = self.filename
            report(self, problem, *self._fault_channels())
        else:
            self._is_marked = None
            self._read_on()

    def close(self) -> None:
        """Close when all is written. Nothing happens to a file that is closed already."""
        self._close()

    def _stop_reading(self) -> None:
        self._reading = False

    def _descriptor_hung_up(self, descriptor: Descriptor) -> None:
        if self._reading and self._holds:
            return  # there may be something left to be read, when it is wanted
        if self._reading:
            self._at_end(is_hung_up=True)
        if descriptor.pending_bytes:
            descriptor.fail(BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)))
        elif not self._reading:
            descriptor.finish()

    def _descriptor_failed(self, descriptor: Any, problem: OSError) -> None:
        if problem.errno == errno.EIO and self._is_terminal and self._reading:
            # How the end of a pseudo terminal reads, when nobody has its other end open.
            self._reading = False
            if self._mode.ends and not self._eof_told:
                self._eof_told = True
                self.fire(EOF())
            return
        super()._descriptor_failed(descriptor, problem)

    def _descriptor_closed(self, descriptor: Any) -> None:
        if descriptor is not self._stream:
            return
        self._stream = None
        self._reading = False
        given, self._given = self._given, None
        if self._follower is not None:
            self._follower.cancel()
        if given is not None and given.close is not None:
            try:
                given.close()
            except (OSError, ValueError) as problem:
                report(self, problem, *self._fault_channels())
        self._release_end()
        self.fire(Closed())

    # -- the tree and the application --

    def _tree_joined(self) -> None:
        super()._tree_joined()
        # What was queued and scheduled may have stayed in the tree that it has left.
        self._read_on()

    def _tree_left(self, engine: Engine) -> None:
        super()._tree_left(engine)
        if self._follower is not None:
            self._follower.cancel()
