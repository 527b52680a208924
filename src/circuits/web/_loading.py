"""Finding the application that the program is to serve."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
from typing import TYPE_CHECKING, Any

from circuits.core.components import BaseComponent

if TYPE_CHECKING:
    import argparse

__all__ = ["find", "is_application", "load"]

#: Whether something is MODULE:NAME.
is_application = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*").fullmatch


def find(
    parser: argparse.ArgumentParser, name: str, *, absent: str = "no module", cure: str = ""
) -> Any:
    """Import what ``MODULE:NAME`` means.

    Args:
        parser: Told where there is no such thing.
        name: What was given.
        absent: What there is not, where there is no module.
        cure: What to do then.

    Raises:
        SystemExit: There is none, which the parser has said.
    """
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
        parser.error(f"there is {absent} {module_name!r}{cure}")
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            where = getattr(sys.modules[module_name], "__file__", "built in")
            parser.error(f"module {module_name!r} ({where}) has no {attribute!r}{cure}")
    return found


def load(
    parser: argparse.ArgumentParser, name: str, interface: str = "auto", threads: int = 8
) -> BaseComponent:
    """Import an application and make its component; raises as :func:`find` does.

    Args:
        parser: Told where there is none.
        name: What was given, as ``MODULE:NAME``.
        interface: ``"component"``, ``"wsgi"``, ``"asgi"``, or ``"auto"`` for what it looks like.
        threads: In how many an application for WSGI is called.
    """
    absent = "neither a folder nor a module" if interface == "auto" else "no module"
    found = find(parser, name, absent=absent)
    if interface in ("auto", "component"):
        if isinstance(found, type) and issubclass(found, BaseComponent):
            missing = _missing(found)
            if missing is not None:
                parser.error(
                    f"{name} cannot be made without arguments ({missing}): "
                    "make it in the module, and name that object"
                )
            found = found()
        if isinstance(found, BaseComponent):
            return found
        if interface == "auto":
            interface = _interface_of(found)
    if interface == "component" or not callable(found):
        kind = "a component nor a class of components"
        parser.error(
            f"{name} is neither {kind}, nor an application for WSGI or ASGI: "
            f"it is {_what(found)}{_cure(found)}"
        )
    gateway = importlib.import_module(f"circuits.web.{interface}").Gateway
    return gateway(found, threads=threads)  # type: ignore[no-any-return]  # imported where it is needed


def _what(found: Any) -> str:
    # Not all of it: what is no application may hold secrets.
    return f"the class {found.__name__}" if isinstance(found, type) else f"of {type(found)!r}"


def _missing(kind: type[BaseComponent]) -> str | None:
    """Which argument a class has to be given, or ``None``."""
    # Without a constructor of its own, what that gets goes to the method init.
    constructor = kind.__init__
    makes = kind.init if constructor is BaseComponent.__init__ else constructor
    try:
        inspect.signature(makes).bind(None)
    except TypeError as problem:
        return str(problem)
    except ValueError:  # nobody knows how
        pass
    return None


def _cure(found: Any) -> str:
    is_made = inspect.isroutine(found)
    return "; if that makes the application, call it in the module, and name the result" * is_made


def _interface_of(found: Any) -> str:
    """What something looks like that is no component."""
    from ._asgi_hosting import is_asgi  # brings asyncio

    if is_asgi(found):
        return "asgi"
    try:
        inspect.signature(found).bind({}, None)
    except TypeError:  # it cannot be called like that, or at all
        return "component"
    except ValueError:  # nobody knows how
        pass
    return "wsgi"
