"""Controllers: classes whose methods answer requests (manual: circuits.web.controllers).

An exposed method is a handler of the event of its name on the controller's channel, which is
also the path that the controller is mounted at. The dispatcher chooses the method and fires that
event with ``(request, response, *segments, **parameters)``.

Such a function is wrapped (``_exposed``), so that ``self.request`` and ``self.response`` are those of
the request that is being answered.

What a function takes is looked at once, when it is exposed (:class:`Binding`), so that routing
and checking a request's parameters need no introspection.
"""

from __future__ import annotations

import warnings
from types import FunctionType
from typing import TYPE_CHECKING, Any

from circuits.core.components import BaseComponent
from circuits.core.errors import HandlerWarning
from circuits.core.handlers import SELF
from circuits.core.utils import flatten

from . import errors, tools
from ._at_hand import at_hand
from ._binding import Binding
from ._exposed import call_json, call_plain, make_exposed, page_name
from ._websocket_exposed import with_websocket
from .wrappers import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable
    from urllib.parse import SplitResult

    from circuits.core.handlers import HandlerSpec

    from ._cookies import CookieJar

    Decorator = Callable[[Callable[..., Any]], Any]

__all__ = [
    "BaseController",
    "Binding",
    "Controller",
    "JSONController",
    "error_page",
    "expose",
    "exposeJSON",
]

# -- exposing ---------------------------------------------------------------------------------


@with_websocket(call_plain)
def expose(*channels: str, **config: Any) -> Decorator:
    """Let requests reach a method; ``@expose.websocket`` does so for WebSockets.

    Args:
        *channels: The names, which need not be identifiers (``"test.txt"``). Without any, the
            name of the function; with some, that name is not exposed.
        **config: ``strict=True`` refuses parameters that the method does not take, which are left
            out otherwise. The rest is for :func:`circuits.core.handlers.handler`. Other than
            there, ``override`` is on: a method that a subclass defines again replaces the
            inherited one.

    Parameters with an annotation are converted, and a misfit is answered with 400: ``int``,
    ``float``, ``bool``, ``str``, ``bytes``, ``Decimal``, ``UUID``, ``date``, ``datetime``,
    ``Literal``, classes of ``Enum``, ``T | None``, and ``list[T]`` for names that are repeated.
    One with a dataclass or a ``Struct`` of msgspec is made from the JSON or the form in the body.

    Raises:
        TypeError: Nothing can be converted to an annotation.
    """
    _check_called("expose", channels)

    def decorate(function: Callable[..., Any]) -> Any:
        return make_exposed(function, channels, config, call_plain)

    return decorate


def exposeJSON(*channels: str, **config: Any) -> Decorator:  # documented name
    """Let requests reach a method whose result is sent as JSON.

    The content type is set before the method is called. Errors are described in JSON, too
    (``application/problem+json``).
    ``HTTPError`` events and the response object are sent as they are. Of a generator, the last
    value that it yields or returns is sent.

    Args:
        *channels: As for :func:`expose`.
        **config: As for :func:`expose`.
    """
    _check_called("exposeJSON", channels)

    def decorate(function: Callable[..., Any]) -> Any:
        return make_exposed(function, channels, config, call_json)

    return decorate


def error_page(*codes: int) -> Decorator:
    """Have a method make the pages of errors below its controller.

    The method is called with the :class:`~circuits.web.errors.HTTPError`, while ``self.request`` and
    ``self.response`` are those of the request. What it returns is sent with the status of the
    error; ``None`` leaves it to controllers further up, and in the end to the default page.

    Args:
        *codes: Status codes; without any, every error that no other method is for.

    .. versionadded:: 2.1
    """
    _check_called("error_page", codes)

    def decorate(function: Callable[..., Any]) -> Any:
        function.error_codes = codes or (None,)  # type: ignore[attr-defined]
        return function

    return decorate


def _check_called(name: str, given: tuple[Any, ...]) -> None:
    if given and callable(given[0]):
        raise TypeError(f"@{name} is to be called: write @{name}() before {given[0].__qualname__}")


# -- controllers ------------------------------------------------------------------------------


