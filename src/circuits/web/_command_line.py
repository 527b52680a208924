"""The options of the ``circuits.web`` program."""

from __future__ import annotations

import argparse
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ._limits import Limits
from .constants import SERVER_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DEFAULT_HOST", "DEFAULT_PORT", "POLLERS", "limits_of", "make_parser", "parse_bind"]

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000
POLLERS = {"select": "Select", "poll": "Poll", "epoll": "EPoll", "kqueue": "KQueue"}


def parse_bind(text: str) -> tuple[str, int] | str | int:
    """Read ``ADDR[:PORT]``, ``PORT``, ``[IPV6]:PORT``, a path or ``unix:PATH``, or ``fd:N``.

    Returns:
        The pair, or the path, or the number of a descriptor.

    Raises:
        ValueError: It is none of them.
    """
    if text.startswith("unix:") and len(text) > 5:
        return text[5:]
    if "/" in text:
        return text
    if text.startswith("fd:"):
        if not (text[3:].isascii() and text[3:].isdigit()):
            raise ValueError(f"not a descriptor: {text!r}")
        return int(text[3:])
    host: str | None
    if text.isascii() and text.isdigit():
        host, port = None, text
    elif text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or port[:1] not in ("", ":"):
            raise ValueError(f"not an address: {text!r}")
        port = port[1:]
    elif text.count(":") > 1:  # an IPv6 address by itself
        host, port = text, ""
    else:
        host, colon, port = text.partition(":")
        if not host:
            host = "0.0.0.0" if colon else None  # ":8000" is every interface, as elsewhere
    if port and not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError(f"not a port: {port!r}")
    return host or DEFAULT_HOST, int(port) if port else DEFAULT_PORT


