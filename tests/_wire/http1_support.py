"""What the tests of the HTTP/1.1 codec share."""

from __future__ import annotations

from collections.abc import Iterable

from circuits._wire import http1

Message = http1.RequestHead | http1.ResponseHead | http1.Data | http1.EndOfMessage
Decoder = http1.RequestDecoder | http1.ResponseDecoder


def drain(decoder: Decoder) -> list[Message]:
    """All messages there are now."""
    messages: list[Message] = []
    while (message := decoder.next_message()) is not None:
        messages.append(message)
    return messages


def feed(decoder: Decoder, pieces: Iterable[bytes], eof: bool = False) -> list[Message]:
    """All messages in these pieces, adjacent data joined."""
    messages: list[Message] = []
    for piece in pieces:
        decoder.receive_data(piece)
        messages += drain(decoder)
    if eof:
        decoder.receive_eof()
        messages += drain(decoder)
    return join(messages)


def join(messages: Iterable[Message]) -> list[Message]:
    """Where data is cut has no meaning, so compare it joined."""
    joined: list[Message] = []
    for message in messages:
        if isinstance(message, http1.Data):
            assert message.data, "data is never empty"
            if joined and isinstance(joined[-1], http1.Data):
                joined[-1] = http1.Data(joined[-1].data + message.data)
                continue
        joined.append(message)
    return joined


def bytewise(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


def requests(data: bytes, limits: http1.Limits = http1.DEFAULT_LIMITS) -> list[Message]:
    """What a client's bytes mean when they come at once."""
    return feed(http1.RequestDecoder(limits), [data])


def request_head(data: bytes, limits: http1.Limits = http1.DEFAULT_LIMITS) -> http1.RequestHead:
    head = requests(data, limits)[0]
    assert isinstance(head, http1.RequestHead)
    return head


def outcome(decoder: Decoder, pieces: Iterable[bytes]) -> list[Message] | str:
    """The messages, or that it was refused."""
    try:
        return feed(decoder, pieces)
    except http1.RemoteProtocolError:
        return "refused"
