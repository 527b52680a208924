"""The ``circuits.web`` program: serve a folder, or an application (manual: circuits.web.main)."""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import re
import sys
from typing import TYPE_CHECKING, Any

from circuits.core import pollers
from circuits.core.components import BaseComponent
from circuits.core.debugger import Debugger
from circuits.core.handlers import handler
from circuits.core.manager import Manager
from circuits.core.utils import findtype, flatten

from . import tools
from .constants import SERVER_VERSION
from .controllers import Controller
from .dispatchers.static import Static
from .loggers import Logger
from .routes import routes
from .servers import BaseServer, Server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .wrappers import Request, Response

__all__ = ["Authentication", "HelloWorld", "Root", "main"]

_DEFAULT_HOST = "127.0.0.1"
_DEFAULT_PORT = 8000
_APPLICATION = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_POLLERS = {"select": "Select", "poll": "Poll", "epoll": "EPoll", "kqueue": "KQueue"}


class HelloWorld(BaseComponent):
    """What ``--server base`` serves."""

    channel = "web"

    @handler("request")
    def _on_request(self, request: Request, response: Response) -> str:
        return "Hello World!"


class Root(Controller):
    """What is served beside the folder: ``/hello``."""

    def hello(self) -> str:
        """Greet."""
        return "Hello World!"


class Authentication(BaseComponent):
    """Lets only known users pass, before any file or controller is looked for.

    Args:
        users: Passwords by name.
        realm: What the browser shows when it asks for a password.
    """

    channel = "web"

    def __init__(self, users: Mapping[str, str], realm: str = "circuits.web") -> None:
        super().__init__()
        self.users = dict(users)
        self.realm = realm

    @handler("request", filter=True, priority=5)
    def _on_request(self, request: Request, response: Response, peer_cert: Any = None) -> Any:
        return tools.digest_auth(request, response, self.realm, self.users)


# -- the command line ----------------------------------------------------------------------------


def parse_bind(text: str) -> tuple[str, int] | str:
    """Read ``ADDR[:PORT]``, ``PORT``, ``[IPV6]:PORT``, or a path (of a UNIX socket).

    Raises:
        ValueError: It is none of them.
    """
    if "/" in text:
        return text
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
    return host or _DEFAULT_HOST, int(port) if port else _DEFAULT_PORT


