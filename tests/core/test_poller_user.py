"""How components find the poller of their tree, and follow when it changes."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from circuits import BaseComponent, Manager
from circuits.core._poller_user import PollerUser
from circuits.core.pollers import BasePoller, Poller, Select
from circuits.core.utils import findtype
from circuits.testing import settle


class User(PollerUser):
    def init(self) -> None:
        self.told: list[Any] = []

    def _join_poller(self, poller: Any) -> None:
        self.told.append(("join", poller))

    def _leave_poller(self, poller: Any) -> None:
        self.told.append(("leave", poller))

    def _poller_found(self) -> None:
        self.told.append("found")

    def _leave(self) -> None:
        self._poller = None


def pollers(app: Manager) -> list[BasePoller]:
    found: list[BasePoller] = findtype(app, BasePoller, all=True)
    return found


def test_the_poller_of_the_tree_is_used() -> None:
    app = Manager()
    poller = Select().register(app)
    user = User().register(app)
    settle(app)
    assert user.told == [("join", poller), "found"]


def test_one_is_made_for_all_where_there_is_none() -> None:
    app = Manager()
    users = [User().register(app) for _ in range(3)]
    settle(app)
    (poller,) = pollers(app)
    assert [user.told for user in users] == [[("join", poller), "found"]] * 3


def test_another_one_takes_over_when_that_leaves() -> None:
    app = Manager()
    first = Select().register(app)
    user = User().register(app)
    settle(app)
    second = Select().register(app)
    first.unregister()
    settle(app)
    assert user.told == [("join", first), "found", ("leave", first), ("join", second)]


def test_one_that_is_about_to_leave_is_not_used() -> None:
    app = Manager()
    leaving, staying = Select().register(app), Select().register(app)
    settle(app)
    leaving._tree_leaving = True  # its farewell takes a while
    app._tree_engine.routes.forget("*")
    user = User().register(app)
    settle(app)
    assert user._poller is staying


def test_who_moves_below_another_component_finds_one_again() -> None:
    app, other = Manager(), Manager()
    part = BaseComponent().register(app)
    user = User().register(part)
    settle(app)
    part.unregister()
    settle(app)
    assert user._poller is None
    poller = Select().register(other)
    part.register(other)
    settle(other)
    assert user._poller is poller
    assert user.told.count("found") == 2


def test_who_could_not_make_one_tries_again_only_when_there_is_reason_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attempts = []

    def refuse() -> None:
        attempts.append(1)
        raise OSError(errno.EMFILE, "too many")

    monkeypatch.setattr("circuits.core._poller_user.Poller", refuse)
    monkeypatch.setattr(User, "_poller_failed", lambda *args: None)
    app = Manager()
    user = User().register(app)
    settle(app)
    BaseComponent().register(app)
    settle(app)
    assert (len(attempts), user._poller) == (1, None)
    poller = Select().register(app)
    settle(app)
    assert user._poller is poller


def test_whoever_says_nothing_about_it_has_the_error_reported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> None:
        raise OSError(errno.EMFILE, "too many")

    monkeypatch.setattr("circuits.core._poller_user.Poller", refuse)
    app = Manager()
    User().register(app)
    settle(app)
    assert "too many" in caplog.text


def test_a_poller_knows_what_woke_it_up() -> None:
    poller = Poller()
    poller.resume()
    ((number, _),) = poller.block(0.0)
    assert poller.is_wake_up(number)
    assert not poller.is_wake_up(number + 1)
