"""The components of the demonstration, each by itself and in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from circuits import BaseComponent
from circuits.net.sockets import Close, Connect, Disconnect, Read, Write
from circuits.testing import Recorder, VirtualClock, settle
from circuits.testing.web import WebClient, web_client
from circuits.web import CSRF, Sessions, exceptions
from examples.demo import browsers, feed, irc, pages, pictures, robot, room, telnet
from examples.demo.room import Entered, Left, Refused, Renamed, Room, Said

ANYWHERE = ("127.0.0.1", 0)
PNG = b"\x89PNG\r\n\x1a\n and the rest"

Run = Callable[[Any], Any]


# -- the room --------------------------------------------------------------------------------------


@pytest.fixture
def place(app_runner: Run) -> Room:
    app: Room = app_runner(Room())
    return app


def test_the_room_tells_what_happens(place: Room) -> None:
    seen = Recorder(Entered, Said, Renamed, Left).register(place)
    ann = place.enter(" ann ", "telnet")
    place.say(ann, "hello")
    place.rename(ann, "Ann")
    place.rename(ann, "bob")
    place.leave(ann)
    place.leave(ann)
    settle(place)
    assert [record.name for record in seen.records] == [
        *("entered", "said", "renamed", "renamed", "left")
    ]
    line = seen.expect(Said).args[1]
    assert (line.name, line.door, line.text) == ("ann", "telnet", "hello")
    assert place.guests == {}
    assert list(place.history) == [line]


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "1st", "-x", "a" * 17, "ärger", "<b>", "a\nb", "#circuits"]
)
def test_a_name_must_fit_everywhere(place: Room, name: str) -> None:
    with pytest.raises(Refused, match="A name is a letter"):
        place.enter(name, "web")


def test_a_name_belongs_to_one(place: Room) -> None:
    ann = place.enter("ann", "web")
    bob = place.enter("bob", "web")
    with pytest.raises(Refused, match="called ANN already"):
        place.enter("ANN", "IRC")
    with pytest.raises(Refused, match="called Ann already"):
        place.rename(bob, "Ann")
    place.leave(ann)
    assert place.enter("ANN", "IRC").name == "ANN"


def test_the_room_can_be_full(place: Room) -> None:
    for number in range(room.PEOPLE):
        place.enter(f"guest{number}", "web")
    with pytest.raises(Refused, match="full"):
        place.enter("ann", "web")


def test_who_talks_too_fast_is_slowed_down(place: Room) -> None:
    ann, bob = place.enter("ann", "web"), place.enter("bob", "web")
    for _ in range(room.LINES):
        place.say(ann, "again")
    with pytest.raises(Refused, match="Not so fast"):
        place.say(ann, "again")
    place.say(bob, "I may")
    assert place.lines == room.LINES + 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\x1b[2Jb\r\nQUIT\x00", "a [2Jb  QUIT"),
        ("right \u202e left", "right   left"),
        ("ä" * 1000, "ä" * (room.TEXT_BYTES // 2)),
        ("😀" * 1000, "😀" * (room.TEXT_BYTES // 4)),
        ("a\ud800b", "a b"),
    ],
)
def test_what_is_said_is_one_short_line(place: Room, text: str, said: str) -> None:
    place.say(place.enter("ann", "web"), text)
    assert place.history[-1].text == said


def test_nothing_is_no_line(place: Room) -> None:
    place.say(place.enter("ann", "web"), " \x00 ")
    assert not place.history


# -- the doors for lines ---------------------------------------------------------------------------


class Door:
    """A door with its room, and clients who are only names."""

    def __init__(self, kind: Any, app_runner: Run) -> None:
        self.room = Room()
        self.door = kind(self.room, ANYWHERE).register(self.room)
        self.seen = Recorder(Write, Close).register(self.room)
        app_runner(self.room)

    def connects(self, *names: str) -> None:
        for name in names:
            self.door.fire(ConnectOf(name))
        settle(self.room)

    def says(self, name: str, *lines: str) -> list[str]:
        """What everybody is told then, each with the name of the receiver before it."""
        self.seen.records.clear()
        for line in lines:
            self.door.fire(Read(name, line.encode() + b"\r\n"))
        settle(self.room)
        return self.told()

    def told(self) -> list[str]:
        return [
            f"{record.args[0]}: {record.args[1].decode().rstrip()}"
            if record.name == "write"
            else f"{record.args[0]} is closed"
            for record in self.seen.records
        ]


class ConnectOf(Connect):
    """A server's: that somebody has connected."""

    name = "connect"

    def __init__(self, sock: Any) -> None:
        super(Connect, self).__init__(sock, "127.0.0.1", 50_000)


