"""circuits.web.metrics: figures that Prometheus reads."""

from __future__ import annotations

import re
from typing import Any

import pytest

from circuits import Component, Event
from circuits.testing.web import WebClient, web_client
from circuits.web import Controller
from circuits.web.metrics import Metrics

_SAMPLE = re.compile(r'([a-zA-Z_:]\w*)(\{(?:\w+="(?:[^"\\\n]|\\.)*",?)+\})? (\S+)')


class Root(Controller):
    def index(self) -> str:
        return "index"


class App(Component):
    channel = "app"

    def ping(self) -> None:
        raise LookupError

    def error(self, *args: Any) -> None: ...


def figures(client: WebClient) -> dict[str, float]:
    response = client.get("/metrics")
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert response.text.endswith("\n")
    found = {}
    for line in response.text.splitlines():
        if not line.startswith("# "):
            sample = _SAMPLE.fullmatch(line)
            assert sample is not None, line
            found[sample[1] + (sample[2] or "")] = float(sample[3])
    return found


def fire(client: WebClient, *events: Event) -> None:
    for event in events:
        client.app.fire(event, "app")
    client._settle()


def test_figures_of_the_engine(handler_errors: list[BaseException]) -> None:
    with web_client(Root() + App() + Metrics(), raise_errors=False) as client:
        found = figures(client)
        assert found["circuits_queue_length"] == 0
        assert found["circuits_suspended_handlers"] == 0
        assert found["circuits_components"] >= 5
        assert found["circuits_connections"] == 1
        assert found["process_cpu_seconds_total"] > 0
        assert "circuits_events_total" not in str(found)
        fire(client, Event.create("ping"), Event.create("ping"))
        assert figures(client)['circuits_errors_total{exception="LookupError"}'] == 2
        engine = client.app._tree_engine
        assert engine.append == engine.queue.append  # nothing is counted


def test_events_and_calls_are_counted_if_asked_for() -> None:
    with web_client(Root() + App() + Metrics(events=True), raise_errors=False) as client:
        fire(client, *(Event.create("pong") for _ in range(5)))
        assert figures(client)['circuits_events_total{event="pong"}'] == 5
        fire(client, Event.create("pong"))
        found = figures(client)
        assert found['circuits_events_total{event="pong"}'] == 6
        requests = [
            found.get(f'circuits_{kind}_total{{event="request"}}', 0)
            for kind in ("events", "calls")
        ]
        assert sum(requests) >= 1


def test_names_of_events_are_limited_and_escaped() -> None:
    with web_client(Root() + Metrics(events=True)) as client:
        fire(client, *(Event.create(f'odd{number}"\\\n') for number in range(600)))
        found = figures(client)
        assert found['circuits_events_total{event="other"}'] >= 90
        assert 'circuits_events_total{event="odd1\\"\\\\\\n"}' in found


def test_an_application_adds_its_own() -> None:
    gauges: dict[str, Any] = {"jobs": lambda: 3, "broken": lambda: 1 / 0}
    with web_client(Root() + Metrics("/figures", gauges=gauges)) as client:
        text = client.get("/figures").text
        assert "\njobs 3.0\n" in text
        assert "broken" not in text
        assert client.get("/metrics").status == 404
        assert client.post("/figures").status == 405
    with pytest.raises(ValueError, match="a name of a gauge is like"):
        Metrics(gauges={"no name": lambda: 1})


def test_it_leaves_nothing_behind() -> None:
    metrics = Metrics(events=True)
    with web_client(Root() + metrics) as client:
        engine = client.app._tree_engine
        assert engine.append != engine.queue.append
        metrics.unregister()
        client._settle()
        assert engine.append == engine.queue.append