class BaseController(BaseComponent):
    """Answers requests below the path that is its channel.

    Methods are exposed by :func:`expose` only. A handler of an event on the controller's own
    channel whose first parameters are named ``request`` and ``response`` is reached, too.

    Attributes:
        channel: Where it is mounted, such as ``"/news"``.
    """

    channel = "/"

    @property
    def request(self) -> Request:
        """The request that is being answered.

        Raises:
            AttributeError: No exposed method of this request is running.
        """
        try:
            return at_hand.get()[0]  # self._at_hand, without the call
        except LookupError:
            return self._at_hand("request")[0]

    @property
    def response(self) -> Response:
        """Its response. Raises ``AttributeError`` as ``request`` does."""
        try:
            return at_hand.get()[1]
        except LookupError:
            return self._at_hand("response")[1]

    @property
    def cookie(self) -> CookieJar:
        """The cookies of the request. Raises ``AttributeError`` as ``request`` does."""
        return self._at_hand("cookie")[0].cookie

    @property
    def session(self) -> Any:
        """The session. Raises ``AttributeError`` as ``request`` does, and without ``Sessions``."""
        request = self._at_hand("session")[0]
        try:
            return request.session
        except AttributeError:
            raise AttributeError(
                f"{self.name}.session needs a Sessions component beside the server"
            ) from None

    @property
    def uri(self) -> SplitResult:
        """The URL of the request, taken apart. Raises ``AttributeError`` as ``request`` does."""
        return self._at_hand("uri")[0].uri

    def _at_hand(self, attribute: str) -> tuple[Request, Response]:
        try:
            return at_hand.get()
        except LookupError:
            raise AttributeError(
                f"{self.name}.{attribute} exists only while an exposed method answers a request"
            ) from None

    # -- for exposed methods ------------------------------------------------------------------

    def url(self, *args: Any, **kwargs: Any) -> str:
        """Make a URL, as :func:`circuits.web.utils.url`; without arguments the current one."""
        return self.request.url(*args, **kwargs)

    def redirect(self, urls: str | list[str], code: int | None = None) -> errors.Redirect:
        """Make the event that sends the client elsewhere; to be returned."""
        return errors.Redirect(self.request, self.response, urls, code)

    def forbidden(self, description: str | None = None) -> errors.Forbidden:
        """Make the event that refuses the request with 403; to be returned."""
        return errors.Forbidden(self.request, self.response, description=description)

    def notfound(self, description: str | None = None) -> errors.NotFound:
        """Make the event that answers 404; to be returned."""
        return errors.NotFound(self.request, self.response, description=description)

    def serve_file(
        self,
        path: str,
        type: str | None = None,  # documented name
        disposition: str | None = None,
        name: str | None = None,
    ) -> Any:
        """Answer with a file; see :func:`circuits.web.tools.serve_file`. To be returned."""
        return tools.serve_file(self.request, self.response, path, type, disposition, name)

    def serve_download(self, path: str, name: str | None = None) -> Any:
        """Answer with a file to be saved; see :func:`circuits.web.tools.serve_download`."""
        return tools.serve_download(self.request, self.response, path, name)

    def expires(self, secs: Any = 0, force: bool = False) -> None:
        """Say how long the response may be cached; see :func:`circuits.web.tools.expires`."""
        tools.expires(self.request, self.response, secs, force)

    # -- handlers that come and go at run time ------------------------------------------------

    def addHandler(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """As in any component; requests find the handler at once."""
        method = super().addHandler(function)
        self._tell_dispatchers()
        return method

    def removeHandler(self, method: Callable[..., Any], event: str | None = None) -> None:
        """As in any component; requests do not find it any more."""
        super().removeHandler(method, event)
        self._tell_dispatchers()

    def _tell_dispatchers(self) -> None:
        for node in flatten(self.root):
            forget = getattr(node, "_forget_choices", None)
            if forget is not None:
                forget()

    @classmethod
    def _error_pages(cls) -> dict[int | None, Callable[..., Any]]:
        """The methods that make the pages of errors, by status code; ``None`` is all others."""
        return {
            code: function
            for base in reversed(cls.__mro__)
            for function in vars(base).values()
            for code in getattr(function, "error_codes", ())
        }

    def _bindings(self) -> dict[str, tuple[Binding, ...]]:
        """The names that requests may reach, with what the handlers behind each take."""
        table: dict[str, tuple[Binding, ...]] = {}
        for spec in self._tree_specs:
            if spec.channel is not None and spec.channel != self.channel:
                continue
            binding = _binding_of(spec)
            if binding is not None:
                for name in map(page_name, spec.names):
                    if name is not None and name != "*":
                        table[name] = (*table.get(name, ()), binding)
        return table


def _binding_of(spec: HandlerSpec) -> Binding | None:
    function = getattr(spec.function, "__func__", spec.function)
    binding: Binding | None = getattr(function, "binding", None)
    if binding is None and spec.channel is not SELF and isinstance(function, FunctionType):
        # A handler that was not exposed must show that it is meant for requests: any other on
        # this channel could be called by a URL with arguments that it does not expect.
        code = function.__code__
        names = code.co_varnames[: code.co_argcount]
        skip = 1 + spec.wants_event
        if names[skip : skip + 2] == ("request", "response"):
            binding = Binding(function, skip + 2, bool(getattr(function, "stream", False)))
    return binding


def _expose_all(cls: type[BaseController], decorator: Callable[..., Decorator]) -> None:
    for attribute, value in list(vars(cls).items()):
        if (
            not isinstance(value, FunctionType)
            or attribute.startswith("_")
            or attribute == "init"  # called by the constructor, with its arguments
            or hasattr(value, "handler")
            or hasattr(value, "error_codes")
        ):
            continue
        if hasattr(BaseController, attribute):
            owner = next(base for base in BaseController.__mro__ if attribute in vars(base))
            warnings.warn(
                f"{cls.__name__}.{attribute} is exposed and hides {owner.__name__}.{attribute}, "
                f'which the framework needs; give it another name and @expose("{attribute}")',
                HandlerWarning,
                stacklevel=3,
            )
        setattr(cls, attribute, decorator(attribute)(value))


class Controller(BaseController):
    """A controller whose public methods are all exposed under their names.

    Functions of the class body whose name begins with an underscore, ``init``, and those that are
    handlers already are left alone, and so is everything else than functions.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _expose_all(cls, expose)


class JSONController(BaseController):
    """A controller whose public methods are all exposed, and their results sent as JSON."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _expose_all(cls, exposeJSON)
