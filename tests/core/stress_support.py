"""Many threads fire into a tree that runs and changes all the while."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Any

from circuits import BaseComponent, Component, Event, handler
from circuits.testing import Recorder

THREADS = 8


class shot(Event):
    pass


class Target(BaseComponent):
    """Counts what arrives; has to see every shot once, in the order of each thread."""

    def __init__(self) -> None:
        super().__init__()
        self.next: dict[int, int] = defaultdict(int)
        self.wrong: list[Any] = []

    @handler("shot", channel="*")
    def _on_shot(self, thread: int, number: int) -> None:
        if number != self.next[thread]:
            self.wrong.append((thread, number, self.next[thread]))
        self.next[thread] = number + 1


class Passing(BaseComponent):
    """Comes and goes, and handles the same events while it is there."""

    channel = "passing"

    @handler("shot")
    def _on_shot(self, thread: int, number: int) -> None: ...

    @handler(channel="*")
    def _on_everything(self, event: Event, *args: Any) -> None: ...


def _change(
    root: Target, branches: list[Component], mover: Component, turns: int, step: Any
) -> None:
    guests: list[BaseComponent] = []
    for turn in range(1, turns + 1):
        step.acquire()
        branch = branches[(turn + 1) % len(branches)]
        mover.register(branch)
        if len(branch.components) < 10:  # those who leave wait for the queue
            guests.append(Passing().register(branch))
        method = root.addHandler(handler("shot", channel="*")(lambda self, *args: None))
        branch.channel = f"branch{turn % 3}"
        if len(guests) > 5:
            guests.pop(0).unregister()
        root.removeHandler(method)


def fire_from_threads(total: int, start: Any) -> Target:
    """Fire ``total`` events from eight threads; ``start`` runs a tree in another thread."""
    root = Target()
    branches = [Component().register(root) for _ in range(3)]
    fixed = Component(channel="fixed").register(branches[0])
    mover = Component(channel="mover").register(branches[1])
    recorder = Recorder("last").register(root)
    start(root)
    each = total // THREADS
    turns = each // 10
    # The changes keep in step with one of the threads, or they would crowd out everybody else.
    step = threading.Semaphore(0)

    def fire(thread: int) -> None:
        sources: list[Any] = [root, fixed, mover]
        channels: list[tuple[str, ...]] = [(), ("passing",), ("*",), ("branch1", "passing")]
        for number in range(each):
            source = sources[number % 3]
            source.fire(shot(thread, number), *channels[number % 4])
            if thread == 0 and number % 10 == 0:
                step.release()

    changer = threading.Thread(target=_change, args=(root, branches, mover, turns, step))
    threads = [threading.Thread(target=fire, args=(number,)) for number in range(THREADS)]
    changer.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    changer.join()
    root.fire(Event.create("last"))
    recorder.wait_for("last", timeout=600.0)
    return root


def check(root: Target, total: int) -> None:
    """Assert that nothing was lost, doubled or out of a thread's order."""
    assert root.wrong[:5] == []
    assert dict(root.next) == dict.fromkeys(range(THREADS), total // THREADS)