@pytest.fixture
def by_telnet(app_runner: Run, virtual_clock: VirtualClock) -> Door:
    return Door(telnet.Telnet, app_runner)


def test_telnet(by_telnet: Door) -> None:
    by_telnet.connects("A", "B")
    assert by_telnet.told() == [
        f"{name}: Welcome to the circuits demo. What is your name?" for name in "AB"
    ]
    assert by_telnet.says("A", "") == [
        "A: A name is a letter and up to 15 more letters, digits, _ or -."
    ]
    assert by_telnet.says("A", "ann", "is anybody there?")[-1] == "A: * ann has come in (telnet)"
    told = by_telnet.says("B", "bob")
    assert "B: <ann> is anybody there?" in told
    assert "A: * bob has come in (telnet)" in told
    assert by_telnet.says("B", "hello") == ["A: <bob> hello"]
    assert by_telnet.says("A", "/who") == ["A: Here are: ann (telnet), bob (telnet)"]
    assert by_telnet.says("A", "/what") == [f"A: {telnet.HELP}"]
    assert by_telnet.says("B", "/nick ann") == ["B: Somebody here is called ann already."]
    assert "A: * bob is called rob now" in by_telnet.says("B", "/nick rob")
    assert by_telnet.says("B", "/quit") == ["B is closed"]
    by_telnet.seen.records.clear()
    by_telnet.door.fire(Disconnect("B"))
    settle(by_telnet.room)
    assert by_telnet.told() == ["A: * rob has left"]


def test_telnet_waits_for_a_name_but_not_for_ever(
    by_telnet: Door, virtual_clock: VirtualClock
) -> None:
    by_telnet.connects("A", "B")
    by_telnet.says("A", "ann")
    settle(by_telnet.room, until=virtual_clock.now + telnet.NAME_SECONDS + 1)
    assert by_telnet.told()[-2:] == ["B: Come back when you have one.", "B is closed"]


def test_telnet_takes_so_many(by_telnet: Door) -> None:
    by_telnet.connects(*(f"{number}" for number in range(telnet.CONNECTIONS)))
    by_telnet.seen.records.clear()
    by_telnet.connects("late")
    assert by_telnet.told() == ["late: There are too many of you.", "late is closed"]
    assert by_telnet.says("late", "ann") == []


@pytest.fixture
def by_irc(app_runner: Run, virtual_clock: VirtualClock) -> Door:
    return Door(irc.IRCServer, app_runner)


def registered(door: Door, *names: str) -> None:
    for name in names:
        door.connects(name)
        told = door.says(name, f"NICK {name}", f"USER {name} 0 * :Somebody")
        assert f"{name}: :demo.circuits 001 {name} :Welcome to the circuits IRC Network" in told


def test_irc(by_irc: Door) -> None:
    registered(by_irc, "ann", "bob")
    assert by_irc.says("ann", "JOIN #circuits") == [
        "ann: :ann!IRC@demo.circuits JOIN #circuits",
        f"ann: :demo.circuits 332 ann #circuits :{irc.TOPIC}",
        "ann: :demo.circuits 353 ann = #circuits ann",
        "ann: :demo.circuits 366 ann #circuits :End of NAMES list",
    ]
    assert "ann: :bob!IRC@demo.circuits JOIN #circuits" in by_irc.says("bob", "JOIN #circuits")
    assert by_irc.says("bob", "PRIVMSG #circuits :hello there") == [
        "ann: :bob!IRC@demo.circuits PRIVMSG #circuits :hello there"
    ]
    assert by_irc.says("ann", "NAMES #circuits")[0] == (
        "ann: :demo.circuits 353 ann = #circuits :ann bob"
    )
    assert by_irc.says("bob", "NICK rob") == [
        "ann: :bob!IRC@demo.circuits NICK rob",
        "bob: :bob!IRC@demo.circuits NICK rob",
    ]
    assert len(by_irc.says("ann", "WHO #circuits")) == 3
    assert by_irc.says("bob", "PART #circuits :bye") == [
        "ann: :rob!IRC@demo.circuits PART #circuits",
        "bob: :rob!IRC@demo.circuits PART #circuits",
    ]
    assert by_irc.says("ann", "PING 12 34") == ["ann: :demo.circuits PONG demo.circuits 12"]
    assert by_irc.says("ann", "QUIT :bye") == [
        "ann: ERROR :Closing link: demo.circuits (Bye)",
        "ann is closed",
    ]
    by_irc.door.fire(Disconnect("ann"))
    settle(by_irc.room)
    assert by_irc.room.guests == {}