def _bind_argument(text: str) -> tuple[str, int] | str:
    try:
        return parse_bind(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def _count_argument(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"not a number of processes: {text!r}")
    return int(text)


def _threads_argument(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"not a number of threads: {text!r}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="circuits.web",
        description="Serve a folder, or an application, over HTTP.",
        epilog="Stop it with Ctrl-C: requests in flight are answered first.",
    )
    add = parser.add_argument
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
        default=(_DEFAULT_HOST, _DEFAULT_PORT),
        metavar="ADDR[:PORT]",
        help=f"where to listen (default: {_DEFAULT_HOST}:{_DEFAULT_PORT}, which is for this machine "
        "only; 0.0.0.0 is every interface); port 0 takes a free one; a path is a UNIX socket",
    )
    add(
        "-t",
        "--type",
        "--poller",
        dest="poller",
        choices=sorted(_POLLERS),
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
        help="number of worker processes (default: 1)",
    )
    add("-p", "--profile", action="store_true", help="print a profile at the end")
    add("-d", "--debug", action="store_true", help="print the components and every event")
    add(
        "-v",
        "--validate",
        action="store_true",
        help="serve the greeting by wsgiref, with its validator in between",
    )
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
    add("--routes", action="store_true", help="print what the application answers, and exit")
    add(
        "--passwd",
        metavar="FILE",
        help="ask for a user and password (digest); the file has a line NAME:PASSWORD for each",
    )
    add("--version", action="version", version=SERVER_VERSION)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program.

    Args:
        argv: The arguments; ``None`` takes those of the process.

    Returns:
        The exit status.
    """
    parser = _parser()
    options = parser.parse_args(argv)
    if options.workers > 1:
        parser.error(
            f"--workers {options.workers}: this version serves from one process; "
            "start several behind a proxy instead"
        )
    if options.validate:
        return _validate(parser, options)

    if options.passwd and not hasattr(tools, "digest_auth"):
        parser.error("--passwd needs tools.digest_auth, which this version lacks")
    app = _Program()
    if options.poller:
        _choose_poller(options.poller).register(app)
    content, what = _content(parser, options)
    if options.routes:
        for route in sorted({str(route) for part in content for route in routes(part)}):
            print(route)
        return 0
    for component in content:
        component.register(app)
    server = next((node for node in flatten(app) if isinstance(node, BaseServer)), None)
    if server is None:
        kind = BaseServer if options.server == "base" else Server
        try:
            server = kind(options.bind, trusted_proxies=options.trusted_proxies)
        except ValueError as problem:
            parser.error(f"--trusted-proxies: {problem}")
        except OSError as problem:
            print(
                f"circuits.web: cannot listen on {_show(options.bind)}: {problem}", file=sys.stderr
            )
            return 1
        server.register(app)
    channel = server.channel
    if options.passwd:
        Authentication(_read_users(parser, options.passwd)).register(app)
    if not options.no_access_log and findtype(app, Logger) is None:
        path = None if options.access_log in (None, "-") else options.access_log
        try:
            Logger(path, format=options.log_format, channel=channel).register(app)
        except OSError as problem:
            print(f"circuits.web: cannot write {path}: {problem}", file=sys.stderr)
            return 1
    if options.debug:
        Debugger().register(app)
        print(_draw(app), file=sys.stderr)
    where = f"{server.base}/" if server.port else _show(options.bind)
    if server.host in ("0.0.0.0", "::"):
        where += " and every other interface"
    app.greeting = f"Serving {what} on {where} (Ctrl-C stops)"
    return _run(app, options.profile)


class _Program(BaseComponent):
    """What everything hangs on. It greets when it can be stopped by a signal, not before."""

    channel = "main"
    greeting = ""

    @handler("started", channel="*")
    def _on_started(self, component: Manager) -> None:
        if component is self:
            print(self.greeting, file=sys.stderr, flush=True)


def _content(
    parser: argparse.ArgumentParser, options: argparse.Namespace
) -> tuple[list[BaseComponent], str]:
    """The components to serve, and what to call them."""
    given = options.docroot
    if given is not None and not os.path.exists(given) and _APPLICATION.fullmatch(given):
        return [_load(parser, given, options.interface, options.threads)], given
    if options.server == "base":
        if given is not None:
            parser.error("--server base serves no folder")
        return [HelloWorld()], "a greeting"
    docroot = os.path.abspath(given or os.curdir)
    if not os.path.isdir(docroot):
        parser.error(f"there is no folder {given!r}")
    return [Static(docroot=docroot, dirlisting=True), Root()], docroot


def _load(
    parser: argparse.ArgumentParser, name: str, interface: str = "auto", threads: int = 8
) -> BaseComponent:
    """Import an application and make its component."""
    module_name, _, attribute = name.partition(":")
    # An installed program begins without the working directory, unlike `python -m`.
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as problem:
        # What the application fails to import is a fault of its own, shown with a traceback.
        missing = problem.name or ""
        if missing != module_name and not module_name.startswith(missing + "."):
            raise
        parser.error(f"there is neither a folder nor a module {module_name!r}")
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            parser.error(f"module {module_name!r} has no {attribute!r}")
    if interface in ("auto", "component"):
        if isinstance(found, type) and issubclass(found, BaseComponent):
            found = found()
        if isinstance(found, BaseComponent):
            return found
        if interface == "auto":
            interface = _interface_of(found)
    if interface == "component" or not callable(found):
        kind = "a component nor a class of components"
        parser.error(f"{name} is neither {kind}, nor an application for WSGI or ASGI: {found!r}")
    gateway = importlib.import_module(f"circuits.web.{interface}").Gateway
    return gateway(found, threads=threads)  # type: ignore[no-any-return]  # imported where it is needed


def _interface_of(found: Any) -> str:
    """What something looks like that is no component."""
    from ._asgi import is_asgi  # brings asyncio

    if is_asgi(found):
        return "asgi"
    try:
        inspect.signature(found).bind({}, None)
    except TypeError:  # it cannot be called like that, or at all
        return "component"
    except ValueError:  # nobody knows how
        pass
    return "wsgi"


def _choose_poller(name: str) -> BaseComponent:
    try:
        poller: BaseComponent = getattr(pollers, _POLLERS[name])()
    except (AttributeError, OSError, NotImplementedError, RuntimeError) as problem:
        print(f"circuits.web: no {name} here ({problem}), taking select", file=sys.stderr)
        return pollers.Select()
    return poller


def _read_users(parser: argparse.ArgumentParser, path: str) -> dict[str, str]:
    users = {}
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                line = line.rstrip("\r\n")
                if not line.strip() or line.startswith("#"):
                    continue
                name, colon, password = line.partition(":")
                if not name or not colon:
                    parser.error(f"{path}, line {number}: not NAME:PASSWORD")
                users[name] = password
    except (OSError, UnicodeDecodeError) as problem:
        parser.error(f"cannot read {path}: {problem}")
    return users


def _run(app: BaseComponent, profile: bool) -> int:
    if not profile:
        app.run()
        return 0
    import cProfile
    import pstats

    profiler = cProfile.Profile()
    try:
        profiler.runcall(app.run)
    finally:
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("cumulative").print_stats(40)
    return 0


def _validate(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Serve the greeting by somebody else's WSGI server, which looks at all that we say."""
    import signal
    import threading
    from wsgiref.simple_server import make_server
    from wsgiref.validate import validator

    if isinstance(options.bind, str):
        parser.error("--validate needs an address and a port")
    application: Any = importlib.import_module("circuits.web.wsgi").Application()
    Root().register(application)

    host, port = options.bind
    with make_server(host, port, validator(application)) as server:
        # An exception that is raised here may come out in a handler of wsgiref, which keeps it.
        def stop(*args: object) -> None:
            threading.Thread(target=server.shutdown, daemon=True).start()

        before = [
            (number, signal.signal(number, stop)) for number in (signal.SIGINT, signal.SIGTERM)
        ]
        try:
            print(
                f"Serving /hello by wsgiref on http://{host}:{server.server_port}/ (Ctrl-C stops)",
                file=sys.stderr,
                flush=True,
            )
            server.serve_forever(poll_interval=0.1)
        finally:
            for number, handler_before in before:
                signal.signal(number, handler_before)
    return 0


def _show(bind: tuple[str, int] | str) -> str:
    if isinstance(bind, str):
        return bind
    host, port = bind
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _draw(node: Manager, depth: int = 0) -> str:
    """The tree of components, a line for each."""
    lines = ["  " * depth + f"{node.name}/{node._tree_channels[0]}"]
    lines += [_draw(child, depth + 1) for child in node.components]
    return "\n".join(lines)
