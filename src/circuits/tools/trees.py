"""What a component consists of, and the end of a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from circuits.core.handlers import reprhandler

if TYPE_CHECKING:
    from circuits.core.manager import Manager

__all__ = ["inspect", "kill"]


def inspect(x: Manager) -> str:
    """The children and the handlers of one component, as text."""
    lines = [f" Components: {len(x.components)}"]
    lines += [f"  {child!r}" for child in list(x.components)]
    lines.append("")
    table: dict[str, list[str]] = {}
    for spec in x._tree_specs:
        shown = reprhandler(spec.bound_to(x))
        for name in spec.keys:
            table.setdefault(name, []).append(shown)
    lines.append(f" Event Handlers: {len(table)}")
    for name, handlers in table.items():
        lines.append(f"  {name}; {len(handlers)}")
        lines += [f"   {shown}" for shown in handlers]
    return "".join(f"{line}\n" for line in lines)


def kill(x: Manager) -> None:
    """Unregister everything below a component, the deepest first, then the component itself.

    It takes effect as the queue is flushed. A root stays, without children.
    """
    for child in list(x.components):
        kill(child)
    if x.parent is not x:
        x.unregister()  # type: ignore[attr-defined]  # only components have parents
