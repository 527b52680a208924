"""Our components in the server of others: what WSGI and ASGI have in common."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

from circuits.core.components import BaseComponent
from circuits.core.handlers import handler

from . import errors, wrappers
from ._exchange import Exchange, State
from ._limits import Limits, number
from .dispatchers.dispatcher import Dispatcher
from .http import HTTP

if TYPE_CHECKING:
    from . import exceptions

__all__ = ["HostedHTTP", "HostedTree"]


class HostedHTTP(HTTP):
    """HTTP without connections: it finds exchanges by their requests."""

    def __init__(self, encoding: str, channel: str, limits: Limits) -> None:
        super().__init__(encoding, channel, limits=limits)
        self.exchanges: dict[wrappers.Request, Any] = {}

    def exchange_of(self, response: wrappers.Response) -> Any:
        return self.exchanges.get(response.request)

    def body_file(self) -> Any:
        """A file for a body that is gathered, which leaves the memory when it gets large."""
        # With 0, it never would.
        most = max(1, number(self.limits.memory_body_bytes))
        return tempfile.SpooledTemporaryFile(max_size=most)  # closed with the request

    @handler("response", override=True)
    def _on_response(self, response: wrappers.Response | errors.HTTPError) -> None:
        if isinstance(response, errors.HTTPError):  # a tool has refused
            problem, response = response, response.response
            response.body = str(problem)
        exchange = self.exchange_of(response)
        if exchange is not None and exchange.state < State.SENDING:
            exchange.send(response)
        elif exchange is None or exchange.response is not response:
            response.release()


class HostedTree(BaseComponent):
    """A tree with an HTTP component and a dispatcher, that a server of others calls.

    Args:
        encoding: How text in responses is encoded.
        **kwargs: For the component, and limits: ``limits=``, a :class:`~circuits.web.Limits`, or
            each by its name.
    """

    channel = "web"

    def __init__(self, *args: Any, encoding: str = "utf-8", **kwargs: Any) -> None:
        limits = Limits.take(kwargs)
        super().__init__(*args, **kwargs)
        self.encoding = encoding
        self.http = HostedHTTP(encoding, self.channel, limits)
        self.http.register(self)
        Dispatcher(channel=self.channel).register(self)

    @staticmethod
    def _begin(
        exchange: Exchange, refusal: exceptions.HTTPException | None, redirect: str | None
    ) -> None:
        """Have a request handled, unless something is wrong with it."""
        if refusal is None:
            exchange.begin(redirect)
        else:
            exchange.fail((type(refusal), refusal, []))
