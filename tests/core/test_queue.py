"""The queue by itself: order, batches, hand-over."""

from __future__ import annotations

import threading
from typing import Any

from circuits import Event
from circuits.core._queue import EventQueue


class note(Event):
    pass


def taken(queue: EventQueue) -> list[Any]:
    """The first arguments of one batch, in the order of dispatch."""
    found = []
    for _ in range(queue.left or queue.begin_batch()):
        queue.left -= 1
        found.append(queue.popleft().args[0])
    return found


def test_a_new_queue_is_empty() -> None:
    queue = EventQueue()
    assert not queue
    assert len(queue) == 0
    assert queue.begin_batch() == 0


def test_priorities_go_before_and_after_those_without() -> None:
    queue = EventQueue()
    for text, priority in (("late", 1), ("a", 0), ("first", -1), ("b", 0), ("last", 2)):
        if priority:
            queue.rank(note(text), priority)
        else:
            queue.append(note(text))
    assert taken(queue) == ["first", "a", "b", "late", "last"]


def test_equal_priorities_keep_their_order_of_arrival() -> None:
    queue = EventQueue()
    for number in range(5):
        queue.rank(note(number), -1)
    assert taken(queue) == [0, 1, 2, 3, 4]


def test_truth_and_length_count_what_has_a_priority() -> None:
    queue = EventQueue()
    queue.rank(note("only"), 7)
    assert queue
    assert len(queue) == 1


def test_a_batch_that_has_begun_is_not_sorted_again() -> None:
    queue = EventQueue()
    queue.append(note("a"))
    queue.append(note("b"))
    assert queue.begin_batch() == 2
    queue.left -= 1
    queue.popleft()
    queue.rank(note("urgent"), -5)
    assert queue.left == 1  # the rest of the batch
    assert taken(queue) == ["b"]
    assert taken(queue) == ["urgent"]


def test_one_may_ask_whether_an_event_is_waiting() -> None:
    queue = EventQueue()
    plain, ranked, other = note(1), note(2), note(1)
    queue.append(plain)
    assert plain in queue
    queue.rank(ranked, -1)
    assert plain in queue
    assert ranked in queue
    assert other not in queue


def test_events_shows_them_without_their_wrappers() -> None:
    queue = EventQueue()
    queue.rank(note("a"), 3)
    queue.append(note("b"))
    assert [event.args[0] for event in queue.events()] == ["a", "b"]
    assert len(queue) == 2


def test_everything_moves_to_another_queue_with_its_priority() -> None:
    queue, other = EventQueue(), EventQueue()
    other.append(note("here"))
    queue.append(note("plain"))
    queue.rank(note("urgent"), -1)
    queue.move_to(other)
    assert not queue
    assert taken(other) == ["urgent", "here", "plain"]


def test_who_appends_is_told_to_look_while_the_loop_sleeps_or_causes_are_counted() -> None:
    queue = EventQueue()
    cause: Any = object()
    assert not queue.alert
    assert queue.set_cause(cause) is None
    queue.sleeping = queue.alert = True
    assert queue.set_cause(None) is cause
    assert queue.alert
    queue.sleeping = queue.alert = False
    queue.set_cause(cause)
    assert queue.alert
    assert queue.set_cause(None) is cause
    assert not queue.alert


def test_ranked_events_of_other_threads_are_never_dispatched_as_wrappers() -> None:
    queue = EventQueue()
    per_thread, threads = 2000, 3

    def work(number: int) -> None:
        for count in range(per_thread):
            queue.rank(note((number, count)), 1)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
    for worker in workers:
        worker.start()
    found: list[Any] = []
    while any(worker.is_alive() for worker in workers) or queue:
        found.extend(taken(queue))
    for worker in workers:
        worker.join()
    assert len(found) == per_thread * threads
    for number in range(threads):
        assert [c for n, c in found if n == number] == list(range(per_thread))
