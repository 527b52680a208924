#!/usr/bin/env python
"""What a command writes, as it writes it.

python examples/web/terminal.py [-b ADDRESS:PORT]
"""

from __future__ import annotations

import argparse
import asyncio

from circuits.web import Controller, Server, expose

COMMANDS = {"count": "for n in 1 2 3; do echo $n; done", "date": "date"}
PAGE = "".join(f'<a href="/run/{name}">{name}</a> ' for name in COMMANDS)


class Root(Controller):
    def index(self):
        return PAGE

    @expose("run")
    async def _run(self, name):
        process = await asyncio.create_subprocess_shell(
            COMMANDS[name], stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        self.response.headers["Content-Type"] = "text/plain; charset=utf-8"
        async for line in process.stdout:
            yield line
        await process.wait()


def main():
    parser = argparse.ArgumentParser(description="Runs commands.")
    parser.add_argument("-b", "--bind", default="127.0.0.1:8000", metavar="ADDRESS:PORT")
    app = Server(parser.parse_args().bind) + Root()
    print(f"Serving {app.base}/", flush=True)
    app.run()


if __name__ == "__main__":
    main()
