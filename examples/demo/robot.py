"""A robot that takes numbers apart, in a process of its own, and who keeps it alive.

Nobody waits for it: the chat goes on while it thinks. And it may crash: a supervisor makes a new one.
"""

from __future__ import annotations

import os
import re
import signal
import time
from typing import Any, Final

from circuits import BaseComponent, Component, Event, Supervisor, handler

from .room import Guest, Line, Refused, Room

LARGEST: Final = 10**15
#: Questions that wait for an answer; more are not taken.
QUESTIONS: Final = 5
#: Crashes that a visitor may cause come no faster than that, and so never too fast for the supervisor.
CRASH_SECONDS: Final = 1.5

_QUESTION: Final = re.compile(r"robot\b\W*(?:.*?\D)?(\d+)\D*", re.IGNORECASE)


class Factor(Event[list[int]]):
    """Ask for the prime factors of a number."""

    number: int


class News(Event[None]):
    """Something has happened to the robot. Fired by its keeper on the channel ``robot-news``."""

    text: str


class Robot(Component):
    """What runs in the other process."""

    channel = "robot"

    def factor(self, number: int) -> list[int]:
        """Take all the time it needs: this process has nothing else to do."""
        factors, divisor = [], 2
        while divisor * divisor <= number:
            if number % divisor:
                divisor += 1 if divisor == 2 else 2
            else:
                factors.append(divisor)
                number //= divisor
        return [*factors, number]


class Keeper(BaseComponent):
    """Asks the robot what people in the room ask it, and has it supervised."""

    channel = "keeper"

    def init(self, room: Room) -> None:
        self.room = room
        self.guest = room.enter("robot", "process")
        self.asked = 0
        self.starts = 1
        self.crashed = 0.0
        self.supervisor = Supervisor(intensity=20, period=10, escalate=False).register(self)
        self.supervisor.add(Robot, "robot", process=True, link=True)

    @property
    def robot_pid(self) -> int | None:
        """The id of the process; ``None`` while there is none."""
        robot = self.supervisor.child("robot")
        return None if robot is None else robot.pid

    def crash(self) -> None:
        """Kill the robot, without a warning."""
        pid = self.robot_pid
        if pid is None or time.monotonic() - self.crashed < CRASH_SECONDS:
            raise Refused("Let it recover first.")
        self.crashed = time.monotonic()
        os.kill(pid, signal.SIGKILL)

    @handler("said", channel="room")
    async def _on_said(self, guest: Guest, line: Line) -> None:
        question = _QUESTION.match(line.text)
        if question is None or guest is self.guest:
            return
        number = int(question[1][:30])
        if not 1 < number <= LARGEST:
            self._say(f"{line.name}: I only know numbers from 2 to 10^15.")
        elif self.asked >= QUESTIONS:
            self._say(f"{line.name}: I have enough to do.")
        else:
            self.asked += 1
            try:
                self._say(f"{line.name}: {await self._answer(number)}")
            finally:
                self.asked -= 1

    async def _answer(self, number: int) -> str:
        pid = self.robot_pid
        try:
            factors = await self.call(Factor(number), "robot", timeout=30)
        except Exception as problem:  # it has been killed, or thinks too long
            return f"I have lost the thread ({type(problem).__name__})."
        if not factors:
            return "I am not quite there yet."
        if len(factors) == 1:
            return f"{number} is a prime, says process {pid}."
        return f"{number} = {' × '.join(map(str, factors))}, says process {pid}."

    def _say(self, text: str) -> None:
        try:
            self.room.say(self.guest, text)
        except Refused:
            pass  # it talks too much, and does not when it is told so

    @handler("crashed", channel="supervisor")
    def _on_crashed(self, name: str, reason: Any) -> None:
        self._tell(f"crashed: {reason}")

    @handler("restarted", channel="supervisor")
    def _on_restarted(self, name: str, component: Any) -> None:
        self.starts += 1
        self._tell(f"restarted as process {self.robot_pid}")

    def _tell(self, text: str) -> None:
        self.fire(News(text), "robot-news")
