"""Events of the web framework (manual: circuits.web.events).

The names in lower case are the same classes, under their names in the 3.x line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits.core.events import Event, literal_class

if TYPE_CHECKING:
    from . import wrappers

__all__ = ["Request", "Response", "Stream", "WebEvent", "request", "response", "stream"]


class WebEvent(Event[Any]):
    """An event whose success and failure are told by events of their own."""

    success = True
    failure = True


class Request(WebEvent):
    """A client asks for something.

    Fired by the HTTP component on the server's channel, once per request, when its body is
    complete. What a handler returns becomes the body of the response; see the dispatcher for the
    kinds of results. A filter that returns anything but ``None`` keeps it from the others.

    Args:
        request: The :class:`~circuits.web.wrappers.Request`.
        response: The :class:`~circuits.web.wrappers.Response`.
        peer_cert: The client's TLS certificate, if it has shown one.
        *args: For the events made by :meth:`create`, the further path segments.
        **kwargs: Likewise, the parameters of query and form.
    """

    complete = True

    def __init__(
        self,
        request: wrappers.Request,
        response: wrappers.Response,
        /,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        # Not through the base class: its "self" would clash with a form field of that name.
        self._event_args = (request, response, *args)
        self._event_value = None  # type: ignore[assignment]
        if kwargs:
            self.kwargs = kwargs

    @classmethod
    def create(cls, name: str, /, *args: Any, **kwargs: Any) -> Request:  # type: ignore[override]  # fields may be called "name"
        """Make a request whose event name is exactly ``name``, as a path segment has it.

        Derived events append to that name: ``fooBar_success``.

        Args:
            name: Name of the class and of the event.
            *args: Arguments of the event: request, response, and path segments.
            **kwargs: Parameters.
        """
        made: type[Request] = literal_class(cls, name)
        return made(*args, **kwargs)


request = Request


class Response(WebEvent):
    """A response is ready to be sent.

    Fired on the server's channel by the HTTP component, by the dispatcher, or by an application
    that owes an answer. Handlers with a priority above 0 may still change it; the HTTP component
    sends it at priority 0. Return values are ignored, unless a filter holds it back.

    Args:
        response: The :class:`~circuits.web.wrappers.Response`.
    """

    complete = True

    def __init__(self, response: wrappers.Response) -> None:
        super().__init__(response)


response = Response


class Stream(WebEvent):
    """The next piece of a streamed response.

    Fired on the server's channel by the HTTP component, which also handles it, or by an
    application that pushes by itself. Return values are ignored.

    Args:
        response: The :class:`~circuits.web.wrappers.Response`.
        data: Text or bytes to send; ``None`` ends the response.
    """

    complete = True

    def __init__(self, response: wrappers.Response, data: str | bytes | None) -> None:
        super().__init__(response, data)


stream = Stream