def _bind_argument(text: str) -> tuple[str, int] | str | int:
    try:
        return parse_bind(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def _count_argument(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"not a number of processes: {text!r}")
    return int(text)


def _seconds_argument(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"not a number of seconds: {text!r}")
    return seconds


def _mode_argument(text: str) -> int:
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o777:
        raise argparse.ArgumentTypeError(f"not a mode, such as 660: {text!r}")
    return mode


def _threads_argument(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"not a number of threads: {text!r}")
    return int(text)


def _limit(text: str) -> int | None:
    if text == "none":
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise argparse.ArgumentTypeError(f"neither a number nor 'none': {text!r}")
    return int(text)


def _seconds_limit(text: str) -> float | None:
    return None if text == "none" else _seconds_argument(text)


def limits_of(options: argparse.Namespace) -> dict[str, Any]:
    """The limits that were given, by the names of :class:`~circuits.web.Limits`."""
    names = {f"limit_{field.name}": field.name for field in fields(Limits)}
    return {names[key]: value for key, value in vars(options).items() if key in names}


def make_parser(prog: str = "circuits.web") -> argparse.ArgumentParser:
    """The options, of the program or of a command that does the same."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Serve a folder, or an application, over HTTP.",
        epilog="Stop it with Ctrl-C: requests in flight are answered first.",
    )
    # Help shows them in this order.
    for add_options in (
        _add_place,
        _add_serving,
        _add_process,
        _add_logging,
        _add_application,
        _add_limits,
    ):
        add_options(parser.add_argument)
    add = parser.add_argument
    add("--routes", action="store_true", help="print what the application answers, and exit")
    add(
        "--passwd",
        metavar="FILE",
        help="ask for a user and password (digest); the file has a line NAME:PASSWORD for each",
    )
    add("--version", action="version", version=SERVER_VERSION)
    return parser


def _add_place(add: Callable[..., object]) -> None:
    """What is served, and where."""
    add(
        "docroot",
        nargs="?",
        default=None,
        metavar="DOCROOT|MODULE:NAME",
        help="the folder to serve (default: the current one), or the application: a component or "
        "its class, or one for WSGI or ASGI",
    )
    add(
        "-b",
        "--bind",
        type=_bind_argument,
        metavar="ADDR[:PORT]",
        help=f"where to listen (default: {DEFAULT_HOST}:{DEFAULT_PORT}, which is for this machine "
        "only; 0.0.0.0 is every interface); port 0 takes a free one; a path, or unix:PATH, is a UNIX "
        "socket, fd:N a socket that listens already; by default also the one that systemd passes on",
    )
    add("--mode", type=_mode_argument, metavar="MODE", help="permissions of the UNIX socket: 660")
    add("--certfile", metavar="FILE", help="speak TLS, with this certificate, and perhaps its key")
    add("--keyfile", metavar="FILE", help="the key, if it is in a file of its own")


def _add_serving(add: Callable[..., object]) -> None:
    """How: poller, server, workers, and the end."""
    add(
        "-t",
        "--type",
        "--poller",
        dest="poller",
        choices=sorted(POLLERS),
        help="how to wait for sockets (default: the best one that there is)",
    )
    add(
        "-s",
        "--server",
        choices=["server", "base"],
        default="server",
        help="base: no dispatcher, and without an application every request gets a greeting",
    )
    add(
        "-m",
        "-j",
        "--multiprocessing",
        "--jobs",
        "--workers",
        dest="workers",
        type=_count_argument,
        default=1,
        metavar="N",
        help="number of worker processes (default: 1); SIGHUP replaces them one after the other",
    )
    add(
        "--stop-timeout",
        type=_seconds_argument,
        default=10.0,
        metavar="SECONDS",
        help="how long requests in flight have at the end (default: 10)",
    )
    add(
        "--drain-delay",
        type=_seconds_argument,
        default=0.0,
        metavar="SECONDS",
        help="how long readiness is denied before the end begins (default: 0)",
    )


def _add_process(add: Callable[..., object]) -> None:
    """What process it becomes, and help for developers."""
    add("--user", metavar="NAME", help="whose process it becomes once it listens (for root)")
    add("--group", metavar="NAME", help="the group of that (default: the one of the user)")
    add("--umask", type=_mode_argument, metavar="MASK", help="what new files do not permit: 027")
    add("--pid", metavar="FILE", help="write the number of the process to a file")
    add("--reload", action="store_true", help="begin anew when a file of a module has changed")
    add("-p", "--profile", action="store_true", help="print a profile at the end")
    add("-d", "--debug", action="store_true", help="print the components and every event")
    add(
        "-v",
        "--validate",
        action="store_true",
        help="serve the greeting by wsgiref, with its validator in between",
    )


def _add_logging(add: Callable[..., object]) -> None:
    """The access log."""
    add(
        "-l",
        "--logging",
        action="store_true",
        help="write an access log to standard output, which is the default",
    )
    add(
        "--access-log",
        metavar="FILE",
        help="write the access log to a file (default: -, which is standard output)",
    )
    add("--no-access-log", action="store_true", help="write no access log")
    add(
        "--log-format",
        choices=["combined", "common", "json"],
        default="combined",
        help="form of the access log (default: combined)",
    )


def _add_application(add: Callable[..., object]) -> None:
    """What the application is, and whom it believes."""
    add(
        "--trusted-proxies",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="believe this proxy, an address, a network or 'unix', where requests come from; "
        "may be given more than once",
    )
    add(
        "--interface",
        choices=["auto", "component", "wsgi", "asgi"],
        default="auto",
        help="what the application is (default: found out by looking at it)",
    )
    add(
        "--threads",
        type=_threads_argument,
        default=8,
        metavar="N",
        help="threads that call a WSGI application; 0 calls it in the loop (default: 8)",
    )


def _add_limits(add: Callable[..., object]) -> None:
    """Each of the limits, by its name."""
    for field in fields(Limits):
        add(
            f"--limit-{field.name.replace('_', '-')}",
            type=_seconds_limit if field.name.endswith("timeout") else _limit,
            metavar="N",
            default=argparse.SUPPRESS,
            help=f"default: {'none' if field.default is None else field.default}",
        )
