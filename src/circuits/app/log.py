"""Logging by events, through the standard library (manual: circuits.app.log)."""

from __future__ import annotations

import contextvars
import datetime
import json
import logging
import logging.handlers
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, ClassVar

from circuits.core._running import number_of, running
from circuits.core.components import BaseComponent
from circuits.core.events import Event
from circuits.core.handlers import handler

if TYPE_CHECKING:
    from circuits.core._engine import Engine

__all__ = ["LEVELS", "JSONFormatter", "Log", "Logger"]

#: Levels that a :class:`Log` event may name, and their numbers in :mod:`logging`.
LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "exception": logging.ERROR,
    "critical": logging.CRITICAL,
}

_THRESHOLDS = {
    "DEBUG": logging.DEBUG,
    "ALL": logging.DEBUG,
    "INFO": logging.INFO,
    "ERROR": logging.ERROR,
    "CRITICAL": logging.CRITICAL,
}

_SYSLOG = "/dev/log"

#: What every record has; the rest was given by ``extra=``.
_USUAL = frozenset(
    {
        *vars(logging.makeLogRecord({})),
        "message",
        "asctime",
        "taskName",
        "request_id",
        "circuits_failure",
    }
)

#: The name of the variable in which circuits.web has the request that is being answered.
_REQUEST = "circuits.web.current"


