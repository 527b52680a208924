"""One event and its handlers against the rules, written down without any shortcut."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from circuits import BaseComponent, Event, handler

_FLAGS = ("success", "failure", "complete", "alert_done", "notify")
_HANDLERS = st.lists(
    st.tuples(
        st.sampled_from([-1, 0, 0, 1]),  # priority
        st.booleans(),  # filter
        st.booleans(),  # wants the event
        st.sampled_from([None, None, 0, "x", "list", "raise", "stop", "flag"]),
    ),
    max_size=5,
)


class App(BaseComponent):
    """Has the handlers of the test, and hears all feedback."""

    channel = "app"

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Any] = []

    @handler(
        "ping_success", "ping_failure", "ping_complete", "ping_done", "ping_value_changed", "error"
    )
    def _on_feedback(self, event: Event[Any], *args: Any) -> None:
        self.log.append(event.name)


def _handler(
    number: int, made: Event[Any], priority: int, is_filter: bool, wants: bool, what: Any
) -> Any:
    def act(app: App) -> Any:
        app.log.append(number)
        if what == "raise":
            raise ValueError
        if what == "stop":
            made.stop()
            return number
        if what == "flag":
            made.success = True
            return None
        return [number] if what == "list" else what

    if wants:

        def method(self: App, event: Event[Any], *args: Any, **kwargs: Any) -> Any:
            assert event is made
            assert event.handler is not None
            assert (args, kwargs) == ((1,), made.kwargs)
            return act(self)

    else:

        def method(self: App, *args: Any, **kwargs: Any) -> Any:  # type: ignore[misc]
            assert args == (1,)
            return act(self)

    method.__name__ = f"handler{number}"
    return handler("ping", priority=priority, filter=is_filter)(method)


def _expected(handlers: list[Any], flags: set[str]) -> tuple[list[Any], list[Any], bool]:
    """What is logged, the results, and whether one failed."""
    log: list[Any] = []
    after: list[str] = []
    results: list[Any] = []
    failed = False
    flags = set(flags)
    order = sorted(enumerate(handlers), key=lambda entry: (-entry[1][0], not entry[1][1]))
    for number, (_, is_filter, _, what) in order:
        log.append(number)
        result = what
        if what == "raise":
            failed = True
            if "notify" in flags:
                after.append("ping_value_changed")
            after += ["ping_failure"] * ("failure" in flags) + ["error"]
            results.append("raise")
            if is_filter:
                break
            continue
        if what == "flag":
            flags.add("success")
            result = None
        elif what == "list":
            result = [number]
        elif what == "stop":
            result = number
        if result is not None:
            results.append(result)
            if "notify" in flags:
                after.append("ping_value_changed")
        if what == "stop" or (is_filter and result is not None):
            break
    after += ["ping_done"] * ("alert_done" in flags)
    after += ["ping_success"] * ("success" in flags and not failed)
    after += ["ping_complete"] * ("complete" in flags)
    return log + after, results, failed


@given(_HANDLERS, st.sets(st.sampled_from(_FLAGS)), st.booleans(), st.booleans())
def test_an_event_is_dispatched_by_the_rules(
    handlers: list[Any], flags: set[str], on_class: bool, with_keywords: bool
) -> None:
    class ping(Event):
        pass

    made = ping(1, k=2) if with_keywords else ping(1)
    for flag in flags:
        setattr(ping if on_class else made, flag, True)
    app = App()
    for number, declared in enumerate(handlers):
        app.addHandler(_handler(number, made, *declared))
    for _ in range(2):  # fired again, it is as good as new, but for what its handlers set
        app.log.clear()
        value = app.fire(made, "app")
        while len(app):
            app.flush()
        log, results, failed = _expected(handlers, flags)
        assert app.log == log
        shown = ["raise" if isinstance(item, tuple) else item for item in _items(value)]
        assert (shown, value.errors, value.result) == (results, failed, bool(results))
        if made.success:
            flags = {*flags, "success"}
        assert made.handler is None


def _items(value: Any) -> list[Any]:
    if value.is_empty:
        return []
    return list(value.value) if value.is_list else [value.value]
