"""Forking a process in which a tree is running, so that the child can go on with it.

A child gets copies of the descriptors, but they stand for the same objects of the kernel: what
one process takes out of an epoll or an eventfd, the other one misses. So the child makes its
own. And it has only the one thread that forked, while others may have been holding locks.
"""

from __future__ import annotations

import os
import warnings

from circuits.core._session import after_fork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuits.core.manager import Manager


def fork(manager: Manager) -> int:
    """Fork; in the child, the tree of ``manager`` is ready to go on.

    Components that hold objects of the kernel have a method ``_tree_forked``, which is called in the
    child. Threads of the parent are not in the child.

    Returns:
        0 in the child, and in the parent the id of the child.

    Raises:
        OSError: The system has no room for another process, or cannot fork.
    """
    if not hasattr(os, "fork"):  # pragma: no cover - Windows
        raise OSError("this system cannot fork")
    is_running = manager.root._tree_engine.runner is not None
    with warnings.catch_warnings():
        # Python warns of threads when there is a child already: as an error, it would come in the
        # parent, which could not know that it has one. Callers look for themselves.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if not pid and not is_running:  # what runs has been taken care of
        after_fork(manager)
    return pid
