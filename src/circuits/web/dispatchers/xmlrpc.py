"""XMLRPC: remote calls in XML (manual: circuits.web.dispatchers.xmlrpc)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ._rpc import RPC, Remote, describe

if TYPE_CHECKING:
    from collections.abc import Collection, Generator
    from xmlrpc.client import Fault

    from circuits.web.wrappers import Response

__all__ = ["RPC", "XMLRPC"]

#: How deep elements may be nested; an array in an array is three levels further down.
_DEPTH_LIMIT = 200
#: How many elements a call may have: a body of empty ones becomes a multiple of its size.
_ELEMENTS_LIMIT = 500_000
#: What XML cannot carry (XML 1.0, 2.2), not even as a reference.
_UNSENDABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class XMLRPC(Remote):
    """Answers XML-RPC calls with what the handlers of an event return.

    The method ``add`` of a client is the event ``add`` on ``rpc_channel``; ``calc.add`` is that
    event on the channel ``calc``. Handlers may be generators and coroutines; of several results
    the client gets a list. What a handler raises becomes a fault with code 1 and the text
    ``<type>: <message>``, or is the fault if it is an :class:`xmlrpc.client.Fault`.

    Only handlers of the application can be called: none of the framework's, none of controllers,
    none whose name begins with an underscore or is that of an event of the framework.

    Handles ``request`` as a filter with priority 0.2, which is before the controllers.

    Args:
        path: Where it answers, such as ``"/rpc"``; ``None`` is everywhere.
        encoding: The encoding of responses; requests say theirs.
        rpc_channel: Where methods are called whose name has no channel before a dot.
        methods: Names that clients may call, with their channels as clients write them. ``None``
            is every handler of the application.
        use_builtin_types: Whether handlers get dates as :class:`datetime.datetime` and binary
            data as ``bytes``, instead of the types of :mod:`xmlrpc.client`.
        **kwargs: For the component, such as ``channel``.

    .. versionchanged:: 2.1
       ``methods`` and ``use_builtin_types`` are new.
    """

    def __init__(
        self,
        path: str | None = None,
        encoding: str = "utf-8",
        rpc_channel: Any = "*",
        *,
        methods: Collection[str] | None = None,
        use_builtin_types: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(path, encoding, rpc_channel, methods=methods, **kwargs)
        self.use_builtin_types = use_builtin_types

    def _answer(self, data: bytes, response: Response) -> Generator[Any, Any, bytes]:
        from xmlrpc.client import Fault

        response.headers["Content-Type"] = "text/xml"
        try:
            method, params = _parse(data, self.use_builtin_types)
            result = yield from self._finish(self._begin(method, params, {}))
            return self._dump((result,))
        except Fault as fault:
            return self._dump(fault)
        except Exception as problem:
            return self._dump(Fault(1, describe(problem)))

    def _dump(self, result: tuple[Any] | Fault) -> bytes:
        from xmlrpc.client import dumps

        text = dumps(result, methodresponse=True, encoding=self.encoding, allow_none=True)
        if (found := _UNSENDABLE.search(text)) is not None:
            if isinstance(result, tuple):
                raise ValueError(f"the result holds {found[0]!r}, which XML cannot carry")
            text = _UNSENDABLE.sub("?", text)
        return text.encode(self.encoding, "xmlcharrefreplace")


def _parse(data: bytes, use_builtin_types: bool) -> tuple[str, list[Any]]:
    """Take a call apart: its method and the arguments.

    Not by :func:`xmlrpc.client.loads`, which expands entities and has no limits.
    """
    from xml.parsers import expat
    from xmlrpc.client import Unmarshaller

    target: Any = Unmarshaller(use_builtin_types=use_builtin_types)
    target.xml(None, None)  # the parser gives text, not bytes
    parser = expat.ParserCreate()
    depth = count = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth += 1
        count += 1
        if depth > _DEPTH_LIMIT or count > _ELEMENTS_LIMIT:
            raise ValueError("the call is nested too deeply, or has too many values")
        target.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        target.end(tag)

    def refuse(*args: Any) -> None:
        raise ValueError("a call has no document type")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = target.data
    parser.StartDoctypeDeclHandler = refuse
    parser.buffer_text = True
    parser.Parse(data, True)
    method, params = target.getmethodname(), list(target.close())
    if not isinstance(method, str):
        raise ValueError("the request is no method call")
    return method, params
