"""The ``circuits.web`` program: serve a folder, or an application (manual: circuits.web.main)."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import socket
import sys
from typing import TYPE_CHECKING, Any

from circuits.core import pollers
from circuits.core.components import BaseComponent
from circuits.core.debugger import Debugger
from circuits.core.handlers import handler
from circuits.core.utils import findtype, flatten
from circuits.net.sockets import inherited_sockets

from . import tools
from ._command_line import DEFAULT_HOST, DEFAULT_PORT, POLLERS, limits_of, make_parser, parse_bind
from ._limits import Limits
from ._loading import is_application, load
from ._prefork import Master
from ._program import Program, say
from ._reloading import Reloader, begin_anew, wait_for_repair
from ._routes import routes
from .controllers import Controller
from .dispatchers.static import Static
from .loggers import Logger
from .servers import BaseServer, Server

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from circuits.core.manager import Manager

    from .wrappers import Request, Response

__all__ = ["Authentication", "HelloWorld", "Root", "main", "parse_bind"]


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


def main(argv: Sequence[str] | None = None, prog: str = "circuits.web") -> int:
    """Run the program.

    Args:
        argv: The arguments; ``None`` takes those of the process.
        prog: How it was called.

    Returns:
        The exit status.
    """
    parser = make_parser(prog)
    options = parser.parse_args(argv)
    if options.validate:
        from ._validation import validate  # brings a server of somebody else

        return validate(parser, options, Root())
    if options.routes:
        content, _ = _content(parser, options)
        for route in sorted({str(route) for part in content for route in routes(part)}):
            print(route)
        return 0
    _check(parser, options)
    try:
        _check_user(options)
        if options.umask is not None:
            os.umask(options.umask)
        with _pid_file(options.pid):
            if options.workers > 1:
                return _run_workers(parser, options)
            if options.reload:
                return _serve_again_and_again(parser, options)
            return _serve(parser, options, None)
    except _Refused as problem:
        say(f"circuits.web: {problem}")
        return 1


class _Refused(Exception):
    """The system does not let us do what was asked for."""


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Refuse what can be known to be wrong."""
    if options.workers > 1 and options.reload:
        parser.error("--reload is for one process, not for --workers")
    if options.keyfile and not options.certfile:
        parser.error("--keyfile needs --certfile")
    if options.group and not options.user:
        parser.error("--group needs --user")
    if options.mode is not None and not isinstance(options.bind, str):
        parser.error("--mode is for a UNIX socket: --bind unix:PATH")
    if options.certfile:
        import ssl

        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                options.certfile, options.keyfile
            )
        except OSError as problem:
            say(f"circuits.web: cannot read the certificate {options.certfile}: {problem}")
            sys.exit(1)


def _check_user(options: argparse.Namespace) -> None:
    """Refuse who cannot be become, before anything is opened; complete the group."""
    if options.user is None:
        return
    import grp  # not on Windows
    import pwd

    try:
        user = pwd.getpwnam(options.user)
    except KeyError:
        raise _Refused(f"there is no user {options.user!r}") from None
    try:
        group = grp.getgrnam(options.group) if options.group else grp.getgrgid(user.pw_gid)
    except KeyError:
        raise _Refused(f"there is no group {options.group or user.pw_gid!r}") from None
    if os.getuid() not in (0, user.pw_uid):
        raise _Refused(f"only root can become {options.user}")
    options.group = group.gr_name


@contextlib.contextmanager
def _pid_file(path: str | None) -> Iterator[None]:
    if path is None:
        yield
        return
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")
    except OSError as problem:
        raise _Refused(f"cannot write {path}: {problem}") from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _given_socket(
    parser: argparse.ArgumentParser, options: argparse.Namespace
) -> socket.socket | None:
    """The socket that somebody has opened for us, if there is one."""
    if isinstance(options.bind, int):
        try:
            return socket.socket(fileno=options.bind)
        except OSError as problem:
            raise _Refused(f"cannot listen on {_show(options.bind)}: {problem}") from None
    if options.bind is not None:
        return None
    found = inherited_sockets(keep_environment=options.reload)
    if len(found) > 1:
        parser.error(f"{len(found)} sockets were passed on, and only one can be served")
    return found[0][1] if found else None


def _make_server(
    parser: argparse.ArgumentParser, options: argparse.Namespace, listener: socket.socket | None
) -> BaseServer:
    kind = BaseServer if options.server == "base" else Server
    extra: dict[str, Any] = {"limits": Limits(**limits_of(options))}
    bind = listener or options.bind or (DEFAULT_HOST, DEFAULT_PORT)
    if options.mode is not None and listener is None:
        extra["mode"] = options.mode
    if options.certfile:
        extra.update(secure=True, certfile=options.certfile, keyfile=options.keyfile)
    try:
        server = kind(bind, trusted_proxies=options.trusted_proxies, **extra)
        if options.user and listener is None and isinstance(options.bind, str):
            # --group is the one of who may connect: nginx, which is not root either.
            shutil.chown(options.bind, options.user, options.group)
        return server
    except ValueError as problem:
        parser.error(f"--trusted-proxies: {problem}")
    except OSError as problem:
        raise _Refused(f"cannot listen on {_show(bind)}: {problem}") from None


