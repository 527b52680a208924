"""Supervisor: starts again what has crashed (docs: topics/supervision).

Theory of operation. A supervisor knows how to make each of its children. When one has crashed, it
takes it out, and with it those that the strategy names, in the reverse order of their start; then
it makes them anew, in order. One crash is dealt with after the other. When there are too many in a
given time, the supervisor stops everything and passes the failure on to the supervisor above, for
which it is a child like any other; where there is none, the application ends.
"""

from __future__ import annotations

from collections import deque

from . import _clock
from ._clock import check_seconds
from ._grace import Graceful
from ._process.children import Child, Watcher
from ._routing import is_leaving
from .errors import FatalError, GaveUpError, WorkerLostError
from .events import BaseEvent, Error, Event
from .handlers import handler
from .helpers import log_if_unheard
from .manager import Manager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from typing import Any

__all__ = ["Crashed", "GaveUp", "Restarted", "Supervisor"]


class Crashed(Event):
    """A child has crashed. Fired by its supervisor on its channel, before anything is done.

    Args:
        name: Name of the child.
        reason: The exception; for a process, one that tells the exit status.
    """

    def __init__(self, name: str, reason: BaseException) -> None:
        super().__init__(name, reason)


class Restarted(Event):
    """A child has been started again. Fired by its supervisor on its channel.

    Args:
        name: Name of the child.
        component: The new one; of a process, the copy that stays here.
    """

    def __init__(self, name: str, component: Manager) -> None:
        super().__init__(name, component)


class GaveUp(Event):
    """There were too many crashes; all children are stopped. Fired by the supervisor on its channel.

    Args:
        supervisor: The supervisor.
        name: Name of the child that crashed last.
        reason: What it crashed from.
    """

    def __init__(self, supervisor: Supervisor, name: str, reason: BaseException) -> None:
        super().__init__(supervisor, name, reason)


class _Recover(Event):
    """Something has crashed, or a child was removed. Fired by the supervisor at itself.

    Args:
        removed: The child that is to be stopped and no more; ``None``: see what has crashed.
    """

    name = "_recover"

    def __init__(self, removed: Child | None = None) -> None:
        super().__init__(removed)


_STRATEGIES = ("one_for_one", "one_for_all", "rest_for_one")

#: How often a child that crashes soon is started again at once.
_PROMPT_STARTS = 3
_RESTARTS = ("failure", "always", "never")


