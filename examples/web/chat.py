#!/usr/bin/env python
"""A chat over WebSockets, with the page for it.

    python examples/web/chat.py [-b ADDRESS:PORT]

Open the address in two windows. Each room is a path: ``/#tea`` and ``/#coffee``.
"""

from __future__ import annotations

import argparse
import json

from circuits.web import Controller, Server, broadcast, expose

PAGE = """<!DOCTYPE html>
<html lang="en">
<title>Chat</title>
<style>body { font: 1rem sans-serif; max-width: 40rem; margin: 2rem auto } i { color: #777 }</style>
<h1>Chat</h1>
<form><input autofocus placeholder="Say something" size="50"></form>
<div id="said"></div>
<script>
const room = location.hash.slice(1) || "lobby";
const scheme = location.protocol === "https:" ? "wss" : "ws";
const socket = new WebSocket(`${scheme}://${location.host}/talk/${room}`);
const input = document.querySelector("input");
function show(kind, text) {
    const line = document.createElement(kind);
    line.textContent = text;
    document.querySelector("#said").prepend(line, document.createElement("br"));
}
socket.onmessage = (event) => {
    const {name, text} = JSON.parse(event.data);
    show("span", `${name}: ${text}`);
};
socket.onclose = (event) => show("i", `The connection has ended (${event.code}).`);
document.querySelector("form").onsubmit = (event) => {
    event.preventDefault();
    socket.send(input.value);
    input.value = "";
};
addEventListener("hashchange", () => location.reload());
</script>
</html>
"""


class Chat(Controller):
    def __init__(self):
        super().__init__()
        self.rooms = {}  # name -> the WebSockets of those who are there
        self.visitors = 0

    def index(self):
        return PAGE

    @expose.websocket(max_message_bytes=4096)
    async def talk(self, websocket, room="lobby"):
        """Tell everybody in a room what one of them says."""
        self.visitors += 1
        name = f"visitor {self.visitors}"
        here = self.rooms.setdefault(room, set())
        here.add(websocket)
        try:
            self.tell(here, name, "is here")
            async for text in websocket:
                self.tell(here, name, text)
        finally:
            here.discard(websocket)
            self.tell(here, name, "has left")
            if not here:
                self.rooms.pop(room, None)

    def tell(self, here, name, text):
        broadcast(here, json.dumps({"name": name, "text": text}))


def main():
    parser = argparse.ArgumentParser(description="Serves a chat.")
    parser.add_argument("-b", "--bind", default="127.0.0.1:8000", metavar="ADDRESS:PORT")
    app = Server(parser.parse_args().bind)
    Chat().register(app)
    print(f"Serving {app.base}/", flush=True)
    app.run()


if __name__ == "__main__":
    main()
