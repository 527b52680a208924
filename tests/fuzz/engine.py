"""A fuzzer for codecs: mutates inputs, and looks whether what must always hold still does.

What must hold, for each :class:`Target`:

- ``crash``: nothing is raised but what the codec says it raises;
- ``cut``: wherever the bytes are cut, the same comes out;
- ``peer``: other people's parsers understand the same, see `differences`;
- ``time``: an input that is eight times as long takes about eight times as long, in whatever pieces;
- ``memory``: what is kept while an endless input is read has a limit.

All is decided by the seed, but for how far one gets in the time. An input that comes to something
new, by the kinds of messages and errors, is mutated further. What fails is made as small as it can be.
"""

from __future__ import annotations

import gc
import random
import re
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.fuzz.differences import DIFFERENCES

#: Inputs are small, but for the measurements of time and memory.
_LONGEST = 4096
_CORPUS = 600
#: How much of the time goes to mutations; the rest goes to measurements of time and memory.
_SHARE_OF_MUTATIONS = 0.7

_NUMBERS = [b"0", b"1", b"00", b"-1", b"+1", b"7f", b"ff", b"255", b"65535", b"65536", b"2147483648",
            b"4294967295", b"9223372036854775807", b"18446744073709551616", b"9" * 30]  # fmt: skip


class Target:
    """One codec, and how to ask it.

    Attributes:
        name: Of the codec.
        seeds: Inputs to begin with.
        words: What means something to it.
        most_held: Bytes that the codec may keep between pieces of 16 KiB.
        most_memory: Bytes that reading may take at any moment, what was read and dropped apart.
        peers: Names of those who are asked as well.
        grows: Whether time and memory are measured.
    """

    name = ""
    seeds: Sequence[bytes] = ()
    words: Sequence[bytes] = ()
    most_held = 1 << 20
    most_memory = 4 << 20
    peers: Sequence[str] = ()
    grows = True

    def fresh(self, chance: random.Random) -> bytes:
        """An input out of nothing."""
        return b"".join(chance.choices(self.words, k=chance.randrange(1, 12)))

    def outcome(self, pieces: Iterable[bytes]) -> list[Any]:
        """All that comes out, in a form in which it does not matter where the input was cut."""
        raise NotImplementedError

    def steps(self, pieces: Iterable[bytes]) -> Iterator[int]:
        """Read piece by piece, drop what comes out, and give how many bytes are kept."""
        raise NotImplementedError

    def check(self, data: bytes, whole: list[Any]) -> Iterator[tuple[str, str, str]]:
        """Compare with others: a peer, the kind of the difference, and all of it."""
        return iter(())


@dataclass
class Trouble:
    """Something that does not hold, and the smallest input that was found for it."""

    kind: str
    what: str
    data: bytes
    detail: str
    count: int = 1

    def __str__(self) -> str:
        return f"{self.kind}: {self.what} ({self.count} times)\n    {self.data[:400]!r}\n    {self.detail[:600]}"


@dataclass
class Result:
    """What a run has come to."""

    target: str
    inputs: int = 0
    measured: int = 0
    corpus: int = 0
    troubles: dict[tuple[str, str], Trouble] = field(default_factory=dict)
    excused: Counter[int] = field(default_factory=Counter)  # by index in the list


def normal(text: str) -> str:
    """A message of an error without what it quotes."""
    text = re.sub(
        r"b?'(?:[^'\\]|\\.)*'|b?\"(?:[^\"\\]|\\.)*\"", "...", text.splitlines()[0] if text else ""
    )
    return re.sub(r"\[.*\]", "[...]", re.sub(r"[0-9]+", "N", text))[:120]


def shape(value: Any) -> str:
    """What kind of an outcome something is."""
    if isinstance(value, str):
        return normal(value) if value.startswith("refused") else "str"
    return type(value).__name__


def _without_reasons(outcome: list[Any]) -> list[Any]:
    """An outcome without what depends on how much has come: what is wrong is refused at once."""
    return ["refused" if str(each).startswith("refused") else each for each in outcome]


# -- inputs ------------------------------------------------------------------------------------


