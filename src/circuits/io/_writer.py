"""What files and serial ports share: what is written before they are open, while nobody reads it,
and when the application ends.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from circuits.core._descriptor import MAX_PENDING, Descriptor, DescriptorOwner

from .events import Close, Open, Pause, Ready, Resume, Write, report

if TYPE_CHECKING:
    from circuits.core.events import Event

    from ._modes import DirectFile

__all__ = ["HIGH_WATER", "LOW_WATER", "MAX_PENDING", "OwnOpen", "Writer"]

#: More than this pending, and ``pause`` is fired; less than the other, ``resume``; in bytes.
HIGH_WATER = 1024 * 1024
LOW_WATER = 256 * 1024


class OwnOpen(Open):
    """A component wants itself to be opened: others on its channel have nothing to do."""

    name = "open"
    _stays_here = True  # no bridge takes it along

    def __init__(self, component: Writer) -> None:
        super().__init__()
        self.component = component


class Writer(DescriptorOwner):
    """A component with one stream that it writes to."""

    encoding: str
    _stream: Descriptor | DirectFile | None = None
    _was_opened = False  # or tried to
    _is_closing = False  # asked to, before it is open
    _is_paused = False
    _ended_by_stop = False
    #: Whether it opens again when the application is run again.
    _reopens = False
    _early: list[bytes]
    _early_bytes = 0

    def _set_limits(self, high_water: int, low_water: int, max_pending: int) -> None:
        self._high_water, self._low_water = high_water, low_water
        self._max_pending = max_pending
        self._early = []

    # -- what a subclass provides --

    def _label(self) -> Any:
        """What errors name as the file."""
        raise NotImplementedError

    def _stop_reading(self) -> None:
        """It is being closed."""

    def _fault_channels(self) -> tuple[Any, ...]:
        """Where to tell what fails, and when to pause."""
        return (self.channel,)

    @property
    def closed(self) -> bool:
        """Whether it is not open: not yet, or not any more."""
        return self._stream is None

    # -- opening --

    def _poller_found(self) -> None:
        self.fire(Ready(self))
        self.fire(OwnOpen(self))

    def _reopen(self) -> None:
        self.fire(OwnOpen(self))

    def _encode(self, text: str) -> bytes:
        return text.encode(self.encoding)

    # -- writing --

    def _write(self, data: bytes | bytearray | memoryview | str) -> None:
        if isinstance(data, str):
            data = self._encode(data)
        elif not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"bytes or str can be written, not {type(data).__name__}")
        if not self._tree_engine.thread_is_ours():
            self.fire(Write(bytes(data)), self)  # what opens and drains it is in the loop's thread
            return
        stream = self._stream
        if stream is None and not self._was_opened and not self._is_closing:
            self._early.append(bytes(data))
            self._early_bytes += len(data)
            if self._early_bytes > self._max_pending:
                self._take_early()
                self._refuse(errno.ENOBUFS, "too much was written before it was open")
        elif stream is None or not stream.is_open:
            self._refuse(errno.EBADF, "it is closed")
        else:
            stream.write(data)
            if stream.pending_bytes > self._high_water and not self._is_paused:
                self._is_paused = True
                self._tell_flow(Pause())

    def _take_early(self) -> list[bytes]:
        early, self._early, self._early_bytes = self._early, [], 0
        return early

    def _open_failed(self, problem: Exception) -> None:
        if self._early_bytes:
            problem.add_note(f"{self._early_bytes} bytes were not written")
        self._take_early()
        self._is_closing = False
        report(self, problem, *self._fault_channels())

    def _opened(self) -> None:
        """It is open: do what was asked for before."""
        for data in self._take_early():
            self._write(data)
        is_closing, self._is_closing = self._is_closing, False
        if self._is_stopping:
            self._application_stopped()
        elif is_closing:
            self._close()

    def _refuse(self, number: int, text: str) -> None:
        report(self, OSError(number, text, self._label()), *self._fault_channels())

    def _tell_flow(self, event: Event) -> None:
        self.fire(event, *self._fault_channels())

    def _descriptor_flushed(self, descriptor: Descriptor) -> None:
        if self._is_paused and descriptor.pending_bytes < self._low_water:
            self._is_paused = False
            self._tell_flow(Resume())

    def _descriptor_failed(self, descriptor: Any, problem: OSError) -> None:
        if problem.filename is None:
            problem.filename = self._label()
        if descriptor.pending_bytes:
            problem.add_note(f"{descriptor.pending_bytes} bytes were not written")
        report(self, problem, *self._fault_channels())

    # -- closing --

    def _close(self) -> None:
        if not self._tree_engine.thread_is_ours():
            self.fire(Close(), self)  # after what was written from there before
            return
        stream = self._stream
        if stream is not None:
            self._stop_reading()
            stream.close()
        elif not self._was_opened:
            self._is_closing = True

    def _drop(self, stream: Descriptor | DirectFile, why: str) -> None:
        """Close at once; tell if that loses anything."""
        if stream.pending_bytes:
            stream.fail(OSError(errno.ECANCELED, why))
        stream.finish()

    def _leave(self) -> Any:
        if self._stream is not None:
            self._drop(self._stream, "the component has left its tree")
        super()._leave()
        self._was_opened = self._is_closing = self._ended_by_stop = False

    # -- the application --

    def _application_started(self) -> None:
        super()._application_started()
        if self._ended_by_stop:
            self._ended_by_stop = False
            if self._reopens:
                self._was_opened = False
                self._reopen()

    def _application_stopped(self) -> None:
        """Write what is pending, and close."""
        self._ended_by_stop = True
        self._close()
        if self._stream is not None:
            self._hold_end()

    def _grace_over(self) -> None:
        if self._stream is not None:
            text = "nobody takes what is pending, and the application ends"
            self._stream.fail(TimeoutError(errno.ETIMEDOUT, text))
