"""Where something was raised: the frames from the handler on, without those of ours around it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["OURS", "code_of", "format_traceback", "own_frames"]

#: How many decorators a handler is looked for under; more are a circle.
_MOST_WRAPPERS = 32

#: Where our own frames are.
OURS = __file__[: -len("core/_tracebacks.py")]
_KERNEL = __file__[: -len("_tracebacks.py")]


def code_of(method: Any) -> Any:
    """The code of a handler; of one that is wrapped, that of the function of the user."""
    function = getattr(method, "__func__", method)
    for _ in range(_MOST_WRAPPERS):
        if not hasattr(function, "__wrapped__"):
            break
        function = function.__wrapped__
    return getattr(function, "__code__", None)


def own_frames(problem: BaseException, method: Any = None) -> Any:
    """The traceback of an exception from the handler on, without the frames of ours before it."""
    code = code_of(method)
    frames = first = problem.__traceback__
    while frames is not None and frames.tb_frame.f_code is not code:
        frames = frames.tb_next
    if frames is not None:
        return _without_kernel(frames)
    frames = first  # it is wrapped by others, or was not called at all
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(OURS):
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
        code = entry.tb_frame.f_code
        is_kernel = code.co_filename.startswith(_KERNEL)
        # There it was raised; where it is only handed to who awaits, that is not of interest.
        is_end = is_end and is_kernel and code.co_name != "__await__"
        if is_end or not is_kernel:
            if entry.tb_next is not rest:
                entry = type(entry)(rest, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
            rest = entry
    return rest


def format_traceback(problem: BaseException, method: Any = None) -> list[str]:
    """The lines of a traceback, without the frames of ours that called the handler."""
    import traceback  # expensive, and needed for errors only

    frames = own_frames(problem, method)
    if frames is not None:
        return traceback.format_tb(frames)
    code = code_of(method)
    if problem.__traceback__ is None or code is None:
        return []
    return [f'  File "{code.co_filename}", line {code.co_firstlineno}, in {code.co_name}\n']
