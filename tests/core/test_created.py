"""Classes that are made at run time: the same again, and not for ever."""

from __future__ import annotations

import gc
import weakref

from circuits import Event
from circuits.core._created import CREATED_CLASSES_LIMIT
from circuits.core.events import (
    Success,
)


class FooBar(Event):
    pass


class Identify(Event):
    pass


def test_the_same_name_gives_the_same_class() -> None:
    assert type(FooBar.create("again")) is type(FooBar.create("again"))
    assert type(FooBar.create("again")) is not type(Identify.create("again"))
    assert type(Success.create("Success", Identify())) is type(
        Success.create("Success", Identify())
    )


def test_the_table_of_classes_is_bounded() -> None:
    class Flood(Event):
        pass

    for number in range(CREATED_CLASSES_LIMIT + 100):
        Flood.create(f"name{number}")
    assert len(Flood._event_created) <= CREATED_CLASSES_LIMIT


def test_caches_keep_no_event_and_no_argument_alive() -> None:
    class Thing:
        pass

    thing = Thing()
    gone = weakref.ref(thing)
    Success.create("Success", Identify.create("with_argument", thing))
    del thing
    gc.collect()
    assert gone() is None
