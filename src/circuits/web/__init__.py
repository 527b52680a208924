"""The web framework: servers, controllers, dispatchers, events."""

from __future__ import annotations

from ._websocket import WebSocket
from .controllers import BaseController, Controller, JSONController, expose, exposeJSON
from .csrf import CSRF
from .dispatchers import JSONRPC, XMLRPC, Dispatcher, Static, VirtualHosts, WebSockets
from .errors import (
    Forbidden,
    HTTPError,
    NotFound,
    Redirect,
    Unauthorized,
    forbidden,
    httperror,
    notfound,
    redirect,
    unauthorized,
)
from .events import Request, Response, Stream, request, response, stream
from .health import Health, RequestIDFilter, RequestIDs
from .loggers import Logger
from .security import CORS, RateLimit, SecurityHeaders
from .servers import BaseServer, Server
from .sessions import CookieStore, MemoryStore, Session, Sessions, SQLiteStore, Store
from .utils import url

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
    "Sessions",
    "Session",
    "SQLiteStore",
    "MemoryStore",
    "CookieStore",
    "BaseController",
    "BaseServer",
    "Controller",
    "Dispatcher",
    "Forbidden",
    "HTTPError",
    "JSONController",
    "Logger",
    "NotFound",
    "Redirect",
    "Request",
    "Response",
    "Server",
    "Static",
    "Stream",
    "Unauthorized",
    "VirtualHosts",
    "WebSocket",
    "WebSockets",
    "expose",
    "exposeJSON",
    "forbidden",
    "httperror",
    "notfound",
    "redirect",
    "request",
    "response",
    "stream",
    "unauthorized",
    "url",
]
