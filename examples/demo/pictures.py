"""Pictures that people show each other: the last few, in memory."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

from circuits.web import Controller, exceptions

from .browsers import Browsers
from .room import Refused, Room

PICTURES: Final = 20
PICTURE_BYTES: Final = 1_000_000

#: What a file begins with tells what it is; what its name or its sender says does not count.
KINDS: Final = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
}


class Pictures(Controller):
    """Takes a picture at ``/pictures``, shows it in the room, and gives it as ``/pictures/1``."""

    channel = "/pictures"

    def init(self, room: Room, browsers: Browsers, base: str) -> None:
        self.room = room
        self.browsers = browsers
        self.base = base  # what comes before the path, for those who need a whole address
        self.pictures: OrderedDict[int, tuple[str, bytes]] = OrderedDict()
        self.count = 0

    def GET(self, number: int) -> bytes:
        if number not in self.pictures:
            raise exceptions.NotFound
        kind, data = self.pictures[number]
        self.response.headers["Content-Type"] = kind
        self.response.headers["Cache-Control"] = "private, max-age=3600"
        return data

    def POST(self) -> Any:
        guest = self.browsers.guest(self.session.get("visitor", ""))
        if guest is None:
            raise exceptions.Forbidden("Tell your name first.")
        upload = self.request.files.get("picture")
        data = upload.file.read(PICTURE_BYTES + 1) if upload is not None else b""
        if len(data) > PICTURE_BYTES:
            raise exceptions.RequestEntityTooLarge
        kind = next((kind for magic, kind in KINDS.items() if data.startswith(magic)), None)
        if kind is None:
            raise exceptions.UnsupportedMediaType("A picture is a PNG, a JPEG or a GIF.")
        path = f"{self.channel}/{self.count + 1}"
        try:
            self.room.say(guest, f"shows a picture: {self.base}{path}", picture=path)
        except Refused as problem:
            raise exceptions.Forbidden(str(problem)) from None
        self.count += 1
        self.pictures[self.count] = (kind, data)
        if len(self.pictures) > PICTURES:
            self.pictures.popitem(last=False)
        return self.redirect("/")
