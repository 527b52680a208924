"""The web framework: servers, controllers, dispatchers, events."""

from __future__ import annotations

from . import errors
from ._limits import Limits
from ._routes import Route, routes
from ._websocket import WebSocket
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
from .sessions import CookieStore, MemoryStore, Session, Sessions, SQLiteStore, Store
from .url import URL, parse_url
from .utils import url  # the module of that name is loaded above, and comes no more

__all__ = [
    "JSONRPC",
    "XMLRPC",
    "RequestIDFilter",
    "RequestIDs",
    "Health",
    "SecurityHeaders",
    "RateLimit",
    "CORS",
    "CSRF",
    "Store",
    "EventStream",
    "ServerSentEvent",
    "Sessions",
    "Session",
    "SQLiteStore",
    "MemoryStore",
    "CookieStore",
    "BaseController",
    "BaseServer",
    "Compression",
    "Controller",
    "Dispatcher",
    "JSONController",
    "Limits",
    "Logger",
    "OpenAPI",
    "Request",
    "Response",
    "Route",
    "routes",
    "Server",
    "Static",
    "Stream",
    "VirtualHosts",
    "WebSocket",
    "WebSockets",
    "error_page",
    "expose",
    "exposeJSON",
    "request",
    "response",
    "stream",
    "URL",
    "parse_url",
    "url",
]
__all__ += errors.__all__
