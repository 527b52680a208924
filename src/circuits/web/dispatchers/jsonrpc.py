"""JSONRPC: remote calls in JSON (manual: circuits.web.dispatchers.jsonrpc).

Two forms of the protocol are spoken. A request that says ``"jsonrpc": "2.0"`` is answered as that
specification has it, with batches and notifications. Any other gets the form that the releases
before had, which calls itself 1.1.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from circuits.core.errors import CircuitsError
from circuits.core.values import Value
from circuits.web._json import decode_text, encode

from ._rpc import RPC, Misfit, Remote, Unknown, describe

if TYPE_CHECKING:
    from collections.abc import Collection, Generator

    from circuits.web.wrappers import Response

__all__ = ["JSONRPC", "RPC", "JSONRPCError"]

#: How deep lists and objects of a request may be nested.
_DEPTH_LIMIT = 100

# Of the specification, section 5.1.
_PARSE_ERROR = -32700
_INVALID_REQUEST = -32600
_METHOD_NOT_FOUND = -32601
_INVALID_PARAMS = -32602
_INTERNAL_ERROR = -32603
_SERVER_ERROR = -32000  # a handler has raised

# A quote that is never closed reaches to the end, so that no place is looked at twice.
_STRINGS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_BRACKETS = re.compile(r"[\[{\]}]")


class JSONRPCError(CircuitsError):
    """An error that a client is to get as it is; raised by handlers of calls.

    Args:
        code: What programs recognise it by. The codes from -32768 to -32000 are reserved.
        message: A short sentence about it.
        data: More about it, which can be encoded as JSON; ``None`` is nothing.

    .. versionadded:: 2.1
    """

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(code, message, data)
        self.code = code
        self.message = message
        self.data = data

    def __str__(self) -> str:
        return self.message


class _Call:
    """One request, and what becomes of it.

    Attributes:
        is_modern: Whether it is of version 2.0.
        is_answered: Whether it is to be answered at all.
        id: What it calls itself.
        value: Of its event.
        problem: Why there is none, or what went wrong.
    """

    def __init__(self, message: Any, in_batch: bool) -> None:
        self.message = message
        self.value: Value | None = None
        self.problem: JSONRPCError | None = None
        self.is_answered = True
        self.id: Any = None
        self.has_id = False
        is_object = isinstance(message, dict)
        version = message.get("jsonrpc") if is_object else None
        self.is_modern = in_batch or version not in (None, "1.0", "1.1")
        if is_object:
            self.has_id = "id" in message
            self.id = message.get("id")
            self.problem = self._check(version)
        else:
            self.problem = _invalid("a request must be an object")
        if self.is_modern and self.problem is None:
            self.is_answered = self.has_id

    def _check(self, version: Any) -> JSONRPCError | None:
        """What is wrong with the request, if anything."""
        message = self.message
        fault = None
        if self.is_modern:
            if isinstance(self.id, bool | list | dict):
                self.id = None
                fault = "an id must be text, a number or null"
            elif version != "2.0":
                fault = 'jsonrpc must be "2.0"'
        if not isinstance(message.get("method"), str):
            fault = fault or "method must be text"
        elif not isinstance(message.get("params"), list | dict | None):
            fault = fault or "params must be a list or an object"
        return None if fault is None else _invalid(fault)


def _invalid(fault: str) -> JSONRPCError:
    return JSONRPCError(_INVALID_REQUEST, f"ValueError: {fault}")


class JSONRPC(Remote):
    """Answers JSON-RPC calls with what the handlers of an event return.

    The method ``add`` of a client is the event ``add`` on ``rpc_channel``; ``calc.add`` is that
    event on the channel ``calc``. Lists of parameters become positional arguments, objects become
    keywords. Handlers may be generators and coroutines; of several results the client gets a list.

    Requests of version 2.0 get errors with the codes of its specification; an exception of a
    handler has -32000 and the text ``<type>: <message>``, unless it is a :class:`JSONRPCError`.
    Batches are taken; all their calls begin in their order, and go on at the same time. Where there
    is nothing to answer, the status is 204. Others get ``{"id", "version": "1.1", "result",
    "error"}``, with code 100 in errors.

    Only handlers of the application can be called: none of the framework's, none of controllers,
    none whose name begins with an underscore or is that of an event of the framework.

    Handles ``request`` as a filter with priority 0.2, which is before the controllers.

    Args:
        path: Where it answers, such as ``"/rpc"``; ``None`` is everywhere.
        encoding: The encoding of requests and responses.
        rpc_channel: Where methods are called whose name has no channel before a dot.
        methods: Names that clients may call, with their channels as clients write them. ``None``
            is every handler of the application.
        batch_limit: How many calls a batch may have.
        **kwargs: For the component, such as ``channel``.

    .. versionchanged:: 2.1
       Version 2.0, ``methods`` and ``batch_limit`` are new.
    """

    def __init__(
        self,
        path: str | None = None,
        encoding: str = "utf-8",
        rpc_channel: Any = "*",
        *,
        methods: Collection[str] | None = None,
        batch_limit: int = 100,
        **kwargs: Any,
    ) -> None:
        super().__init__(path, encoding, rpc_channel, methods=methods, **kwargs)
        self.batch_limit = batch_limit

    def _answer(self, data: bytes, response: Response) -> Generator[Any, Any, Any]:
        response.headers["Content-Type"] = "application/json"
        try:
            message = _parse(data, self.encoding)
        except ValueError as problem:
            # Nobody knows what it was to be, but it can be guessed.
            guess = b'"jsonrpc"' in data or data.lstrip()[:1] == b"["
            error = JSONRPCError(_PARSE_ERROR, describe(problem))
            return self._encode(self._failure(_Call({}, guess), error))
        if not isinstance(message, list):
            call = _Call(message, False)
            self._start(call)
            answer = yield from self._end(call)
            return self._nothing(response) if answer is None else answer.encode(self.encoding)
        if not 0 < len(message) <= self.batch_limit:
            error = _invalid(f"a batch has 1 to {self.batch_limit} calls, not {len(message)}")
            return self._encode(self._failure(_Call({}, True), error))
        calls = [_Call(item, True) for item in message]
        for call in calls:
            self._start(call)
        answers = []
        for call in calls:
            answer = yield from self._end(call)
            if answer is not None:
                answers.append(answer)
        return (
            f"[{', '.join(answers)}]".encode(self.encoding) if answers else self._nothing(response)
        )

    @staticmethod
    def _nothing(response: Response) -> Response:
        del response.headers["Content-Type"]
        response.code = 204
        return response

    def _start(self, call: _Call) -> None:
        if call.problem is not None:
            return
        message = call.message
        params = message.get("params") or []
        args, kwargs = (params, {}) if isinstance(params, list) else ([], params)
        try:
            call.value = self._begin(message["method"], args, kwargs)
        except Unknown as problem:
            call.problem = JSONRPCError(_METHOD_NOT_FOUND, describe(problem))
        except Misfit as problem:
            call.problem = JSONRPCError(_INVALID_PARAMS, describe(problem))

    def _end(self, call: _Call) -> Generator[Any, Any, str | None]:
        """Wait for a call, and give its answer; ``None`` if it wants none."""
        if not call.is_answered:
            return None
        problem = call.problem
        if problem is None:
            assert call.value is not None
            code = _SERVER_ERROR
            try:
                result = yield from self._finish(call.value)
                code = _INTERNAL_ERROR
                if call.is_modern:
                    return encode({"jsonrpc": "2.0", "result": result, "id": call.id})
                return encode({"id": call.id, "version": "1.1", "result": result, "error": None})
            except JSONRPCError as raised:
                problem = raised
            except Exception as raised:
                problem = JSONRPCError(code, describe(raised))
        return self._failure(call, problem)

    def _failure(self, call: _Call, problem: JSONRPCError) -> str:
        error: dict[str, Any] = {"code": problem.code, "message": problem.message}
        if problem.data is not None:
            error["data"] = problem.data
        if call.is_modern:
            answer = {"jsonrpc": "2.0", "error": error, "id": call.id}
        else:
            if problem.code in _SPECIFIED:
                error["code"] = 100
            error = {"name": "JSONRPCError", **error}
            answer = {"id": -1 if call.id is None else call.id, "version": "1.1", "error": error}
        try:
            return encode(answer)
        except Exception as unsendable:  # the data of an error that a handler raised
            return self._failure(call, JSONRPCError(_INTERNAL_ERROR, describe(unsendable)))

    def _encode(self, answer: str) -> bytes:
        return answer.encode(self.encoding)


#: The codes that the older form does not know.
_SPECIFIED = frozenset(
    (
        _PARSE_ERROR,
        _INVALID_REQUEST,
        _METHOD_NOT_FOUND,
        _INVALID_PARAMS,
        _INTERNAL_ERROR,
        _SERVER_ERROR,
    )
)


def _parse(data: bytes, encoding: str) -> Any:
    """Decode a request.

    Raises:
        ValueError: It is no JSON, not in this encoding, or nested too deeply.
    """
    text = data.decode(encoding)
    # Before anything is made of it; most requests have fewer brackets in all.
    if text.count("[") + text.count("{") > _DEPTH_LIMIT:
        depth = 0
        for match in _BRACKETS.finditer(_STRINGS.sub("", text)):
            depth += 1 if match[0] in "[{" else -1
            if depth > _DEPTH_LIMIT:
                raise ValueError(f"lists and objects are nested more than {_DEPTH_LIMIT} deep")
    return decode_text(text)
