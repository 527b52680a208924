"""Where letters are asked for, and where those go that nobody can run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from circuits.core import _clock
from circuits.core._clock import NEVER

from ._letters import NANOSECONDS, Letter
from ._streams import DUPLICATE_SECONDS, Streams

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from ._nats_link import NatsLink
    from .nats import Nats

__all__ = ["Desk"]

#: Seconds that a server keeps a question for letters at most, and the part of ``ack_wait``: what a
#: node that hangs does not take must not be delivered to its open question a second time.
_PULL_SECONDS: Final = 20.0
_PULL_PART: Final = 0.8
#: What a letter that could not be buried has to wait, and a question that was refused.
_AGAIN_SECONDS: Final = 0.25
_BURY_SECONDS: Final = 5.0
#: How many ids are remembered at most.
_MOST_DONE: Final = 100_000
#: The headers of a dead letter, without its id and the reason; and the longest reason.
_HEAD_BYTES: Final = 200
_REASON_BYTES: Final = 1000


class Desk:
    """Takes the letters of a group, over whatever connection there is.

    Args:
        nats: The component.

    Attributes:
        streams: What is at the servers.
        running: The letters that are not over, by id.
    """

    def __init__(self, nats: Nats) -> None:
        self.nats = nats
        self.streams = Streams(nats.options, nats.subjects)
        self.running: dict[str, Letter] = {}
        self._done: dict[str, float] = {}
        self._link: NatsLink | None = None
        self._number = 0
        self._question = ""
        self._asked_for = 0  # how many letters the question still waits for
        self._expiry = NEVER

    # -- what was done --

    def is_done(self, id: str) -> bool:
        """Whether a letter was completed here a short while ago."""
        moment = self._done.get(id)
        return moment is not None and _clock.now() - moment < DUPLICATE_SECONDS

    def done(self, id: str) -> None:
        """Remember that a letter is completed."""
        done, now = self._done, _clock.now()
        done.pop(id, None)
        done[id] = now
        while done:
            oldest = next(iter(done))
            if len(done) <= _MOST_DONE and now - done[oldest] < DUPLICATE_SECONDS:
                break
            del done[oldest]

    # -- asking for letters --

    def open(self, link: NatsLink) -> None:
        """Use a connection, over which all is ready."""
        self._link = link
        self._asked_for = 0
        self.pull()

    def close(self) -> None:
        """Ask for no more."""
        link, self._link = self._link, None
        self._asked_for = 0
        self._expiry.cancel()
        if link is not None:
            for letter in link.intake.hand_out_letters():
                letter._progress.cancel()
                letter.give_back()

    def pull(self) -> None:
        """Ask for as many letters as can be run, unless that is asked for already.

        One question at a time: letters come under their own subjects, and do not tell which
        one they answer. And the members of a group get the same share if each has one.
        """
        link, hub = self._link, self.nats._hub
        if link is None or link.is_closed or hub.is_ending or self._asked_for:
            return
        here = len(link.intake.letters)
        if self.nats.options.ordered:
            free = 1 - len(self.running) - here
        else:
            free = hub.options.concurrency - len(hub.foreign) - here
        if free <= 0:
            return
        self._number += 1
        end = self._question = f"p{self._number:x}"
        self._asked_for = free
        link.special[end] = lambda message: self._take_status(link, end, message)
        seconds = min(_PULL_SECONDS, self.nats.options.ack_wait * _PULL_PART)
        body = {"batch": free, "expires": round(seconds * NANOSECONDS)}
        link.publish(self.streams.pull_subject(), json.dumps(body).encode(), f"{link.inbox}.{end}")
        # A server that dies within a cluster answers nothing.
        self._expiry = hub.engine.schedule.call_in(seconds + 2, self._answered)

    def _answered(self) -> None:
        """The question is answered, or will not be."""
        self._expiry.cancel()
        self._asked_for = 0
        if self._link is not None:
            self._link.special.pop(self._question, None)
        self.pull()

    def _take_status(self, link: NatsLink, end: str, message: Msg) -> None:
        """The server says why there are no more letters."""
        headers = message.headers or {}
        if link is not self._link or end != self._question:
            return
        status = headers.get("Status")
        if status == "408":  # the time of the question is over
            self._answered()
            return
        text = "there is no consumer, or it is not ready"
        if status != "503":  # nobody has heard the question
            text = str(headers.get("Description", status))
        self.nats._hub.log("%r: no letters: %s", link, text)
        self.nats._hub.engine.schedule.call_in(_AGAIN_SECONDS, self._prepare_again)

    def _prepare_again(self) -> None:
        link = self._link
        if link is not None and self._asked_for:
            self._expiry.cancel()
            self._asked_for = 0
            link.special.pop(self._question, None)
            self.nats.prepare_desk(link)  # somebody may have deleted the consumer

    def take(self, link: NatsLink, message: Msg) -> None:
        """A letter has come."""
        letter = Letter(self, link, message)
        if link is not self._link:  # the node stops
            letter.give_back()
            return
        letter.keep()  # it may have to wait for room
        link.intake.add(letter)
        self._asked_for -= 1
        if self._asked_for <= 0:
            self._answered()

    # -- burying --

    def bury(self, letter: Letter, reason: str) -> None:
        """Put a letter among the dead."""
        link, options = letter.wire_link, self.nats.options
        assert options.group is not None
        self._number += 1
        end = f"b{self._number:x}"
        # Headers count as well: a server ends the connection over a message that is too large.
        data = letter.message.data
        room = link.client.max_payload - len(data) - len(letter.event_id.encode()) - _HEAD_BYTES
        if room < 0:
            data, room = b"", _REASON_BYTES
        text = " ".join(reason.split()).encode("ascii", "backslashreplace").decode()
        headers = {
            "Nats-Msg-Id": letter.event_id,
            "Circuits-Reason": text[: min(room, _REASON_BYTES)],
            "Circuits-Deliveries": str(letter.deliveries),
        }

        def answered(message: Msg) -> None:
            if link.special.pop(end, None) is None:
                return
            timer.cancel()
            try:
                is_stored = "seq" in json.loads(message.data)
            except ValueError:
                is_stored = False
            if is_stored:
                letter.buried(reason)
            else:
                self.nats._hub.log("%r: cannot bury %r: %s", link, letter, message.data[:200])
                again()

        def again() -> None:
            link.special.pop(end, None)
            if link.is_closed or self.nats._hub.is_ending:
                letter.give_back()  # whoever has it next finds the same
                letter._end()
            else:
                schedule.call_in(_AGAIN_SECONDS, lambda: self.bury(letter, reason))

        schedule = self.nats._hub.engine.schedule
        timer = schedule.call_in(_BURY_SECONDS, again)
        link.special[end] = answered
        subject = self.nats.subjects.dead(options.group, letter.message.subject)
        link.publish(subject, data, f"{link.inbox}.{end}", headers)