def test_irc_clients_that_negotiate_are_waited_for(by_irc: Door) -> None:
    by_irc.connects("A")
    told = by_irc.says("A", "CAP LS 302", "NICK ann", "USER ann 0 * :Ann", "CAP REQ :sasl")
    assert told == ["A: :demo.circuits CAP * LS :", "A: :demo.circuits CAP ann NAK sasl"]
    assert "001 ann" in by_irc.says("A", "CAP END")[0]


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("NICK bob", "433"),
        ("NICK", "432"),
        ("NICK :a b", "432"),
        ("JOIN #elsewhere", "403"),
        ("JOIN", "403"),
        ("PRIVMSG bob :psst", "404"),
        ("PRIVMSG", "404"),
        ("TOPIC #circuits :mine", "332"),
        ("MODE #circuits", "324"),
    ],
)
def test_what_irc_answers_to_the_rest(by_irc: Door, line: str, number: str) -> None:
    registered(by_irc, "ann")
    by_irc.room.enter("bob", "web")
    assert by_irc.says("ann", line)[-1].startswith(f"ann: :demo.circuits {number} ann ")


def test_irc_forgives_what_makes_no_sense(by_irc: Door) -> None:
    registered(by_irc, "ann")
    errors = Recorder("error").register(by_irc.room)
    commands = "user ping quit_ join part privmsg names who topic mode cap pass nick list"
    for command in commands.upper().split():
        by_irc.says("ann", command, f"{command} a b c d e f", f"{command} :")
        by_irc.says("ann", f"{command} {'x' * 490}", f"{command} :{'ä' * 240}")
        by_irc.says("ann", f"{command} #circuits :{'ä' * 230}", f"{command} REQ {'x' * 480}")
    by_irc.says("nobody", "JOIN #circuits", "NICK x", "CAP LS", "QUIT")
    by_irc.says("ann", "\x00", ":", "x" * 600, "READ a b", "ERROR x", "PRIVMSG #circuits :a\x01b")
    errors.expect_none("error")


def test_irc_wants_a_name_first(by_irc: Door, virtual_clock: VirtualClock) -> None:
    by_irc.connects("A")
    assert by_irc.says("A", "JOIN #circuits") == [
        "A: :demo.circuits 451 * :You have not registered"
    ]
    by_irc.seen.records.clear()
    settle(by_irc.room, until=virtual_clock.now + irc.REGISTER_SECONDS + 1)
    assert by_irc.told()[-1] == "A is closed"


def test_a_name_that_was_taken_meanwhile(by_irc: Door) -> None:
    registered(by_irc, "ann")
    by_irc.room.enter("ann", "web")
    assert " 433 ann ann " in by_irc.says("ann", "JOIN #circuits")[-1]
    by_irc.says("ann", "NICK anna")
    assert "JOIN #circuits" in by_irc.says("ann", "JOIN #circuits")[0]


# -- the robot -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "factors"),
    [(2, [2]), (12, [2, 2, 3]), (97, [97]), (600851475143, [71, 839, 1471, 6857])],
)
def test_the_robot_takes_numbers_apart(number: int, factors: list[int]) -> None:
    assert robot.Robot().factor(number) == factors


class Asked(robot.Keeper):
    """A keeper whose robot is in this process."""

    def init(self, room: Room) -> None:
        super().init(room)
        self.supervisor.remove("robot")
        robot.Robot().register(self)

    @property
    def robot_pid(self) -> int | None:
        return 4711


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("robot 12", "ann: 12 = 2 × 2 × 3, says process 4711."),
        ("Robot, what is 97?", "ann: 97 is a prime, says process 4711."),
        ("robot 1", "ann: I only know numbers from 2 to 10^15."),
        (f"robot {'9' * 100}", "ann: I only know numbers from 2 to 10^15."),
        ("robot", None),
        ("robotics 12", None),
    ],
)
def test_asking_the_robot(app_runner: Run, text: str, answer: str | None) -> None:
    place = Room()
    Asked(place).register(place)
    app_runner(place)
    place.say(place.enter("ann", "web"), text)
    settle(place)
    assert [line.text for line in place.history] == [text, *([answer] if answer else [])]