def mutate(data: bytes, target: Target, corpus: Sequence[bytes], chance: random.Random) -> bytes:
    """Change something, once to a few times."""
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 1, 2, 2, 3, 5])):
        size = len(changed)
        at = chance.randrange(size + 1)
        if chance.random() < 0.3 and (line := changed.find(b"\n", at)) >= 0:
            at = line + 1  # at the start of a line
        end = min(size, at + chance.choice([1, 1, 2, 3, 8, 30]))
        way = chance.randrange(11)
        if way <= 2:
            changed[at:at] = chance.choice(target.words)
        elif way == 3:
            changed[at:end] = chance.choice(target.words)
        elif way == 4:
            del changed[at:end]
        elif way == 5:
            changed[at:at] = changed[at:end] * chance.choice([1, 1, 2, 5, 20])
        elif way == 6 and at < size:
            changed[at] ^= 1 << chance.randrange(8)
        elif way == 7 and at < size:
            changed[at] = chance.choice([0, 9, 10, 13, 32, 127, 128, 255, chance.randrange(256)])
        elif way == 8:
            other = chance.choice(corpus)
            changed[at:] = other[chance.randrange(len(other) + 1) :]
        elif way == 9:
            there = chance.randrange(size + 1)
            changed[there:there] = changed[at:end]
        else:
            changed[at : end if chance.random() < 0.5 else at] = chance.choice(_NUMBERS)
    return bytes(changed[:_LONGEST])


def cuts(data: bytes, chance: random.Random) -> Iterator[list[bytes]]:
    """Some ways to cut an input."""
    yield [data[i : i + 1] for i in range(len(data))]
    if len(data) > 1:
        at = chance.randrange(1, len(data))
        yield [data[:at], data[at:]]
        size = chance.randrange(2, 9)
        yield [data[i : i + size] for i in range(0, len(data), size)]


