"""The STOMP client over real sockets, plain and with TLS, with a broker of a few lines."""

from __future__ import annotations

from typing import Any

import pytest

from circuits import Component, handler
from circuits._wire.stomp import Frame, FrameDecoder, encode
from circuits.net.protocols import stomp
from circuits.net.protocols.stomp import StompClient
from circuits.net.sockets import Close, TCPServer, Write
from tests.certificates import Certificates
from tests.integration.net_support import Journal, running


class Broker(Component):
    """Delivers what is sent to whoever is subscribed, and confirms."""

    channel = "broker"

    def init(self, **options: Any) -> None:
        self.server = TCPServer(("127.0.0.1", 0), channel=self.channel, **options).register(self)
        self.decoders: dict[Any, FrameDecoder] = {}
        self.subscribers: list[tuple[Any, dict[str, str]]] = []
        self.seen: list[Frame] = []

    def connect(self, sock: Any, host: str, port: int) -> None:
        self.decoders[sock] = FrameDecoder()

    def read(self, sock: Any, data: bytes) -> None:
        self.decoders[sock].receive_data(data)
        while (frame := self.decoders[sock].next_message()) is not None:
            if isinstance(frame, Frame):
                self.seen.append(frame)
                self._take(sock, frame)

    def _take(self, sock: Any, frame: Frame) -> None:
        if frame.command == "CONNECT":
            self._tell(sock, Frame("CONNECTED", {"version": "1.2"}))
        elif frame.command == "SUBSCRIBE":
            self.subscribers.append((sock, frame.headers))
        elif frame.command == "SEND":
            for other, headers in self.subscribers:
                if headers["destination"] == frame.headers["destination"]:
                    found = {"subscription": headers["id"], "message-id": "1", "ack": "1"}
                    self._tell(other, Frame("MESSAGE", found, frame.body))
        if "receipt" in frame.headers:
            self._tell(sock, Frame("RECEIPT", {"receipt-id": frame.headers["receipt"]}))

    def _tell(self, sock: Any, frame: Frame) -> None:
        self.fire(Write(sock, encode(frame)))

    @handler("kick")
    def _on_kick(self) -> None:
        for sock in list(self.decoders):
            self.fire(Close(sock))


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_conversation(secure: bool, certificates: Certificates) -> None:
    options = {"secure": True, "certfile": certificates.server} if secure else {}
    broker, journal = Broker(**options), Journal("stomp")
    port = broker.server.port
    assert port is not None
    ca_certs = str(certificates.authority) if secure else None
    client = StompClient("localhost", port, use_ssl=secure, ca_certs=ca_certs)
    with running(broker, client, journal) as program:
        program.app.fire(stomp.connect(), "stomp")
        journal.expect("connected")
        program.app.fire(stomp.subscribe("/q"), "stomp")
        program.app.fire(stomp.send({"x": "y:z"}, "grüße" * 5000, "/q"), "stomp")
        journal.expect("message")
        program.app.fire(stomp.disconnect(receipt="bye"), "stomp")
        journal.expect("disconnected")
    commands = [frame.command for frame in broker.seen]
    assert commands == ["CONNECT", "SUBSCRIBE", "SEND", "DISCONNECT"]
    assert broker.seen[2].headers["x"] == "y:z"


def test_a_certificate_that_nobody_trusts(certificates: Certificates) -> None:
    broker = Broker(secure=True, certfile=certificates.server)
    assert broker.server.port is not None
    client, journal = StompClient("localhost", broker.server.port), Journal("stomp")
    with running(broker, client, journal) as program:
        program.app.fire(stomp.connect(), "stomp")
        journal.expect("connection_failed")
    assert not broker.seen


def test_nobody_is_there() -> None:
    broker, journal = Broker(), Journal("stomp")
    port = broker.server.port
    assert port is not None
    client = StompClient("127.0.0.1", port, use_ssl=False)
    with running(client, journal) as program:
        broker.server.close()
        program.app.fire(stomp.connect(), "stomp")
        journal.expect("connection_failed")
