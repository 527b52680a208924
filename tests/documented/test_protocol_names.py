"""The documented names of circuits.net.protocols: where they are, what they are, what they do."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

import pytest

from circuits import BaseComponent, Component, Event, Manager
from circuits.core.handlers import HandlerMetaClass
from circuits.net.protocols import IRC, LP, http, irc, line, websocket
from circuits.net.sockets import Read
from circuits.testing import Recorder, settle


@pytest.mark.parametrize(
    ("module", "name", "base"),
    [
        ("http", "Request", Event),
        ("http", "Response", Event),
        ("http", "HTTP", BaseComponent),
        ("irc", "RAW", irc.Command),
        ("irc", "Command", Event),
        ("irc", "Response", Event),
        ("irc", "IRC", Component),
        ("line", "Line", Event),
        ("line", "LP", BaseComponent),
        ("websocket", "WebSocketCodec", BaseComponent),
    ],
)
def test_names_and_their_bases(module: str, name: str, base: type) -> None:
    thing = getattr(importlib.import_module(f"circuits.net.protocols.{module}"), name)
    assert thing.__module__.startswith("circuits.net.protocols.")
    assert thing.__bases__[0] is base


def test_the_package_exports_the_components() -> None:
    assert LP is line.LP
    assert IRC is irc.IRC
    assert isinstance(IRC, HandlerMetaClass)


@pytest.mark.parametrize(
    ("component", "positional"),
    [
        (http.HTTP, {"encoding": "utf-8", "channel": "web"}),
        (websocket.WebSocketCodec, {"sock": None}),
        (LP, {}),
        (IRC, {}),
    ],
)
def test_constructors(component: type, positional: dict[str, Any]) -> None:
    parameters = inspect.signature(component).parameters.values()
    found = {p.name: p.default for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD}
    assert found == positional


def test_default_channels() -> None:
    assert http.HTTP().channel == "web"
    assert websocket.WebSocketCodec().channel == "ws"
    assert LP().channel == IRC().channel == "*"
    assert LP(channel="x").channel == IRC(channel="x").channel == "x"


def test_options_of_lines() -> None:
    options = inspect.signature(LP).parameters
    assert options["encoding"].default == "utf-8"
    assert options["splitter"].default is line.splitLines
    assert options["getBuffer"].default is options["updateBuffer"].default is None
    assert line.splitLines(b"a\r\nb", b"") == ([b"a"], b"b")
    assert isinstance(line.LINESEP, re.Pattern)


@pytest.mark.parametrize(
    "name",
    [
        "PASS", "USER", "NICK", "PING", "PONG", "QUIT", "JOIN", "PART", "PRIVMSG", "NOTICE",
        "CTCP", "CTCPREPLY", "KICK", "TOPIC", "MODE", "INVITE", "NAMES", "RAW",
    ],
)  # fmt: skip
def test_commands_of_irc(name: str) -> None:
    command = getattr(irc, name)
    assert issubclass(command, irc.Command)
    assert command.name == f"command_{name.lower()}"
    assert list(command(1, 2).args) == [1, 2]
    assert list(command().args) == []


@pytest.mark.parametrize(
    "name",
    [
        "Ping", "Numeric", "Message", "Ctcp", "Notice", "Join", "Part", "Quit", "Nick", "Mode",
    ],
)  # fmt: skip
def test_responses_of_irc(name: str) -> None:
    response = getattr(irc, name)
    assert issubclass(response, irc.Response)
    assert response.name == name.lower()


def test_functions_of_irc() -> None:
    assert irc.strip(":x") == "x"
    assert irc.sourceJoin("nick", "ident", "host") == "nick!ident@host"
    assert irc.sourceSplit("nick!ident@host") == ("nick", "ident", "host")


def test_line_is_a_handler_that_may_be_called() -> None:
    assert "line" in IRC.handlers()
    assert list(inspect.signature(IRC.line).parameters)[:2] == ["self", "line"]


_NUMERICS = {
    "RPL_WELCOME": 1, "RPL_YOURHOST": 2, "RPL_TRACELINK": 200, "RPL_TRACENEWTYPE": 208,
    "RPL_STATSLINKINFO": 211, "RPL_STATSYLINE": 218, "RPL_ENDOFSTATS": 219, "RPL_UMODEIS": 221,
    "RPL_STATSHLINE": 244, "RPL_LUSERCLIENT": 251, "RPL_LUSERME": 255, "RPL_ADMINEMAIL": 259,
    "RPL_TRACELOG": 261, "RPL_NONE": 300, "RPL_NOWAWAY": 306, "RPL_WHOISUSER": 311,
    "RPL_ENDOFWHO": 315, "RPL_LIST": 322, "RPL_CHANNELMODEIS": 324, "RPL_TOPIC": 332,
    "RPL_NAMREPLY": 353, "RPL_NAMEREPLY": 353, "RPL_ENDOFNAMES": 366, "RPL_ENDOFMOTD": 376,
    "RPL_NOUSERS": 395, "ERR_NOSUCHNICK": 401, "ERR_NICKNAMEINUSE": 433,
    "ERR_ALREADYREGISTRED": 462, "ERR_USERSDONTMATCH": 502,
}  # fmt: skip


def test_numbers_of_irc() -> None:
    assert {name: getattr(irc, name) for name in _NUMERICS} == _NUMERICS
    numbers = [name for name in dir(irc) if name.startswith(("RPL_", "ERR_"))]
    assert len(numbers) == 118


def test_a_response_object() -> None:
    response = http.ResponseObject(200, "OK")
    assert (response.status, response.message, response.protocol) == (200, "OK", None)
    assert http.ResponseObject(200, "OK", protocol=(1, 1)).protocol == (1, 1)


def test_they_work_beside_whatever_fires_read() -> None:
    app = Manager()
    LP(channel="file").register(app)
    http.HTTP().register(app)
    recorder = Recorder("line", "response").register(app)
    app.fire(Read(b"a line\n"), "file")
    app.fire(Read(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "web")
    settle(app)
    assert [(record.name, record.channels) for record in recorder] == [
        ("line", ("file",)),
        ("response", ("web",)),
    ]
