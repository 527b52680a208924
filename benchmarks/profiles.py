"""Where the time goes in the rows that fall short: what the page says below its tables.

What is told here was found by profiles (callgrind, py-spy) and by counting opcodes, on CPython 3.11.
A text belongs to a row, or to all rows whose names begin with it.
"""

from __future__ import annotations

from typing import Final

WHERE: Final = {
    "kernel.one_handler": (
        "At the bound: from 4.1 to 5.2 from run to run. Firing takes 64 opcodes, dispatch 80."
    ),
    "kernel.ten_handlers": (
        "At the bound: from 2.9 to 3.4 from run to run. Each further handler takes 27 opcodes of 490, its own among them."
    ),
    "kernel.value_read": (
        "At the bound: 3.99 and 4.57 in two runs of one day. An event takes 210 opcodes with its handler, "
        "and 19 to read its value."
    ),
    "kernel.thread_latency": (
        "Varies from run to run: two threads hand the interpreter to each other."
    ),
    "import.circuits": (
        "40 modules of ours; of the standard library `heapq`, `types` and what is part of the interpreter."
    ),
    "kernel.channels_flat": (
        "The routes of 10 000 channels do not stay in the cache of the processor: a look takes as "
        "many opcodes as among 100, and waits for memory. Without the garbage collector the ratio is "
        "0.84."
    ),
    "kernel.complete_nested": (
        "Three events and a count of them: 1000 opcodes, of which dispatch takes 350 for the two "
        "events that are counted, telling their ends 180, and firing all three 250."
    ),
    "kernel.chain": (
        "Each event is a batch of its own, with a turn for it: 70 opcodes of 270. The ratios vary "
        "from run to run by half."
    ),
    "kernel.timers_1000": (
        "A timer takes 650 opcodes: 90 to be made, 220 to join the tree, 260 to be found due, to "
        "fire and be dispatched, 80 to leave. With 1000 of them within 0.3 s there are 250 waits "
        "beside, of which the system takes 30 us of CPU time each on a virtual machine."
    ),
    "kernel.timers_10000": (
        "The same 650 opcodes, against one handle that asyncio makes in 100: a timer is a "
        "component, which joins a tree and can be found, looked at and unregistered there."
    ),
    "http.controller_varied": (
        "A head that was not seen before is parsed: 350 opcodes and four passes of regular "
        "expressions over it, where httptools is C."
    ),
    "http.header": (
        "86 % of the instructions that uvicorn takes with the bare function, on the same request, and more "
        "time for each: an interpreter misses more branches. 160 opcodes for the one header."
    ),
    "http.async": (
        "As many instructions as uvicorn with the bare function (115 000). A task of asyncio for "
        "each request takes a quarter of them: `asyncio.current_task()` has to be right."
    ),
    "http.call": (
        "136 000 instructions against 115 000: an event, its value, and two steps of a generator."
    ),
    "http.call_async": (
        "150 000 instructions against 115 000: the task of `http.async`, and the event of "
        "`http.call`."
    ),
    "http.seen": (
        "Twelve steps of a request that are calls else are events, as somebody sees them: 530 "
        "opcodes each, of which `fire` takes 66, the queue and dispatch 110, the two handlers 70, "
        "and success and complete of three of them the rest."
    ),
    "http.beside_sessions": (
        "120 opcodes more a request: who sends the same fields again is known by them (60), the session "
        "is noted as used (45), and so is that the response has begun. The request is longer, too."
    ),
    "http.beside_": (
        "No opcode of 1650 for a waiter or a timer, and 34 for the look of a `Static` at the path: mostly "
        "the ratio of two figures that both vary by five per cent."
    ),
    "http.static": (
        "At the bound, and varies by half from run to run: both leave a file of 1 MiB to the kernel, whose "
        "copying takes most of the time."
    ),
    "wsgi.hello": (
        "680 opcodes above a page of a `BaseServer`: 210 for the environ, 80 for `start_response`, "
        "70 for its fields in the response, 70 for the gateway."
    ),
    "tcp.write": (
        "By `return` an echo takes 240 opcodes and two system calls, and 100 more with a third for each "
        "wait, which brings 1.4 descriptors on the average. An event for the answer takes 180 more: 22 "
        "to be made, 64 to be fired, 100 to be dispatched before the next descriptor is looked at."
    ),
    "tcp.component": "As `tcp.write_50`: the handler fires an event.",
    "tcp.echo": "240 opcodes, of which the poller takes 60, the read 140 and the write 30.",
    "websocket.events_64k": (
        "Taking the mask off 64 KiB is four translations of every fourth byte, and as many copies: "
        "most of the time. With the extra `speed` it is C (`compiled_64k`)."
    ),
    "websocket.async_": (
        "A step of a task of asyncio for each message, beside what `events_64` takes."
    ),
    "http.workers": (
        "Two workers and the client share two processors here, and caches with them: what is lost is "
        "the time that each takes while the others work."
    ),
    "websocket.async_64k": "As `websocket.events_64k`.",
    "node.tcp_64_json": (
        "Without msgspec, messages are encoded and checked by the standard library and Python."
    ),
    "node.nats_64": (
        "Varies from run to run, 0.69 and 0.94 in two runs of one day: a broker works beside on the same "
        "two processors."
    ),
    "work.bridge": (
        "Two event loops and pickle on each side, where the peer has one blocking read; most of the "
        "time both wait to be woken."
    ),
    "work.threads": "Each task is an event with a value and a coroutine that is told of its end.",
}


def where(name: str) -> str:
    """What is known of a row; an empty text if nothing is."""
    fitting = [known for known in WHERE if name.startswith(known)]
    return WHERE[max(fitting, key=len)] if fitting else ""
