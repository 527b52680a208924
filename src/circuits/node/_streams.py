"""The streams of a group and their consumer: made where they are missing, never changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from nats.aio.client import Client

    from ._nats_options import NatsOptions
    from ._subjects import Subjects

__all__ = ["DUPLICATE_SECONDS", "ApiError", "Streams", "differences"]

#: How long a stream remembers the ids of messages, and a node those that it has completed.
DUPLICATE_SECONDS: Final = 120
_NANOSECONDS: Final = 1_000_000_000
#: How many messages may be under way in a group; what one node takes is limited by itself.
_MOST_PENDING: Final = 100_000
_API_SECONDS: Final = 3.0
#: What JetStream says where there is no stream, no consumer, or already another one.
_MISSING: Final = frozenset({10059, 10014})
_TAKEN: Final = frozenset({10058, 10148, 10013})


class ApiError(Exception):
    """JetStream refuses something.

    Attributes:
        number: Its ``err_code``.
    """

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error.get("description", error)))
        self.number = error.get("err_code")


def differences(wanted: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """What settings differ, in words. What a server leaves out is its default."""
    return [
        f"{key} is {found.get(key)!r} and should be {value!r}"
        for key, value in wanted.items()
        if found.get(key) != value
    ]


class Streams:
    """What a group needs at the servers.

    Args:
        options: Of the node, which has a group.
        subjects: How they are called.
    """

    def __init__(self, options: NatsOptions, subjects: Subjects) -> None:
        group = options.group
        assert group is not None
        self.stream = subjects.stream(group)
        self.consumer = subjects.consumer(group)
        self.dead = subjects.dead_stream(group)
        common = {
            "storage": "file",
            "duplicate_window": DUPLICATE_SECONDS * _NANOSECONDS,
            "num_replicas": options.replicas,
        }
        self._wanted = {
            self.stream: {
                "subjects": [subjects.all_durable(group)], "retention": "workqueue", **common,
            },
            self.dead: {"subjects": [subjects.all_dead(group)], "retention": "limits", **common},
        }  # fmt: skip
        self._consumer: dict[str, Any] = {
            "durable_name": self.consumer,
            "ack_policy": "explicit",
            "ack_wait": round(options.ack_wait * _NANOSECONDS),
            "max_deliver": -1,
            "max_ack_pending": 1 if options.ordered else _MOST_PENDING,
            "deliver_policy": "all",
        }

    async def ensure(self, client: Client) -> list[str]:
        """Make what is missing.

        Returns:
            What is there with other settings, in words.

        Raises:
            ApiError: JetStream does not let us.
            nats.errors.Error, asyncio.TimeoutError: It cannot be asked.
        """
        problems = []
        for name, wanted in self._wanted.items():
            info = await self._ensure(
                client, f"STREAM.INFO.{name}", f"STREAM.CREATE.{name}", {"name": name, **wanted}
            )
            problems += [f"stream {name!r}: {text}" for text in differences(wanted, info)]
        if not problems:
            where = f"{self.stream}.{self.consumer}"
            body = {
                "stream_name": self.stream,
                "config": {"name": self.consumer, **self._consumer},
                "action": "create",
            }
            info = await self._ensure(
                client, f"CONSUMER.INFO.{where}", f"CONSUMER.CREATE.{where}", body
            )
            # A filter would keep events from the group.
            wanted = {**self._consumer, "filter_subject": None, "filter_subjects": None}
            problems += [f"consumer {where!r}: {text}" for text in differences(wanted, info)]
        return problems

    async def _ensure(
        self, client: Client, look: str, make: str, body: dict[str, Any]
    ) -> dict[str, Any]:
        try:
            found = await self._ask(client, look)
        except ApiError as problem:
            if problem.number not in _MISSING:
                raise
            try:
                await self._ask(client, make, body)
            except ApiError as refused:
                if refused.number not in _TAKEN:  # by another member, just now
                    raise
            found = await self._ask(client, look)
        config: dict[str, Any] = found["config"]
        return config

    async def _ask(self, client: Client, what: str, body: Any = None) -> dict[str, Any]:
        data = b"" if body is None else json.dumps(body).encode()
        message = await client.request(f"$JS.API.{what}", data, timeout=_API_SECONDS)
        answer: dict[str, Any] = json.loads(message.data)
        if "error" in answer:
            raise ApiError(answer["error"])
        return answer

    def pull_subject(self) -> str:
        """Where messages are asked for."""
        return f"$JS.API.CONSUMER.MSG.NEXT.{self.stream}.{self.consumer}"