def test_the_robot_has_enough_to_do(app_runner: Run, virtual_clock: VirtualClock) -> None:
    place = Room()
    keeper = Asked(place).register(place)
    app_runner(place)
    keeper.asked = robot.QUESTIONS
    place.say(place.enter("ann", "web"), "robot 12")
    settle(place)
    assert place.history[-1].text == "ann: I have enough to do."


# -- pages -----------------------------------------------------------------------------------------


class Keeper(BaseComponent):
    """As the page sees the one of the robot."""

    robot_pid = 4711
    starts = 1
    crashes = 0

    def crash(self) -> None:
        if self.crashes:
            raise Refused("Let it recover first.")
        self.crashes += 1


class Site:
    """What the pages consist of."""

    def __init__(self) -> None:
        self.room = Room()
        keeper: Any = Keeper().register(self.room)
        self.browsers = browsers.Browsers(self.room).register(self.room)
        self.feed = feed.Feed(self.room, keeper).register(self.room)
        ports = {"telnet": 1, "irc": 2}
        pages.Root(self.room, self.browsers, keeper, self.feed, ports).register(self.room)
        pictures.Pictures(self.room, self.browsers, "http://site").register(self.room)
        for component in (pages.ErrorPages(), Sessions(eager=False), CSRF()):
            component.register(self.room)

    @contextmanager
    def client(self) -> Iterator[WebClient]:
        with web_client(self.room) as client:
            yield client


@pytest.fixture
def site(virtual_clock: VirtualClock) -> Site:
    return Site()


def token(client: WebClient) -> str:
    page: str = client.get("/").text
    return page.partition('data-token="')[2].partition('"')[0]


def login(client: WebClient, name: str) -> Any:
    return client.post("/login", data={"name": name, "csrf_token": token(client)})


def message(websocket: Any, kind: str) -> Any:
    while True:
        found = json.loads(websocket.receive(timeout=1))
        if found["kind"] == kind:
            return found


def test_a_name_is_remembered_under_a_new_id(site: Site) -> None:
    with site.client() as client:
        assert 'data-state="nameless"' in client.get("/").text
        before = client.cookies["circuits.session"]
        assert login(client, "ann").status == 303
        page = client.get("/").text
        assert 'data-state="named" data-name="ann"' in page
        assert client.cookies["circuits.session"] != before
        client.post("/logout", data={"csrf_token": token(client)})
        assert 'data-state="nameless"' in client.get("/").text


def test_a_bad_name_is_told_once_and_escaped(site: Site) -> None:
    with site.client() as client:
        site.room.enter("bob", "telnet")
        login(client, "bob")
        assert "Somebody here is called bob already." in client.get("/").text
        assert "already" not in client.get("/").text
        login(client, "<script>")
        assert "<script>" not in client.get("/").text.partition("<body")[2]


@pytest.mark.parametrize("path", ["/login", "/logout", "/crash", "/pictures"])
def test_changes_need_the_token_of_the_page(site: Site, path: str) -> None:
    with site.client() as client:
        assert client.post(path).status == 403


@pytest.mark.parametrize("path", ["/login", "/logout", "/crash"])
def test_links_change_nothing(site: Site, path: str) -> None:
    with site.client() as client:
        assert client.get(path).status == 405


def test_browsers_talk(site: Site) -> None:
    with site.client() as client:
        login(client, "ann")
        bob = site.room.enter("bob", "telnet")
        site.room.say(bob, "<i>hi</i>")
        with client.websocket("/talk") as websocket:
            hello = message(websocket, "hello")
            assert hello["you"] == "ann"
            assert [line["text"] for line in hello["history"]] == ["<i>hi</i>"]
            assert message(websocket, "people")["people"] == [["ann", "web"], ["bob", "telnet"]]
            websocket.send("hello")
            said = message(websocket, "said")
            assert (said["name"], said["door"], said["text"]) == ("ann", "web", "hello")
            for _ in range(room.LINES):
                websocket.send("again")
            assert message(websocket, "notice")["text"] == "Not so fast, please."
            login(client, "anna")
            assert message(websocket, "renamed")["before"] == "ann"
        settle(site.room)
        assert set(site.room.guests) == {"bob"}


def test_a_second_window_is_the_same_person(site: Site) -> None:
    with site.client() as client:
        login(client, "ann")
        with client.websocket("/talk") as one, client.websocket("/talk") as other:
            assert message(one, "hello")["you"] == message(other, "hello")["you"] == "ann"
            one.close()
            settle(site.room)
            assert set(site.room.guests) == {"ann"}


