"""How a tunnel through a proxy is opened (RFC 9110, 9.3.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from circuits._wire import ProtocolError as WireError
from circuits._wire.http1 import Limits, ResponseDecoder, ResponseHead, encode_request_head

from ._client_errors import ConnectError
from ._client_request import host_header

if TYPE_CHECKING:
    from ._client_proxies import Proxy

__all__ = ["Tunnel"]


class Tunnel:
    """One that is being opened. Nothing of what the proxy says is for whoever asked.

    Args:
        host: Name of the server.
        port: Its port.
        proxy: Who is asked to connect to it.
        limits: What the answer may be at most.
    """

    def __init__(self, host: str, port: int, proxy: Proxy, limits: Limits) -> None:
        self._name = host_header(host, port, secure=port == 80)  # so that the port is always there
        self._proxy = proxy
        self._decoder = ResponseDecoder(limits)
        self._decoder.expect("CONNECT")

    def request(self) -> bytes:
        """What the proxy is sent."""
        fields = [("Host", self._name)]
        if self._proxy.authorization:
            fields.append(("Proxy-Authorization", self._proxy.authorization))
        return encode_request_head("CONNECT", self._name, fields)

    def receive(self, data: bytes) -> bool:
        """Take what the proxy says; whether the tunnel is open now.

        Raises:
            ConnectError: It will not be.
        """
        try:
            self._decoder.receive_data(data)
            while isinstance(head := self._decoder.next_message(), ResponseHead):
                if head.switched and self._decoder.pending_bytes:
                    raise self._error("it says more than it should")
                if not head.interim:
                    if not head.switched:
                        raise self._error(f"it answers {head.status} {head.reason}")
                    return True
        except WireError as problem:
            raise self._error(str(problem)) from None
        return False

    def _error(self, reason: str) -> ConnectError:
        proxy = self._proxy
        return ConnectError(f"the proxy {proxy.host}:{proxy.port} does not connect: {reason}")