class Log(Event):
    """Write a message to the log.

    Fired by anyone; a :class:`Logger` on the channel writes it.

    Args:
        level: One of :data:`LEVELS`, in any case.
        msg: The message, in which ``%s`` stands for the next of ``args``.
        *args: For the message.
        **kwargs: As for the methods of a :class:`logging.Logger`, such as ``exc_info``.
    """

    channels: ClassVar[tuple[str, ...]] = ("logger",)  # type: ignore[misc]

    def __init__(self, level: str, msg: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(level, msg, *args, **kwargs)


class Logger(BaseComponent):
    """Gives a standard logger one place to write to, and writes what ``Log`` events say.

    Handles ``log``. When it leaves its tree, the place is closed.

    Args:
        filename: Where a log of type ``file`` goes. It is opened anew when it has been moved
            away or removed.
        name: Name of the logger, which stands in each line.
        type: ``file``, ``stderr``, ``syslog`` (or ``unix``), or ``winlog`` (or ``eventlog``,
            ``nteventlog``), in any case.
        level: The least level that is written: ``DEBUG`` (or ``ALL``), ``INFO``, ``ERROR``,
            ``CRITICAL``, in any case; all else means warnings.
        channel: Channel of the component.

    Attributes:
        logger: The standard logger.

    Raises:
        ValueError: There is no such type.
        OSError: The place cannot be opened, or this system has none of that type.
    """

    channel = "logger"

    #: The levels of ``log`` events by their names, as documented programs use them.
    LEVELS = LEVELS

    def __init__(
        self,
        filename: str | os.PathLike[str],
        name: str,
        type: str,
        level: str,
        channel: Any = "logger",
    ) -> None:
        super().__init__(channel=channel)
        threshold = _THRESHOLDS.get(level.upper(), logging.WARNING)
        place, timed = _open(filename, name, type)
        text = name.replace("%", "%%") + "[%(module)s] %(levelname)s: %(message)s"
        place.setFormatter(
            logging.Formatter(
                f"%(asctime)s {text}" if timed else text,
                "%X" if threshold == logging.DEBUG else None,
            )
        )
        self._place = place
        self.logger = logging.getLogger(name)
        self.logger.addHandler(place)
        self.logger.setLevel(threshold)

    @handler("log")
    def log(self, level: str, msg: str, *args: Any, **kwargs: Any) -> None:
        """Write a message.

        Raises:
            ValueError: ``level`` is none of :data:`LEVELS`.
        """
        number = LEVELS.get(level.lower())
        if number is None:
            raise ValueError(f"level must be one of {', '.join(LEVELS)}, not {level!r}")
        if level.lower() == "exception":
            kwargs.setdefault("exc_info", True)
        self.logger.log(number, msg, *args, **kwargs)

    def debug(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Write a message for those who look for a fault."""
        self.logger.debug(msg, *args, **kwargs)

    def info(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Write that something has happened as it should."""
        self.logger.info(msg, *args, **kwargs)

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Write that something is not as it should be, and went on."""
        self.logger.warning(msg, *args, **kwargs)

    warn = warning

    def error(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Write that something has failed."""
        self.logger.error(msg, *args, **kwargs)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Write that something has failed, with the traceback of the current exception."""
        self.logger.error(msg, *args, **{"exc_info": True, **kwargs})

    def critical(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Write that it cannot go on."""
        self.logger.critical(msg, *args, **kwargs)

    def close(self) -> None:
        """Close the place; nothing is written there any more."""
        self.logger.removeHandler(self._place)
        self._place.close()

    def _tree_joined(self) -> None:
        self.logger.addHandler(self._place)  # again, if it has left another tree before

    def _tree_left(self, engine: Engine) -> None:
        self.close()


class JSONFormatter(logging.Formatter):
    """Makes a line of JSON of each log record.

    The members: ``time`` (UTC, ISO 8601), ``level``, ``logger``, ``message``; ``event``, ``event_id``,
    ``channels`` and ``component`` of the handler that logs, or that has failed; ``request_id`` of the
    request that an exposed method answers, or could not; ``exception``, the traceback; and whatever was given as ``extra=``. What
    there is not is left out.

    The event is looked for on the stack, so that an application that logs nothing pays
    nothing. A formatter that runs in another thread, behind a queue, finds none.

    .. versionadded:: 2.1
    """

    def __init__(self) -> None:
        super().__init__()

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        found: dict[str, Any] = {
            "time": moment.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        failure = getattr(record, "circuits_failure", None)
        if failure is not None:  # of a handler: not whoever reports it is asked for
            event, component = failure.event, failure.component
        elif record.thread == threading.get_ident():
            event, component = running()
        else:
            event = component = None
        if event is not None:
            found["event"] = event.name
            found["event_id"] = number_of(event)
            found["channels"] = [str(channel) for channel in event.channels]
        if component is not None:
            found["component"] = f"{type(component).__name__}/{component._tree_channels[0]}"
        request_id = getattr(record, "request_id", None) or _request_id(failure)
        if request_id not in (None, "-"):
            found["request_id"] = request_id
        if record.exc_info:
            found["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            found["stack"] = record.stack_info
        found.update({k: v for k, v in vars(record).items() if k not in _USUAL and k not in found})
        return json.dumps(found, default=str)


def _request_id(failure: Any) -> str | None:
    if failure is not None and failure.request is not None:
        failed: str = failure.request.id
        return failed
    # Not by importing it: this package stands beside the web, which need not be there.
    for variable, value in contextvars.copy_context().items():
        if variable.name == _REQUEST and value is not None:
            identity: str = value[0].id
            return identity
    return None


def _open(filename: str | os.PathLike[str], name: str, kind: str) -> tuple[logging.Handler, bool]:
    """The place of a type, and whether its lines carry the time."""
    match kind.lower():
        case "file":
            # Windows lets nobody move an open file away, so there is nothing to watch.
            opener = logging.FileHandler if os.name == "nt" else logging.handlers.WatchedFileHandler
            return opener(filename, encoding="utf-8"), True
        case "stderr":
            return logging.StreamHandler(sys.stderr), False
        case "syslog" | "unix":
            if not os.path.exists(_SYSLOG):
                raise FileNotFoundError(f"there is no {_SYSLOG}: this system has no syslog")
            return logging.handlers.SysLogHandler(_SYSLOG), False
        case "winlog" | "eventlog" | "nteventlog":
            if sys.platform != "win32":
                raise OSError(f"logs of type {kind!r} need Windows")
            return logging.handlers.NTEventLogHandler(name), False
    raise ValueError(f"type must be one of file, stderr, syslog, winlog, not {kind!r}")
