"""The text of a failure: which handler or function, which exception, where."""

from __future__ import annotations

import os
import sys

from ._mistakes import cure, safe_repr, takes_nothing, yielded_text
from ._routing import is_unheard
from .events import BaseEvent, Error, Event
from .handlers import reprhandler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ._routing import Routes
    from .manager import Manager

__all__ = [
    "brief_repr",
    "describe",
    "fire_error",
    "format_error",
    "format_traceback",
    "is_diagnosed",
    "log_diagnosis",
    "log_error",
    "log_late_starts",
    "log_unheard",
    "log_unused",
    "log_yielded",
    "note_mistake",
    "safe_repr",
    "safe_str",
    "unheard_text",
]


#: For tests: each is told of a failure that nobody handles, with the handler and the event.
failure_watchers: list[Callable[[BaseException, Any, BaseEvent | None], object]] = []

#: How much of an argument, and of all of them, is shown of an event.
_ARGUMENT_LENGTH, _EVENT_LENGTH = 200, 1000

#: How many decorators a handler is looked for under; more are a circle.
_MOST_WRAPPERS = 32

#: Where our own frames are.
_OURS = __file__[: -len("core/_reports.py")]
_KERNEL = __file__[: -len("_reports.py")]


def _code_of(method: Any) -> Any:
    """The code of a handler; of one that is wrapped, that of the function of the user."""
    function = getattr(method, "__func__", method)
    for _ in range(_MOST_WRAPPERS):
        if not hasattr(function, "__wrapped__"):
            break
        function = function.__wrapped__
    return getattr(function, "__code__", None)


def _own_frames(problem: BaseException, method: Any = None) -> Any:
    """The traceback of an exception from the handler on, without the frames of ours before it."""
    code = _code_of(method)
    frames = first = problem.__traceback__
    while frames is not None and frames.tb_frame.f_code is not code:
        frames = frames.tb_next
    if frames is not None:
        return _without_kernel(frames)
    frames = first  # it is wrapped by others, or was not called at all
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OURS):
        frames = frames.tb_next
    if frames is None and first is not None:
        frames = first.tb_next
    return _without_kernel(frames)