def test_who_has_no_name_can_only_listen(site: Site) -> None:
    with site.client() as client, client.websocket("/talk") as websocket:
        assert message(websocket, "hello")["you"] is None
        websocket.send("hello?")
        site.room.say(site.room.enter("bob", "telnet"), "I talk to myself")
        assert message(websocket, "said")["name"] == "bob"


def test_a_name_that_somebody_took_is_refused(site: Site) -> None:
    with site.client() as client:
        login(client, "ann")
        site.room.enter("ann", "IRC")
        with client.websocket("/talk") as websocket:
            assert "called ann already" in message(websocket, "refused")["text"]


def test_a_picture_is_shown_to_everybody(site: Site) -> None:
    with site.client() as client:
        login(client, "ann")
        headers = {"X-CSRF-Token": token(client), "Accept": "text/plain"}

        def show(data: bytes) -> Any:
            files = {"picture": ("evil.html", data, "text/html")}
            return client.post("/pictures", files=files, headers=headers)

        assert show(PNG).text == "Tell your name first."
        with client.websocket("/talk") as websocket:
            assert show(PNG).status == 303
            said = message(websocket, "said")
            assert said["text"] == "shows a picture: http://site/pictures/1"
            answer = client.get(said["picture"])
            assert (answer.headers["Content-Type"], answer.content) == ("image/png", PNG)
            assert show(b"<html>").status == 415
            assert show(PNG + bytes(pictures.PICTURE_BYTES)).status == 413
            assert client.post("/pictures", headers=headers).status == 415
            assert client.get("/pictures/2").status == 404


def test_only_the_last_pictures_are_kept(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LINES", 100)
    monkeypatch.setattr(pictures, "PICTURES", 2)
    with site.client() as client:
        login(client, "ann")
        headers = {"X-CSRF-Token": token(client)}
        with client.websocket("/talk"):
            for _ in range(3):
                client.post("/pictures", files={"picture": ("a.png", PNG)}, headers=headers)
        found = [client.get(f"/pictures/{number}").status for number in (1, 2, 3)]
        assert found == [404, 200, 200]


def test_the_robot_is_crashed_once(site: Site) -> None:
    with site.client() as client:
        headers = {"X-CSRF-Token": token(client)}
        assert client.post("/crash", headers=headers).text == "It is dead."
        again = client.post("/crash", headers=headers)
        assert (again.status, again.text) == (409, "Let it recover first.")


def test_the_feed(site: Site) -> None:
    with site.client() as client, client.stream("GET", "/feed") as response:
        first = response.read(timeout=1).decode()
        assert first.startswith("event: robot\n")
        assert '"pid": 4711' in first
        assert response.read(timeout=2).decode().startswith("event: pulse\n")
        site.feed.fire(robot.News("crashed: <b>"), "robot-news")
        assert "crashed: <b>" in response.read(timeout=1).decode()


def test_pages_that_do_not_keep_up_miss_something(site: Site) -> None:
    with site.client() as client, client.stream("GET", "/feed") as response:
        response.read(timeout=1)
        for _ in range(10 * feed.WAITING):
            site.feed.fire(robot.News("again"), "robot-news")
        settle(site.room)
        [queue] = site.feed.listeners
        assert queue.qsize() <= feed.WAITING


def test_there_are_limits_for_pages(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "LISTENERS", 0)
    monkeypatch.setattr(browsers, "PAGES", 0)
    with site.client() as client:
        with pytest.raises(exceptions.ServiceUnavailable):
            client.get("/feed")
        with client.websocket("/talk") as websocket:
            with pytest.raises(Exception, match="too many"):
                websocket.receive(timeout=1)
            assert websocket.close_code == 1013


def test_a_page_that_is_not_there(site: Site) -> None:
    with site.client() as client:
        answer = client.get("/<b>nowhere</b>", headers={"Accept": "text/html"})
        assert answer.status == 404
        assert '<p class="code">404</p>' in answer.text
        assert "<b>nowhere" not in answer.text
        plain = client.get("/nowhere", headers={"Accept": "text/plain"})
        assert plain.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert "<" not in plain.text


def test_the_status(site: Site) -> None:
    with site.client() as client:
        assert client.get("/status").json().keys() == {"circuits", "people", "lines", "uptime"}
