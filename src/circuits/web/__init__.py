"""The web framework: servers, controllers, dispatchers, events."""

from __future__ import annotations

from . import errors
from ._limits import Limits
from ._routes import Route, routes
from ._websocket import ConnectionClosed, WebSocket, broadcast
from .compression import Compression
from .controllers import BaseController, Controller, JSONController, error_page, expose, exposeJSON
from .csrf import CSRF
from .dispatchers import JSONRPC, XMLRPC, Dispatcher, Static, VirtualHosts, WebSockets
from .errors import *  # noqa: F403 - documented names
from .events import Request, Response, Stream, request, response, stream
from .eventstream import EventStream, ServerSentEvent
from .health import Health
from .loggers import Logger
from .openapi import OpenAPI
from .requestids import RequestIDFilter, RequestIDs
from .security import CORS, RateLimit, SecurityHeaders
from .servers import BaseServer, Server
from .sessions import CookieStore, MemoryStore, Session, Sessions, SQLiteStore, Store, StoreError
from .url import URL, parse_url
from .utils import url  # the module of that name is loaded above, and comes no more

__all__ = [
    "CORS",
    "CSRF",
    "JSONRPC",
    "URL",
    "XMLRPC",
    "BaseController",
    "BaseServer",
    "Compression",
    "ConnectionClosed",
    "Controller",
    "CookieStore",
    "Dispatcher",
    "EventStream",
    "Health",
    "JSONController",
    "Limits",
    "Logger",
    "MemoryStore",
    "OpenAPI",
    "RateLimit",
    "Request",
    "RequestIDFilter",
    "RequestIDs",
    "Response",
    "Route",
    "SQLiteStore",
    "SecurityHeaders",
    "Server",
    "ServerSentEvent",
    "Session",
    "Sessions",
    "Static",
    "Store",
    "StoreError",
    "Stream",
    "VirtualHosts",
    "WebSocket",
    "WebSockets",
    "broadcast",
    "error_page",
    "expose",
    "exposeJSON",
    "parse_url",
    "request",
    "response",
    "routes",
    "stream",
    "url",
]
__all__ += errors.__all__
