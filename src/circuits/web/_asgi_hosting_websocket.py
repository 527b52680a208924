"""One WebSocket of a hosted ASGI application."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from circuits._wire.websocket import ABNORMAL, INTERNAL_ERROR, NORMAL

from . import errors, exceptions
from ._asgi_hosting import Call, ClientGone, is_about
from ._asgi_hosting_fields import as_bytes, response_fields
from ._websocket import ConnectionClosed
from ._websocket_accepting import accept
from ._websocket_link import Listener
from .headers import HOP_BY_HOP

if TYPE_CHECKING:
    from ._asgi_hosting import App, Gate, Message
    from ._exchange import Exchange
    from ._response import Response
    from ._websocket import WebSocket
    from ._websocket_accepting import Policy

__all__ = ["SocketCall"]


class SocketCall(Call, Listener):
    """The call for a WebSocket, from its handshake; listens to the connection."""

    _prefix = "websocket.http.response"

    def __init__(
        self,
        gate: Gate,
        app: App,
        scope: dict[str, Any],
        response: Response,
        exchange: Exchange | None,
        policy: Policy,
    ) -> None:
        super().__init__(gate, app, scope, response, exchange)
        self._policy = policy
        self._websocket: WebSocket | None = None
        self._is_told = False  # that somebody connects
        self._decided = asyncio.Event()  # it is open, or never will be

    # -- for the application --

    async def receive(self) -> Message:
        if not self._is_told:
            self._is_told = True
            return {"type": "websocket.connect"}
        await self._decided.wait()
        websocket = self._websocket
        if websocket is None:
            return {"type": "websocket.disconnect", "code": ABNORMAL, "reason": ""}
        try:
            message = await websocket.receive()
        except ConnectionClosed as problem:
            return {
                "type": "websocket.disconnect",
                "code": problem.code,
                "reason": problem.reason,
            }
        key = "text" if isinstance(message, str) else "bytes"
        return {"type": "websocket.receive", key: message}

    async def send(self, message: Message) -> None:
        kind, websocket = message["type"], self._websocket
        if websocket is not None:
            if kind == "websocket.send":
                text = message.get("text")
                try:
                    await websocket.send(as_bytes(message["bytes"]) if text is None else text)
                except ConnectionClosed as problem:
                    raise ClientGone from problem
                return
            if kind == "websocket.close":
                websocket._shut(message.get("code") or NORMAL, message.get("reason") or "")
                return
        elif kind == "websocket.accept":
            await self._accept(message)
            return
        elif kind == "websocket.close":
            self._check_open(kind)
            self._is_answered = True
            refusal = exceptions.Forbidden("The application does not want this connection.")
            self._context.run(self._gate._refuse, self.response, refusal)
            return
        elif await self._answer(message):
            return
        raise RuntimeError(f"a WebSocket has no message {kind!r:.80} at this point")

    async def _accept(self, message: Message) -> None:
        self._check_open("websocket.accept")
        response = self.response
        fields = [
            (name, value)
            for name, value in response_fields(message)
            if name.lower() not in HOP_BY_HOP and not name.lower().startswith("sec-websocket-")
        ]
        response._take_fields(tuple(fields))
        subprotocol = message.get("subprotocol")
        result = accept(response.request, response, self._policy, self, lambda offered: subprotocol)
        self._is_answered = True
        if isinstance(result, errors.HTTPError):
            self._context.run(self._gate._refuse, response, exceptions.NotImplemented())
        else:
            self._respond()
        await self._decided.wait()
        if self._websocket is None:
            raise ClientGone

    def _check_open(self, kind: str) -> None:
        if self._is_answered or self._status is not None:
            raise RuntimeError(f"{kind} behind an answer")
        if self.is_gone:
            raise ClientGone

    # -- what comes of it --

    def _ended(self, problem: BaseException | None) -> None:
        websocket = self._websocket
        if websocket is None:
            super()._ended(problem)
            return
        if problem is not None and not self._is_cancelled and not is_about(problem, ClientGone):
            self._gate._report(problem)
        websocket._shut(NORMAL if problem is None else INTERNAL_ERROR)

    def close(self) -> None:
        super().close()
        # A response with 101 is over when the connection is handed over, which comes next.
        if self.is_gone or self.response.code != 101:
            self._decided.set()

    # -- the connection tells --

    def opened(self, websocket: WebSocket) -> None:
        """Let the application go on."""
        self._websocket = websocket
        self._decided.set()

    def closed(self, websocket: WebSocket) -> None:
        """Give the application some time to find out."""
        self._go()
