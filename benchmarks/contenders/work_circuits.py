"""Workers, bridges and restarts, measured in wall-clock time."""

from __future__ import annotations

import os
import statistics
from time import perf_counter

from measure import SECONDS, check, main
from work_plain import short

from circuits import Bridge, Component, Event, Manager, Supervisor, Task, Worker, handler

TASKS = 1000


class Batch(Event):
    complete = True


class Hello(Event):
    pass


# -- workers --


class Producer(Component):
    """Fires tasks, is told when all are done, and fires the next round."""

    channel = "producer"

    def init(self, rounds: int) -> None:
        self.rounds = rounds
        self.taken: list[float] = []

    def started(self, component: Manager) -> None:
        self.fire(Batch())

    def batch(self) -> None:
        self.begin = perf_counter()
        self.values = [self.fire(Task(short, n), "worker") for n in range(TASKS)]

    def batch_complete(self, batch: Event, value: object) -> None:
        self.taken.append(perf_counter() - self.begin)
        check([v.value for v in self.values] == [short(n) for n in range(TASKS)], "wrong results")
        if len(self.taken) == self.rounds:
            self.root.stop()
        else:
            self.fire(Batch())


def tasks(process: bool, workers: int) -> float:
    producer = Producer(max(4, int(SECONDS * 12)))
    Worker(process=process, workers=workers).register(producer)
    producer.run()
    return statistics.median(producer.taken[1:]) / TASKS * 1e6


# -- bridges --


class Answering(Component):
    channel = "answering"

    def hello(self, number: int) -> int:
        return number + 1


class Asking(Component):
    channel = "asking"

    @handler("ready", channel="*")
    def _on_ready(self, component: Manager) -> object:
        if not isinstance(component, Bridge):
            return
        number = max(1000, int(SECONDS * 4000))
        for measured in (number // 10, number):
            begin = perf_counter()
            for n in range(measured):
                value = yield self.call(Hello(n), "answering")
                check(value.value == n + 1, "wrong answer")
            self.taken = (perf_counter() - begin) / measured
        self.stop()


def bridge() -> float:
    answering, asking = Answering(), Asking()
    answering.start(process=True, link=asking)
    asking.run()
    answering.join()
    return asking.taken * 1e6


# -- restarts --


class Killer(Component):
    """Kills what is supervised, until there are enough figures."""

    channel = "killer"

    def init(self, process: bool) -> None:
        self.process = process
        self.taken: list[float] = []

    @handler("ready", "restarted", channel="*")
    def _on_up(self, event: Event, *args: object) -> None:
        if event.name == "restarted" and self.process:
            return  # it is there when its bridge is ready
        if event.name == "ready" and not (self.process and isinstance(args[0], Bridge)):
            return
        if event.name == "restarted" or self.taken or hasattr(self, "begin"):
            self.taken.append(perf_counter() - self.begin)
        if len(self.taken) == 20:
            self.stop()
            return
        self.begin = perf_counter()
        if self.process:
            os.kill(supervisor.child("Answering").pid, 9)
        else:
            self.fire(Event.create("Crash"), "crashing")

    def started(self, component: Manager) -> None:
        if not self.process:
            self.begin = perf_counter()
            self.fire(Event.create("Crash"), "crashing")


class Crashing(Component):
    channel = "crashing"
    fatal = (ZeroDivisionError,)

    def crash(self) -> None:
        1 / 0  # noqa: B018

    @handler("error", channel="*")
    def _on_error(self, *args: object) -> None:
        """Known: nothing is to be logged."""


#: Without a delay, which doubles with each crash and would be all that is measured.
supervisor = Supervisor(intensity=1000, delay=0)


def restart(process: bool) -> float:
    killer = Killer(process)
    supervisor.register(killer)
    supervisor.add(Answering if process else Crashing, process=process, link=process)
    killer.run()
    return statistics.median(killer.taken) * 1e3


if __name__ == "__main__":
    main(
        {
            "threads": lambda: tasks(False, 4),
            "processes": lambda: tasks(True, 2),
            "bridge": bridge,
            "restart_component": lambda: restart(False),
            "restart_process": lambda: restart(True),
        }
    )
