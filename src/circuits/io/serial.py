"""Serial ports (manual: circuits.io.serial).

The library pyserial opens and configures the port; from then on it is a descriptor at the poller,
like any other, and nothing waits or polls.
"""

from __future__ import annotations

import errno
import os
from typing import Any

from circuits._wire.line import LIMIT_BYTES, LineDecoder, LineTooLongError
from circuits.core._descriptor import Descriptor
from circuits.core.components import Component
from circuits.core.events import Event
from circuits.core.handlers import handler

from ._writer import HIGH_WATER, LOW_WATER, MAX_PENDING, OwnOpen, Writer
from .events import Close, Closed, Error, Open, Opened, Read, Write, report

__all__ = ["Close", "Closed", "Error", "Open", "Opened", "Read", "Serial", "Write"]


def _library() -> Any:
    """The library pyserial; the only place that imports it."""
    try:
        import serial
    except ImportError as problem:
        raise RuntimeError("Serial needs pyserial: pip install 'circuits[serial]'") from problem
    return serial


class Serial(Writer, Component):
    """A serial port, or any other terminal device: fires what it reads, writes what it is told to.

    Opens when it has joined a tree, and when the application is run again; raw, with 8 bits, no parity and one stop bit. Fires
    ``ready(serial)``, ``opened(port)``, ``read(data)``, ``closed(port)``, and ``pause`` and
    ``resume``. A port that cannot be opened, or that vanishes, is told by ``error(exception)`` and
    ``io_error(exception)``; ``closed`` follows if it was open. Handles ``write(data)``, ``close()``
    and ``open()``, which opens the port again.

    Args:
        port: Name of the device.
        baudrate: Bits per second.
        bufsize: How much to read at once, in bytes.
        timeout: Accepted and kept; reading does not wait.
        channel: Where to listen and to fire.
        encoding: Of text that is written.
        readline: Whether ``read`` is fired for whole lines, with their ends, instead of for
            whatever has come.
        max_line: The longest line with ``readline``, in bytes; what is longer is dropped, and told
            by one error.
        high_water, low_water: When to fire ``pause`` and ``resume``, in bytes that are pending.
        max_pending: The port fails when more than this is pending, in bytes.
        **options: For ``serial.Serial``: ``parity``, ``stopbits``, ``rtscts``, ``exclusive`` ...

    Attributes:
        port, baudrate, bufsize, timeout: As given.
        device: The ``serial.Serial`` while it is open: for its control lines.

    Raises:
        RuntimeError: pyserial is not installed, or the system has no descriptors for its ports.

    .. versionchanged:: 2.1
       Keywords from ``encoding`` on.
    """

    channel = "serial"
    _reopens = True
    device: Any = None

    def __init__(
        self,
        port: str,
        baudrate: int = 115200,
        bufsize: int = 4096,
        timeout: float | None = 0.2,
        channel: Any = "serial",
        *,
        encoding: str = "UTF-8",
        readline: bool = False,
        max_line: int = LIMIT_BYTES,
        high_water: int = HIGH_WATER,
        low_water: int = LOW_WATER,
        max_pending: int = MAX_PENDING,
        **options: Any,
    ) -> None:
        self._serial = _library()
        if os.name == "nt":  # pragma: no cover - not on this system
            raise RuntimeError("Serial needs a descriptor to wait for, which Windows does not have")
        self.port, self.baudrate, self.bufsize, self.timeout = port, baudrate, bufsize, timeout
        self.encoding = encoding
        self._lines = LineDecoder(max_line, _split_keeping_ends) if readline else None
        self._set_limits(high_water, low_water, max_pending)
        self._options = options
        super().__init__(port, baudrate, bufsize, timeout, channel=channel)

    # -- opening --

    def _label(self) -> Any:
        return self.port

    @handler("open")
    def _on_open(self, event: Event, *args: Any) -> None:
        if not isinstance(event, OwnOpen) or event.component is self:
            self.open()

    @handler(False)
    def open(self) -> None:
        """Open the port, again if it has been closed; nothing happens if it is open."""
        if self._stream is not None:
            return
        self._was_opened = True
        self._is_paused = False
        try:
            # A timeout of 0 is what makes the library leave all waiting to us.
            device = self._serial.Serial(self.port, self.baudrate, timeout=0, **self._options)
        except (OSError, ValueError) as problem:  # its own exception is an OSError, too
            self._open_failed(problem)
            return
        try:
            # The library closes its descriptor itself; a copy is ours to close.
            number = os.dup(device.fileno())
        except OSError as problem:
            device.close()
            self._open_failed(problem)
            return
        self.device = device
        descriptor = Descriptor(self, number, max_pending=self._max_pending)
        self._stream = descriptor
        self._adopt(descriptor)
        self.fire(Opened(self.port))
        self._opened()

    # -- reading --

    def _descriptor_readable(self, descriptor: Descriptor) -> None:
        data = descriptor.read(self.bufsize)
        if data:
            self._received(data)
        elif data is not None and _is_hung_up(descriptor.file):
            self._descriptor_hung_up(descriptor)

    @handler("_hold_reading")
    def _on_hold_reading(self, is_held: bool, *others: Any) -> None:
        if isinstance(self._stream, Descriptor) and not others:
            self._stream.hold_reading(is_held)

    def _received(self, data: bytes) -> None:
        if self._lines is None:
            self.fire(Read(data))
            return
        self._lines.receive_data(data)
        while (line := self._lines.next_message()) is not None:
            if isinstance(line, LineTooLongError):
                report(self, line)
            else:
                self.fire(Read(line))

    # -- writing and closing --

    def write(self, data: bytes | bytearray | memoryview | str) -> None:
        """Send.

        Args:
            data: Bytes, or text that is encoded.

        Raises:
            TypeError: It is neither.
        """
        self._write(data)

    def close(self) -> None:
        """Close when all is sent; nothing happens if it is closed already."""
        self._close()

    def _descriptor_hung_up(self, descriptor: Descriptor) -> None:
        descriptor.fail(OSError(errno.EIO, "the device is gone", self.port))

    def _descriptor_closed(self, descriptor: Descriptor) -> None:
        self._stream = None
        device, self.device = self.device, None
        try:
            device.close()
        except OSError:
            pass  # the device is gone, and so is the descriptor
        if self._lines is not None:
            self._lines = LineDecoder(self._lines.limit_bytes, _split_keeping_ends)
        self._release_end()
        self.fire(Closed(self.port))


def _is_hung_up(file: int) -> bool:
    """Whether nothing was read as nobody is there: the library has a port read nothing, too, where
    what had come was thrown away meanwhile.
    """
    import select  # has been loaded by the pollers

    poll = select.poll()
    poll.register(file, 0)
    return bool(poll.poll(0))


def _split_keeping_ends(data: bytes, rest: bytes) -> tuple[list[bytes], bytes]:
    *lines, last = (rest + data).split(b"\n")
    return [line + b"\n" for line in lines], last