def smallest(data: bytes, still: Callable[[bytes], bool], seconds: float = 10.0) -> bytes:
    """Take away what can be taken away, as long as it still fails."""
    deadline = time.monotonic() + seconds
    size = max(1, len(data) // 2)
    while size:
        at, found = 0, False
        while at < len(data) and time.monotonic() < deadline:
            shorter = data[:at] + data[at + size :]
            if still(shorter):
                data, found = shorter, True
            else:
                at += size
        if not found or time.monotonic() >= deadline:
            size //= 2
    return data


# -- what must hold ----------------------------------------------------------------------------


def examine(
    target: Target, data: bytes, chance: random.Random, excused: Counter[int] | None = None
) -> tuple[list[Any], list[Trouble]]:
    """What one input comes to, and what does not hold for it."""
    try:
        whole = target.outcome([data])
    except Exception as problem:
        return [], [
            Trouble(
                "crash", f"{type(problem).__name__} {normal(str(problem))}", data, repr(problem)
            )
        ]
    troubles = []
    for pieces in cuts(data, chance):
        try:
            found = target.outcome(pieces)
        except Exception as problem:
            troubles.append(
                Trouble("crash", f"{type(problem).__name__} in pieces", data, repr(problem))
            )
            break
        if _without_reasons(found) != _without_reasons(whole):
            what = f"{' '.join(map(shape, whole[-2:]))} / {' '.join(map(shape, found[-2:]))}"
            sizes = [len(piece) for piece in pieces][:5]
            troubles.append(Trouble("cut", what, data, f"{sizes}: {found!r} instead of {whole!r}"))
            break
    try:
        for peer, what, detail in target.check(data, whole):
            for index, difference in enumerate(DIFFERENCES):
                if difference.fits(target.name, peer, what, data):
                    if excused is not None:
                        excused[index] += 1
                    break
            else:
                troubles.append(Trouble("peer", f"{peer}: {what}", data, detail))
    except Exception as problem:
        troubles.append(
            Trouble("crash", f"{type(problem).__name__} when compared", data, repr(problem))
        )
    return whole, troubles


@dataclass
class Growing:
    """An input of any length."""

    begin: bytes
    repeated: bytes
    end: bytes

    def of(self, size: int) -> bytes:
        count = max(1, (size - len(self.begin) - len(self.end)) // len(self.repeated))
        return self.begin + self.repeated * count + self.end


def growing(target: Target, corpus: Sequence[bytes], chance: random.Random) -> Growing:
    data = chance.choice(corpus)
    if chance.random() < 0.4 or not data:
        repeated = chance.choice(target.words) * chance.choice([1, 1, 3])
        at = chance.randrange(len(data) + 1)
    else:
        at = chance.randrange(len(data))
        repeated = data[at : at + chance.choice([1, 2, 4, 16, 64, 999])]
    return Growing(data[:at], repeated or b"a", data[at:])


def _seconds(target: Target, data: bytes, step: int) -> float:
    pieces = [data[i : i + step] for i in range(0, len(data), step)]
    gc.disable()  # what others have left is not part of the time
    try:
        begun = time.thread_time()
        for _ in target.steps(pieces):
            pass
        return time.thread_time() - begun
    finally:
        gc.enable()


#: Eight times the input may take so many times the time.
_FACTOR = 8 * 2.5
_FLOOR_SECONDS = 0.002
#: Sizes of pieces, and of the input, then eight times as long.
_WAYS = [(1, 2048), (16384, 16384), (1 << 30, 16384)]


def is_slow(target: Target, grown: Growing) -> str | None:
    """Whether the time is more than linear, and how."""
    for step, least in _WAYS:
        # Of a shorter one, what is around would be the most, and the longer one not eight times as long.
        size = max(least, 2 * (len(grown.begin) + len(grown.end)))
        short, long = grown.of(size), grown.of(8 * size)
        first = second = 0.0
        for _ in range(4):  # a busy machine is slow at times
            first, second = _seconds(target, short, step), _seconds(target, long, step)
            if second <= _FACTOR * max(first, _FLOOR_SECONDS):
                break
        else:
            return (
                f"{len(short)} bytes take {first * 1000:.1f} ms, {len(long)} take {second * 1000:.1f}"
                f" ms, in pieces of {min(step, len(long))}"
            )
    return None


def is_large(target: Target, grown: Growing) -> str | None:
    """Whether more is kept than may be, and how."""
    data = grown.of(512 * 1024)
    pieces = [data[i : i + 16384] for i in range(0, len(data), 16384)]
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        held = max(target.steps(pieces), default=0)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    if held > target.most_held:
        return f"{held} bytes are kept, {target.most_held} may be"
    if peak > target.most_memory:
        return f"{peak} bytes are taken, {target.most_memory} may be"
    return None


def measure(target: Target, grown: Growing) -> list[Trouble]:
    """Time and memory of an input that grows."""
    troubles = []
    for kind, look in (("time", is_slow), ("memory", is_large)):
        try:
            problem = look(target, grown)
        except Exception as crash:
            detail = repr(grown)
            what = f"{type(crash).__name__} {normal(str(crash))} when grown"
            return [Trouble("crash", what, grown.of(16384), f"{detail}: {crash!r}")]
        if problem is not None:
            what = normal(repr(grown.repeated[:8]))
            troubles.append(Trouble(kind, what, grown.of(16384), f"{grown!r}: {problem}"))
    return troubles


# -- runs --------------------------------------------------------------------------------------


def run(
    target: Target,
    seed: str,
    *,
    seconds: float | None = None,
    inputs: int | None = None,
    measures: bool = True,
) -> Result:
    """Fuzz one codec, for some time or with so many inputs."""
    result = Result(target.name)
    begun = time.monotonic()
    measures = measures and target.grows
    share = _SHARE_OF_MUTATIONS if measures else 1.0
    chance = random.Random(f"{seed}/{target.name}")
    corpus = list(target.seeds)
    shapes: set[tuple[str, ...]] = set()

    def note(found: Sequence[Trouble], is_repeatable: bool) -> None:
        for trouble in found:
            key = (trouble.kind, trouble.what)
            known = result.troubles.get(key)
            if known is not None:
                known.count += 1
                continue
            if is_repeatable:
                data = smallest(trouble.data, partial(fails, key))
                same = [t for t in again(data) if (t.kind, t.what) == key]
                trouble = same[0] if same else trouble
            result.troubles[key] = trouble

    def again(data: bytes) -> list[Trouble]:
        return examine(target, data, random.Random(0))[1]

    def fails(key: tuple[str, str], data: bytes) -> bool:
        return any((trouble.kind, trouble.what) == key for trouble in again(data))

    def is_over(part: float) -> bool:
        if inputs is not None and result.inputs >= inputs:
            return True
        return seconds is not None and time.monotonic() - begun >= seconds * part

    waiting = list(corpus)
    while waiting or not is_over(share):
        if waiting:
            data = waiting.pop()
        elif chance.random() < 0.1:
            data = target.fresh(chance)
        else:
            data = mutate(chance.choice(corpus), target, corpus, chance)
        result.inputs += 1
        whole, troubles = examine(target, data, chance, result.excused)
        note(troubles, True)
        seen = tuple(map(shape, whole[:6]))
        if seen not in shapes and len(corpus) < _CORPUS:
            shapes.add(seen)
            corpus.append(data)
    result.corpus = len(corpus)
    chance = random.Random(f"{seed}/{target.name}/grown")
    while measures and not is_over(1.0):
        result.measured += 1
        note(measure(target, growing(target, corpus, chance)), False)
    return result