class Supervisor(Graceful):
    """Keeps components and processes going: what crashes is restarted.

    A component crashes when one of its handlers, or of those below it, raises
    :class:`~circuits.core.errors.FatalError`, or an exception that it has declared fatal: by
    the class attribute ``fatal``, a tuple of exception types, or by ``add(fatal=...)``. Other
    exceptions are ``error`` events as ever, and nothing more. A process crashes when it ends
    with an exit status other than 0. What cannot be made has crashed as well.

    Fires ``crashed``, ``restarted`` and ``gave_up`` on its channel. When it leaves the tree, its
    children leave, and processes end, in the reverse order of their start. When the application
    stops, processes are ended in that order; components hear of the stop themselves.

    .. versionadded:: 2.1

    Args:
        strategy: Who is started again. ``"one_for_one"``: the one that has crashed.
            ``"one_for_all"``: all. ``"rest_for_one"``: that one, and those added after it.
        intensity: How many crashes are dealt with in ``period``; one more, and the supervisor
            gives up.
        period: Seconds.
        delay: Seconds between a crash and the start, for a child that crashes within ``period`` of
            its start again and again; the first three times it is started at once. Each further
            time it is twice as long, up to ``max_delay``, and by up to a half shorter at random,
            so that those that have crashed together do not come back together. 0: always at once.
        max_delay: Longest delay, in seconds. With a large ``intensity`` that means "for ever, but
            slowly".
        channel: Channel of the supervisor.
        escalate: Whether the application is stopped, with exit status 1, if there is no
            supervisor above when this one gives up.

    Raises:
        ValueError: There is no such strategy, or a number is none that counts crashes or seconds.
        TypeError: What should be seconds is no number.
    """

    channel = "supervisor"
    _only_watches = True

    def init(
        self,
        strategy: str = "one_for_one",
        intensity: int = 3,
        period: float = 5.0,
        channel: Any = "supervisor",
        *,
        escalate: bool = True,
        delay: float = 0.05,
        max_delay: float = 30.0,
    ) -> None:
        """Take the arguments of the constructor."""
        if strategy not in _STRATEGIES:
            raise ValueError(f"strategy must be one of {', '.join(_STRATEGIES)}, not {strategy!r}")
        if isinstance(intensity, bool) or not isinstance(intensity, int) or intensity < 0:
            raise ValueError(f"intensity must be a number of crashes, not {intensity!r}")
        if channel != "supervisor":  # given by its place
            self.channel = channel
        self.strategy = strategy
        self.intensity = intensity
        self.period = check_seconds(period, "period")
        self.delay = check_seconds(delay, "delay")
        self.max_delay = check_seconds(max_delay, "max_delay")
        self.escalate = escalate
        self._named: dict[str, Child] = {}
        self._crashes: deque[float] = deque()
        self._failed: deque[tuple[Child, BaseException]] = deque()
        self._is_recovering = False
        self._has_given_up = False
        self._watcher: Watcher | None = None

    # -- children --

    def add(
        self,
        make: Callable[[], Any],
        name: str | None = None,
        *,
        process: bool = False,
        link: Manager | bool = False,
        fatal: type[BaseException] | tuple[type[BaseException], ...] = (),
        restart: str = "failure",
    ) -> str:
        """Add a child, and start it: a component at once, a process when the application runs.

        Args:
            make: Called without arguments, gives a new component: a class, or a function.
            name: What to call the child; by default the name of ``make``, made unique.
            process: Run it in a process of its own, forked from this one.
            link: For a process, where to register the bridge to it; ``True``: here.
            fatal: Exceptions that mean a crash, beside those that the component declares.
            restart: ``"failure"``: when it has crashed. ``"always"``: also when it has ended
                or left by itself. ``"never"``: it is only taken out.

        Returns:
            The name.

        Raises:
            ValueError: There is no such ``restart``, or a child of that name already.
        """
        if restart not in _RESTARTS:
            raise ValueError(f"restart must be one of {', '.join(_RESTARTS)}, not {restart!r}")
        if name is None:
            name = self._free_name(getattr(make, "__name__", "child"))
        elif name in self._named:
            raise ValueError(f"{self!r} has a child {name!r} already")
        where = self if link is True else link or None
        kinds = fatal if isinstance(fatal, tuple) else (fatal,)
        child = self._named[name] = Child(name, make, process, where, kinds, restart)
        if not process or self._tree_engine.runner is not None:
            self._try_start(child)
        return name

    def _free_name(self, name: str) -> str:
        number, free = 1, name
        while free in self._named:
            number += 1
            free = f"{name}-{number}"
        return free

    def remove(self, name: str) -> None:
        """Stop a child and forget it. It is gone a few turns of the loop later.

        Raises:
            KeyError: There is no such child.
        """
        child = self._named.pop(name)
        self.fire(_Recover(child), self)

    def child(self, name: str) -> Any:
        """The component of a child that runs, else ``None``; of a process, the copy that is here.

        Raises:
            KeyError: There is no such child.
        """
        child = self._named[name]
        return child.component if child.is_running else None

    @property
    def names(self) -> list[str]:
        """The names of the children, in the order of their start."""
        return list(self._named)

    def _try_start(self, child: Child) -> bool:
        try:
            self._start(child)
        except Exception as problem:
            self._tree_engine.report(problem, self._on_recover, None)
            child.is_running = True  # so that it can crash
            self._crash(child, problem)
            return False
        return True

    def _start(self, child: Child) -> None:
        child.started = _clock.now()
        component = child.component = child.make()
        if not isinstance(component, Manager):
            raise TypeError(f"{child.make!r} must make a component, not {component!r}")
        if not child.runs_apart:
            if component.parent is not self:
                component.register(self)  # type: ignore[attr-defined]
        else:
            child.process, _ = component.start(process=True, link=child.link)
            if self._watcher is None:
                self._watcher = Watcher(channel=("processes", id(self))).register(self)
            self._watcher.watch(child)
        child.is_running = True

    # -- crashes --

    @handler("error", channel="*")
    def _on_error(self, event: BaseEvent, *args: Any) -> None:
        if not isinstance(event, Error):
            return
        problem: Any = event.args[1]
        method = event.args[3]
        log_if_unheard(self, event)
        child, fatal = self._responsible_for(getattr(method, "__self__", None))
        if child is None:
            return
        kinds: tuple[type[BaseException], ...] = (FatalError, *child.fatal, *fatal)
        if isinstance(problem, kinds):
            self._crash(child, problem)

    def _responsible_for(self, owner: Any) -> tuple[Child | None, list[type[BaseException]]]:
        """The child that a component belongs to, if no supervisor is nearer to it than this one."""
        fatal: list[type[BaseException]] = []
        node = owner
        while isinstance(node, Manager):
            fatal.extend(getattr(node, "fatal", ()))
            if isinstance(node.parent, Supervisor) and node.parent is not node:
                if node.parent is self:
                    for child in self._named.values():
                        if child.component is node and not child.runs_apart:
                            return child, fatal
                break
            if node.parent is node:
                break
            node = node.parent
        return None, fatal

    @handler("unregistered", channel="*")
    def _on_unregistered(self, component: Manager, manager: Manager) -> None:
        if manager is self:
            for child in self._named.values():
                if child.component is component and child.is_running:
                    self._end(child, None)

    @handler("_ended")
    def _on_ended(self, child: Child, process: Any) -> None:
        if child.process is not process:
            return
        process.join()
        if child.is_running:
            status = process.exitcode
            problem = None
            if status != 0:
                how = "an unknown exit status" if status is None else f"exit status {status}"
                problem = WorkerLostError(f"process {child.name} ended with {how}")
            self._end(child, problem)

    def _end(self, child: Child, problem: BaseException | None) -> None:
        """A child has ended by itself, in good order or not."""
        if problem is None and child.restart != "always":
            child.is_running = False
            child.has_ended = True
        else:
            self._crash(child, problem or FatalError(f"{child.name} ended by itself"))

    def _crash(self, child: Child, reason: BaseException) -> None:
        if not child.is_running or self._is_stopping or self._has_given_up or is_leaving(self):
            return
        child.is_running = child.is_paused = False
        has_stood = _clock.now() - child.started > self.period
        child.crashes = 1 if has_stood else child.crashes + 1
        self._failed.append((child, reason))
        self.fire(Crashed(child.name, reason))
        self._recover()

    def _recover(self) -> None:
        if not self._is_recovering:
            self._is_recovering = True
            self.fire(_Recover(), self)

    # -- recovery --

    @handler("_recover")
    def _on_recover(self, removed: Child | None = None) -> Generator[Any, Any, None]:
        if removed is not None:
            yield removed.stop(self)
            return
        try:
            while self._failed and not self._is_stopping:
                child, reason = self._failed.popleft()
                if self._named.get(child.name) is not child:
                    yield child.stop(self)
                elif child.restart == "never":
                    yield child.stop(self)
                    self._named.pop(child.name, None)
                elif not child.is_paused and self._is_too_much():
                    yield self._give_up(child, reason)
                elif not child.is_paused and (seconds := self._pause_before(child)):
                    yield self._pause(child, reason, seconds)
                else:
                    child.is_paused = False
                    yield self._restart(child)
                    if self._failed:
                        yield  # however fast they crash, others have their turns
        finally:
            self._is_recovering = False

    def _pause_before(self, child: Child) -> float:
        """Seconds before a child that has crashed is started again."""
        doublings = child.crashes - _PROMPT_STARTS - 1
        if doublings < 0 or not self.delay:
            return 0.0
        longest = min(self.max_delay, self.delay * 2.0 ** min(doublings, 64))
        chance = int.from_bytes(_clock.random_bytes(2), "big") / 65536
        return longest * (1 - chance / 2)

    def _pause(
        self, child: Child, reason: BaseException, seconds: float
    ) -> Generator[Any, Any, None]:
        """Stop those who are concerned, and go on with the child when its time has come."""
        child.is_paused = True
        yield self._stop_all(self._affected(child))

        def go_on() -> None:
            if child.is_paused and not (self._is_stopping or self._has_given_up):
                self._failed.append((child, reason))
                self._recover()

        self._tree_engine.schedule.call_in(seconds, go_on)

    def _restart(self, crashed: Child) -> Generator[Any, Any, None]:
        affected = self._affected(crashed)
        yield self._stop_all(affected)
        # What crashed meanwhile is among those that are started again, or crashes again.
        self._failed = deque(entry for entry in self._failed if entry[0] not in affected)
        for child in affected:
            if self._is_stopping or is_leaving(self):
                return
            if self._named.get(child.name) is not child:
                continue
            if not self._try_start(child):
                return  # which is a crash: the next round starts the others, too
            self.fire(Restarted(child.name, child.component))

    def _affected(self, crashed: Child) -> list[Child]:
        children = list(self._named.values())
        if self.strategy == "one_for_one":
            return [crashed]
        if self.strategy == "rest_for_one":
            children = children[children.index(crashed) :]
        return [child for child in children if not child.has_ended]

    def _is_too_much(self) -> bool:
        now = _clock.now()
        crashes = self._crashes
        crashes.append(now)
        while crashes[0] < now - self.period:
            crashes.popleft()
        return len(crashes) > self.intensity

    def _give_up(self, child: Child, reason: BaseException) -> Generator[Any, Any, None]:
        self._has_given_up = True
        self._failed.clear()
        yield self._stop_all(list(self._named.values()))
        self.fire(GaveUp(self, child.name, reason))
        problem = GaveUpError(
            f"{self!r} gives up: {len(self._crashes)} crashes in {self.period:g} s, "
            f"the last one of {child.name}: {reason!r}"
        )
        problem.__cause__ = reason
        node: Manager = self
        while node.parent is not node:
            above = node.parent
            if isinstance(above, Supervisor):
                for other in above._named.values():
                    if other.component is node:
                        above._crash(other, problem)
                return
            node = above
        self._tree_engine.report(problem, self._on_recover, None)
        if self.escalate:
            self._tree_engine.stop(1)

    # -- stopping --

    def _stop_all(self, children: Iterable[Child]) -> Generator[Any, Any, None]:
        for child in reversed(list(children)):
            yield child.stop(self)

    def _application_started(self) -> None:
        self._start_processes()

    @handler("registered", channel="*")
    def _on_registered(self, component: Manager, manager: Manager) -> None:
        if self._tree_engine.runner is not None:
            self._start_processes()  # it may be us, or one above, who has joined what runs

    def _start_processes(self) -> None:
        if self._is_stopping or self._has_given_up or self._is_recovering or is_leaving(self):
            return
        for child in list(self._named.values()):
            if child.runs_apart and child.process is None and not child.has_ended:
                self._try_start(child)

    def _application_stopped(self) -> Any:
        if any(child.process is not None for child in self._named.values()):
            self._hold_end()
            return self._stop_processes()
        return None

    def _stop_processes(self) -> Generator[Any, Any, None]:
        children = [child for child in self._named.values() if child.process is not None]
        try:
            yield self._stop_all(children)
        finally:
            for child in children:  # those that the end of the application leaves no time for
                child.kill()
            self._release_end()

    def _leave(self) -> Any:
        if self._is_stopping:
            return None
        self._is_stopping = True
        return self._stop_all(list(self._named.values()))