def _run_workers(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Listen, and have other processes serve."""
    if not hasattr(os, "fork"):  # pragma: no cover - Windows
        raise _Refused("this system cannot fork worker processes")
    listener = _given_socket(parser, options)
    if listener is None:
        listener = _make_server(parser, options, None).server.duplicate_listener()

    def serve(tell: Callable[[str], object]) -> int:
        try:
            return _serve(parser, options, listener, tell)
        except _Refused as problem:
            say(f"circuits.web: {problem}")
            return 1

    path = options.bind if isinstance(options.bind, str) else None
    made = None if path is None else (os.stat(path).st_ino, os.getpid())
    try:
        Master(serve, options.workers, options.drain_delay + options.stop_timeout).run()
    finally:
        listener.close()
        if path is not None:
            with contextlib.suppress(OSError):
                if (os.stat(path).st_ino, os.getpid()) == made:  # neither another's, nor a worker
                    os.unlink(path)
    return 0


def _serve_again_and_again(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Serve until a file changes, and begin anew then."""
    listener = _given_socket(parser, options)
    if listener is not None:
        listener.set_inheritable(True)
    reloader = Reloader()
    try:
        _serve(parser, options, listener and listener.dup(), reloader=reloader)
    except _Refused:
        raise
    except Exception as problem:
        wait_for_repair(problem)
    else:
        if not reloader.has_changed:
            return 0
    return begin_anew()


def _serve(
    parser: argparse.ArgumentParser,
    options: argparse.Namespace,
    listener: socket.socket | None,
    tell: Callable[[str], object] | None = None,
    reloader: Reloader | None = None,
) -> int:
    """Serve from this process, which is that of a worker if somebody else is to be told."""
    app = Program(options.drain_delay, tell or say, is_worker=tell is not None)
    app.stop_timeout = options.stop_timeout
    if options.poller:
        _choose_poller(options.poller).register(app)
    content, what = _content(parser, options)
    for component in content:
        component.register(app)
    server = next((node for node in flatten(app) if isinstance(node, BaseServer)), None)
    if server is None:
        if listener is None:
            listener = _given_socket(parser, options)
        server = _make_server(parser, options, listener)
        server.register(app)
    else:
        given = [f"--limit-{name.replace('_', '-')}" for name in limits_of(options)]
        given += [f"--{name}" for name in ("bind", "certfile") if getattr(options, name)]
        if given:
            parser.error(f"{given[0]}: {what} has a server of its own")
        if tell is not None:
            parser.error(f"--workers: {what} has a server of its own")
    channel = server.channel
    if options.passwd:
        Authentication(_read_users(parser, options.passwd)).register(app)
    if not options.no_access_log and findtype(app, Logger) is None:
        path = None if options.access_log in (None, "-") else options.access_log
        try:
            Logger(path, format=options.log_format, channel=channel).register(app)
        except OSError as problem:
            raise _Refused(f"cannot write {path}: {problem}") from None
    if options.user:
        # The program stands above both packages, which do not know each other.
        privileges = importlib.import_module("circuits.app.dropprivileges")
        umask = os.umask(0o077) if options.umask is None else options.umask
        os.umask(umask)
        privileges.DropPrivileges(options.user, options.group, umask).register(app)
    if options.debug:
        Debugger().register(app)
        say(_draw(app))
    if reloader is not None:
        reloader.look()
        reloader.register(app)
    where = f"{server.base}/" if server.port else str(server.host)
    if server.host in ("0.0.0.0", "::"):
        where += " and every other interface"
    app.greeting = f"Serving {what} on {where} (Ctrl-C stops)"
    return _run(app, options.profile)


def _content(
    parser: argparse.ArgumentParser, options: argparse.Namespace
) -> tuple[list[BaseComponent], str]:
    """The components to serve, and what to call them."""
    given = options.docroot
    if given is not None and not os.path.exists(given) and is_application(given):
        return [load(parser, given, options.interface, options.threads)], given
    if options.server == "base":
        if given is not None:
            parser.error("--server base serves no folder")
        return [HelloWorld()], "a greeting"
    docroot = os.path.abspath(given or os.curdir)
    if not os.path.isdir(docroot):
        parser.error(f"there is no folder {given!r}; an application is given as MODULE:NAME")
    return [Static(docroot=docroot, dirlisting=True), Root()], docroot


def _choose_poller(name: str) -> BaseComponent:
    try:
        poller: BaseComponent = getattr(pollers, POLLERS[name])()
    except (AttributeError, OSError, NotImplementedError, RuntimeError) as problem:
        say(f"circuits.web: no {name} here ({problem}), taking select")
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


def _show(bind: tuple[str, int] | str | int | socket.socket) -> str:
    if isinstance(bind, str):
        return bind
    if not isinstance(bind, tuple):
        return "the socket that was given"
    host, port = bind
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _draw(node: Manager, depth: int = 0) -> str:
    """The tree of components, a line for each."""
    lines = ["  " * depth + f"{node.name}/{node._tree_channels[0]}"]
    lines += [_draw(child, depth + 1) for child in node.components]
    return "\n".join(lines)