def _without_kernel(frames: Any) -> Any:
    """A traceback without what lies between a handler and another one that it calls and awaits."""
    entries = []
    while frames is not None:
        entries.append(frames)
        frames = frames.tb_next
    rest, is_end = None, True
    for entry in reversed(entries):
        is_kernel = entry.tb_frame.f_code.co_filename.startswith(_KERNEL)
        is_end = is_end and is_kernel  # there it was raised
        if is_end or not is_kernel:
            if entry.tb_next is not rest:
                entry = type(entry)(rest, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
            rest = entry
    return rest


def format_traceback(problem: BaseException, method: Any = None) -> list[str]:
    """The lines of a traceback, without the frames of ours that called the handler."""
    import traceback  # expensive, and needed for errors only

    frames = _own_frames(problem, method)
    if frames is not None:
        return traceback.format_tb(frames)
    code = _code_of(method)
    if problem.__traceback__ is None or code is None:
        return []
    return [f'  File "{code.co_filename}", line {code.co_firstlineno}, in {code.co_name}\n']


def note_mistake(problem: BaseException, method: Any, event: BaseEvent) -> None:
    """Add to an exception what helps to find the mistake behind it: the cure, or the handler.

    The handler is told where the traceback does not come to it: it could not be called, or what it
    returned could not be used.
    """
    text = cure(problem) or _note_of_handler(problem, method, event)
    if text is not None and text not in getattr(problem, "__notes__", ()):
        problem.add_note(text)


def _note_of_handler(problem: BaseException, method: Any, event: BaseEvent) -> str | None:
    frames = problem.__traceback__
    code = _code_of(method)
    if code is None or frames is None or not _is_ours(frames):
        return None  # called by hand
    is_direct = frames.tb_next is None
    while frames is not None:
        if frames.tb_frame.f_code is code:
            return None  # it was called
        frames = frames.tb_next
    where = f"at {code.co_filename}:{code.co_firstlineno}"
    name = getattr(method, "__qualname__", code.co_qualname)
    if isinstance(problem, TypeError) and takes_nothing(code):
        return f"{name}() {where} takes nothing, not even self: write def {code.co_name}(self, ...)"
    misfit = _misfit(method, event) if is_direct and isinstance(problem, TypeError) else None
    if misfit is not None:
        shown = ", ".join(_shown_arguments(event))
        return f"{misfit} {where} cannot handle {event._event_name}({shown})"
    return None if code.co_filename.startswith(_OURS) else f"the handler is {name} {where}"


def _is_ours(entry: Any) -> bool:
    is_ours: bool = entry.tb_frame.f_code.co_filename.startswith(_OURS)
    return is_ours


def _misfit(method: Any, event: BaseEvent) -> str | None:
    """The signature of a handler, if an event does not fit it."""
    import inspect

    first = (event,) if getattr(method, "event", False) else ()
    try:
        signature = inspect.signature(method)
        takes = f"{method.__qualname__}{signature}"
    except (AttributeError, TypeError, ValueError):
        return None
    try:
        signature.bind(*first, *event._event_args, **(event._event_kwargs or {}))
    except TypeError:
        return takes
    return None


def log_error(
    problem: BaseException,
    lines: list[str],
    method: Any,
    event: BaseEvent | None,
    debug: bool = False,
) -> None:
    """Log a failure that no handler hears of; with ``debug``, because somebody else does.

    What is an answer rather than a failure has one line, which tells what it was an answer to.
    """
    import logging  # expensive, and needed for errors only

    brief = _brief(problem, method, event)
    level = logging.DEBUG if debug else logging.INFO if brief else logging.ERROR
    logger = logging.getLogger("circuits")
    if brief:
        logger.log(level, "%s", brief)
        return
    if not debug:
        for watch in failure_watchers:
            watch(problem, method, event)
    if problem.__traceback__ is None:  # that of another process
        text = format_error(type(problem), problem, lines, method, event)
        logger.log(level, "%s", text.rstrip())
        return
    text = format_error(type(problem), problem, (), method, event).rstrip()
    chain = (type(problem), problem, _own_frames(problem, method))
    logger.log(level, "%s", text, exc_info=chain)


def _brief(problem: BaseException, method: Any, event: BaseEvent | None) -> str | None:
    """The one line for what is an answer rather than a failure, and says so by ``_brief``."""
    make = getattr(type(problem), "_brief", None)
    text: str | None = None if make is None else make(problem)
    if not text:
        return None
    subject = _subject(event)
    where = describe(method)
    return f"{text} ({subject}, {where})" if subject else f"{text} ({where})"


def _subject(event: BaseEvent | None) -> str:
    """What comes first in an event, where that says in a few words what it is: a request."""
    subject = event._event_args[0] if event is not None and event._event_args else None
    make = getattr(type(subject), "_brief", None)
    return "" if make is None or isinstance(subject, BaseException) else make(subject)


def log_unheard(event: BaseEvent) -> None:
    """Log an ``error`` that nobody handles."""
    if isinstance(event, Error) and not getattr(event, "seen_otherwise", False):
        problem, lines, method = event.args[1:4]
        is_received = getattr(event, "received", False)
        log_error(problem, lines, method, getattr(event, "fevent", None), debug=is_received)


def fire_error(
    root: Manager,
    problem: BaseException,
    method: Any,
    event: BaseEvent | None,
    lines: list[str] | None = None,
    waiters: Iterable[Any] | None = None,
) -> None:
    """Fire the ``error`` event of an exception, or log it if an ``error`` handler raised it."""
    if lines is None:
        lines = format_traceback(problem, method)
    if isinstance(event, Error) or (event is not None and event._event_name == "exception"):
        log_error(problem, lines, method, event)
        return
    error = Error(type(problem), problem, lines, method)
    error.fevent = event  # type: ignore[misc]
    error.received = any(waiter.is_awaited for waiter in waiters or ())  # type: ignore[attr-defined]
    try:
        where = root._tree_channels
        if not is_unheard(root._tree_engine.route("exception", where)):
            error.seen_otherwise = True  # type: ignore[attr-defined]
            # In the form of the 3.x line, for the handlers of that name.
            parts = (type(problem), problem, lines)
            root.fire(Event.create("exception", *parts, handler=method, fevent=event), *where)
        root.fire(error, *where)
    except Exception:  # the channel of the root cannot be hashed any more
        log_error(problem, lines, method, event)


def format_error(
    etype: type[BaseException],
    value: BaseException,
    traceback: Iterable[str],
    function: Callable[..., Any] | None = None,
    fevent: BaseEvent | None = None,
) -> str:
    """The text of an error: which handler, which exception, where; ends with an empty line."""
    who = ""
    if function is not None:
        try:
            who = reprhandler(function)
        except Exception:  # not a handler, or a name that cannot be shown
            who = safe_repr(function)
    about = "" if fevent is None else f" ({brief_repr(fevent)})"
    lines = [*traceback]
    if lines and (more := _whole(value, function)):
        lines = more
    return f"ERROR {who}{about} ({etype!r}): {safe_str(value)}\n{''.join(lines)}\n"


def _whole(value: BaseException, function: Any) -> list[str]:
    """The standard text of an exception that has a cause, a context, notes or members."""
    if not (
        getattr(value, "__notes__", None)
        or getattr(value, "exceptions", None)
        or getattr(value, "__cause__", None)
        or (getattr(value, "__context__", None) and not value.__suppress_context__)
    ):
        return []
    import traceback

    try:
        return traceback.format_exception(type(value), value, _own_frames(value, function))
    except Exception:  # a text that cannot be made
        return []


def brief_repr(event: BaseEvent) -> str:
    """An event with its arguments, long ones shortened."""
    try:
        shown = dict(vars(event), _event_args=tuple(map(_Shown, event._event_args)))
        twin = object.__new__(type(event))
        vars(twin).update(shown)
        if event._event_kwargs:
            twin._event_kwargs = {key: _Shown(arg) for key, arg in event._event_kwargs.items()}
        text = repr(twin)
    except Exception:
        text = safe_repr(event)
    return text if len(text) <= _EVENT_LENGTH else f"{text[:_EVENT_LENGTH]}...>"


def _shown_arguments(event: BaseEvent) -> list[str]:
    shown = [repr(_Shown(arg)) for arg in event._event_args]
    return shown + [f"{key}={_Shown(arg)!r}" for key, arg in (event._event_kwargs or {}).items()]


class _Shown:
    """An argument, as it is shown: not more of it than helps."""

    def __init__(self, thing: Any) -> None:
        self._thing = thing

    def __repr__(self) -> str:
        thing = self._thing
        if isinstance(thing, str | bytes | bytearray) and len(thing) > _ARGUMENT_LENGTH:
            return f"{thing[:_ARGUMENT_LENGTH]!r}... ({len(thing)} in all)"
        if isinstance(thing, list | tuple | dict | set) and len(thing) > _ARGUMENT_LENGTH:
            return f"<{type(thing).__name__} of {len(thing)}>"
        text = safe_repr(thing)
        return text if len(text) <= 2 * _ARGUMENT_LENGTH else f"{text[: 2 * _ARGUMENT_LENGTH]}..."


def safe_str(problem: BaseException) -> str:
    """``str`` of an exception that never raises, whatever its own ``__str__`` does."""
    try:
        return str(problem)
    except Exception as another:
        return f"<{type(another).__name__} while showing it>"


def unheard_text(routes: Routes, event: BaseEvent) -> str:
    """That nobody handles an event where it went, and where it is handled."""
    name = event._event_name
    where = ", ".join(map(safe_repr, event.channels))
    elsewhere = {
        f"{safe_repr(component._tree_channels[0] if spec.channel is None else spec.channel)} by "
        f"{type(component).__name__}"
        for component in routes.handling(name)
        for spec in component._tree_specs
        if name in spec.names
    }
    hint = f"; it is handled on {', '.join(sorted(elsewhere))}" if elsewhere else ""
    return f"nobody handles {name!r} on {where}{hint}"


def is_diagnosed() -> bool:
    """Whether what helps to find mistakes is to be logged: ``CIRCUITS_DEBUG=1`` or ``-X dev``."""
    return sys.flags.dev_mode or os.environ.get("CIRCUITS_DEBUG", "0") not in ("", "0")


def log_diagnosis(text: str) -> None:
    """Log what helps to find a mistake, if that is wanted."""
    if is_diagnosed():
        import logging

        logging.getLogger("circuits.debug").warning("%s", text)


def log_unused(component: Manager, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Tell of arguments that a component was made with, and that nobody takes."""
    unused = [*map(safe_repr, args)]
    unused += [f"{key}={safe_repr(value)}" for key, value in kwargs.items() if key != "channel"]
    if unused:
        log_diagnosis(
            f"{type(component).__name__} takes no arguments, and ignores {', '.join(unused):.200}; "
            "write a method init that takes them"
        )


def log_yielded(task: Any, yielded: object) -> None:
    """Tell of something that a handler has yielded as if it could be waited for."""
    if is_diagnosed():
        frame = task.stack[-1].gi_frame if task.stack else None
        log_diagnosis(yielded_text(task.method, frame, yielded))


def log_late_starts(seconds: float, tasks: Iterable[Any]) -> None:
    """Log that servers do not wait any longer for handlers of ``started``."""
    names = ", ".join(describe(task.method) for task in tasks)
    if seconds and names:
        import logging

        text = "servers waited for %s, and accept now: it has not ended after %g s (start_timeout)"
        logging.getLogger("circuits").warning(text, names, seconds)


def describe(function: object) -> str:
    """How messages call a function."""
    name = getattr(function, "__qualname__", None)
    return f"{getattr(function, '__module__', '?')}.{name}" if name else repr(function)
