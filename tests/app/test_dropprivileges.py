"""circuits.app.dropprivileges, with a system that only takes notes."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from circuits import Component, Event
from circuits.app.dropprivileges import DropPrivileges
from circuits.net.sockets import Ready
from circuits.testing import settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from circuits.testing import Recorder

    Run = Callable[[Component], Component]
    Record = Callable[..., Recorder]

pwd = pytest.importorskip("pwd")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the system was asked for; the process is that of root, and stays it."""
    noted: list[tuple[Any, ...]] = []
    user = [0]

    def note(name: str) -> Callable[..., None]:
        def call(*args: Any) -> None:
            noted.append((name, *args))
            if name == "setuid":
                user[0] = args[0]

        return call

    for name in ("initgroups", "setgid", "setuid", "umask"):
        monkeypatch.setattr(os, name, note(name))
    monkeypatch.setattr(os, "getuid", lambda: user[0])
    monkeypatch.setattr(os, "geteuid", lambda: user[0])
    return noted


def test_the_first_server_that_is_ready_ends_it(
    calls: list[tuple[Any, ...]], app_runner: Run
) -> None:
    app = app_runner(Component())
    dropper = DropPrivileges("nobody", "nobody", umask=0o027).register(app)
    app.fire(Event.create("ready"), "env")  # others are ready, too
    app.fire(Event.create("ready", app), "bridge")
    settle(app)
    assert calls == []
    app.fire(Ready(app, ("127.0.0.1", 80)), "server")
    app.fire(Ready(app, ("127.0.0.1", 81)), "other")
    settle(app)
    uid = pwd.getpwnam("nobody").pw_uid
    assert [call[0] for call in calls] == ["initgroups", "setgid", "setuid", "umask"]
    assert calls[2:] == [("setuid", uid), ("umask", 0o027)]
    assert calls[0] == ("initgroups", "nobody", calls[1][1])
    assert dropper not in app.components


def test_who_is_not_root_stays_who_he_is(
    calls: list[tuple[Any, ...]], app_runner: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getresuid", lambda: (1000, 1000, 1000))
    app = app_runner(Component())
    dropper = DropPrivileges().register(app)
    app.fire(Ready(app, ("127.0.0.1", 80)), "server")
    settle(app)
    assert calls == []
    assert dropper not in app.components


@pytest.mark.parametrize("users", [(1000, 0, 0), (1000, 1000, 0), (0, 1000, 1000)])
def test_one_that_may_become_root_again_is_that_of_root(
    calls: list[tuple[Any, ...]],
    app_runner: Run,
    monkeypatch: pytest.MonkeyPatch,
    users: tuple[int, int, int],
) -> None:
    now = [*users]

    def set_effective(uid: int) -> None:
        calls.append(("seteuid", uid))
        now[1] = uid

    def set_all(uid: int) -> None:
        calls.append(("setuid", uid))
        assert now[1] == 0, "only root changes all three"
        now[:] = [uid] * 3

    monkeypatch.setattr(os, "getuid", lambda: now[0])
    monkeypatch.setattr(os, "geteuid", lambda: now[1])
    monkeypatch.setattr(os, "getresuid", lambda: tuple(now))
    monkeypatch.setattr(os, "seteuid", set_effective)
    monkeypatch.setattr(os, "setuid", set_all)
    app = app_runner(Component())
    DropPrivileges().register(app)
    app.fire(Ready(app, ("127.0.0.1", 80)), "server")
    settle(app)
    assert now == [pwd.getpwnam("nobody").pw_uid] * 3


@pytest.mark.parametrize(
    ("user", "group", "reason"),
    [
        ("no-such-user", "nobody", "there is no user 'no-such-user'"),
        ("nobody", "no-such-group", "there is no group 'no-such-group'"),
    ],
)
def test_it_does_not_go_on_as_root(
    calls: list[tuple[Any, ...]],
    user: str,
    group: str,
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    app = Component()
    DropPrivileges(user, group).register(app)
    app.fire(Ready(app, ("127.0.0.1", 80)), "server")
    with pytest.raises(SystemExit) as caught:
        app.run()
    assert caught.value.code == 1
    assert capsys.readouterr().err == f"cannot drop privileges: {reason}\n"
    assert calls == []


def test_a_system_that_refuses(
    calls: list[tuple[Any, ...]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(gid: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "setgid", refuse)
    app = Component()
    DropPrivileges().register(app)
    app.fire(Ready(app, ("127.0.0.1", 80)), "server")
    with pytest.raises(SystemExit):
        app.run()
    assert "cannot become nobody: [Errno 1]" in capsys.readouterr().err


def test_no_failure_of_any_kind_lets_it_go_on_as_root(
    calls: list[tuple[Any, ...]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "grp", None)  # such as a library that nobody else may read
    app = Component()
    DropPrivileges().register(app)
    app.fire(Ready(app, ("127.0.0.1", 80)), "server")
    with pytest.raises(SystemExit) as caught:
        app.run()
    assert caught.value.code == 1
    assert "cannot drop privileges: " in capsys.readouterr().err
    assert calls == []
