#!/usr/bin/env python
"""Write down what a device says at a serial port: each line with its time.

    python examples/gallery/serial_logger.py [-r BAUDRATE] PORT FILE

A device that is pulled out is waited for. Needs pyserial: pip install 'circuits[serial]'.
"""

from __future__ import annotations

import argparse
from datetime import datetime

from circuits import Component, handler, sleep
from circuits.io import File, Serial
from circuits.io.events import Open, Write


class Logger(Component):
    def init(self, port, baudrate, path):
        self.lines, self.is_open = 0, False
        File(path, "a", channel="log").register(self)
        Serial(port, baudrate, readline=True, max_line=1000, channel="port").register(self)

    @handler("opened", channel="port")
    def begin(self, port):
        self.is_open = True
        self.note(f"# {port} is open")

    @handler("read", channel="port")
    def write(self, data):
        self.lines += 1
        text = data.decode("utf-8", "replace").rstrip()
        self.note("".join(letter if letter.isprintable() else "?" for letter in text))

    @handler("closed", channel="port")
    def wait(self, port):
        self.is_open = False
        if not self.root.running:
            return  # the end has closed it, and the log
        self.note(f"# {port} is closed")
        yield self.again()

    @handler("io_error", channel="port")
    def complain(self, problem):
        print(f"serial_logger: {problem}", flush=True)
        if not self.is_open:  # otherwise it is closed next
            yield self.again()

    @handler("io_error", channel="log")
    def fail(self, problem):
        print(f"serial_logger: {problem}", flush=True)
        raise SystemExit(1)  # what cannot be written down need not be read

    @handler(False)
    def again(self):
        yield sleep(1)
        self.fire(Open(), "port")

    @handler(False)
    def note(self, text):
        now = datetime.now().astimezone().isoformat(timespec="milliseconds")
        self.fire(Write(f"{now} {text}\n"), "log")


def main():
    parser = argparse.ArgumentParser(description="Write down what a serial device says.")
    parser.add_argument("port", metavar="PORT", help="such as /dev/ttyUSB0")
    parser.add_argument("file", metavar="FILE", help="where to append it")
    parser.add_argument("-r", "--rate", type=int, default=115200, help="(%(default)s)")
    options = parser.parse_args()
    app = Logger(options.port, options.rate, options.file)
    print(f"Writing what {options.port} says to {options.file}", flush=True)
    app.run()
    print(f"{app.lines} lines", flush=True)


if __name__ == "__main__":
    main()
