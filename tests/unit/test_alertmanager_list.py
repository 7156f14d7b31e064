"""Alertmanager's API, answered by a small server with its own JSON: what is read, and what an odd answer leads to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bsm_remediate.adapters.alertmanager_list import AlertmanagerList
from bsm_remediate.adapters.webhooks.alertmanager import read_alertmanager
from bsm_remediate.errors import SourceUnreachable

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
ALERT = {
    "annotations": {"summary": "a \0 in it"},
    "endsAt": "2026-01-05T09:04:00.000Z",
    "fingerprint": "1a2b3c4d5e6f7081",
    "receivers": [{"name": "engine"}],
    "startsAt": "2026-01-05T08:58:00.123Z",
    "status": {"inhibitedBy": [], "silencedBy": [], "state": "active"},
    "updatedAt": "2026-01-05T08:59:59.000Z",
    "generatorURL": "http://prometheus/graph",
    "labels": {"alertname": "WebDown", "instance": "web-1", "severity": "critical"},
}
STATUS = {"uptime": "2026-01-04T00:00:00.000Z", "cluster": {}, "config": {}, "versionInfo": {}}


class Peer:
    """Answers each path with what was set for it, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {"/api/v2/alerts": [ALERT], "/api/v2/status": STATUS, "/api/v2/silences": []}
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                peer.asked.append((self.path, dict(self.headers.items())))
                answer = peer.answers.get(self.path.partition("?")[0])
                body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(200 if answer is not None else 503)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def peers() -> Iterator[tuple[Peer, Peer]]:
    both = (Peer(), Peer())
    yield both
    for one in both:
        one.server.shutdown()
        one.server.server_close()


def read(*peers: Peer, **options: Any) -> AlertmanagerList:
    return AlertmanagerList([peer.url for peer in peers], now=lambda: NOW, **options)


def test_the_list_says_the_same_of_an_alert_as_its_webhook(peers: tuple[Peer, Peer]) -> None:
    listed = read(peers[0]).listing().alerts[0]
    body = {"version": "4", "alerts": [{**ALERT, "status": "firing", "endsAt": "0001-01-01T00:00:00Z"}]}
    assert read_alertmanager(json.dumps(body).encode(), NOW).alerts == [listed]


def test_silences_are_told_with_who_until_when_and_why(peers: tuple[Peer, Peer]) -> None:
    silenced = {**ALERT, "status": {"silencedBy": ["s1"], "inhibitedBy": [], "state": "suppressed"}}
    peers[0].answers["/api/v2/alerts"] = [silenced]
    peers[0].answers["/api/v2/silences"] = [
        {"id": "s1", "createdBy": "ana", "endsAt": "2026-01-05T18:00:00.000Z", "comment": "upgrade"}
    ]
    listing = read(peers[0]).listing()
    assert listing.suppressed == {listing.alerts[0].key: "silenced by ana until 2026-01-05 18:00: upgrade"}


def test_inhibited_alerts_are_known_as_such(peers: tuple[Peer, Peer]) -> None:
    peers[0].answers["/api/v2/alerts"] = [{**ALERT, "status": {"silencedBy": [], "inhibitedBy": ["x"]}}]
    listing = read(peers[0]).listing()
    assert list(listing.suppressed.values()) == ["inhibited by another alert"]


def test_peers_add_up_and_one_that_is_away_lets_nothing_end(peers: tuple[Peer, Peer]) -> None:
    peers[1].answers["/api/v2/alerts"] = [{**ALERT, "fingerprint": "ffff", "labels": {"alertname": "Other"}}]
    both = read(*peers).listing()
    assert ([alert.name for alert in both.alerts], both.is_settled) == (["WebDown", "Other"], True)
    peers[1].answers["/api/v2/alerts"] = None
    one = read(*peers).listing()
    assert ([alert.name for alert in one.alerts], one.is_settled) == (["WebDown"], False)


def test_a_source_that_was_just_started_has_not_settled(peers: tuple[Peer, Peer]) -> None:
    peers[0].answers["/api/v2/status"] = {"uptime": "2026-01-05T08:59:00.000Z"}
    assert not read(peers[0]).listing().is_settled
    assert read(peers[0], settles_after=timedelta(seconds=30)).listing().is_settled


def test_only_alerts_of_the_receiver_are_asked_for_and_the_token_is_shown(peers: tuple[Peer, Peer]) -> None:
    read(peers[0], receiver="a.b", token="secret").listing()
    path, headers = next((path, headers) for path, headers in peers[0].asked if "alerts" in path)
    assert path == "/api/v2/alerts?receiver=%5E%28%3F%3Aa%5C.b%29%24"
    assert headers["Authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    "answer",
    [None, b"<html>", {"alerts": []}, [1], [{}], [{**ALERT, "startsAt": "yesterday"}], [{**ALERT, "fingerprint": 1}]],
)
def test_an_answer_that_is_no_list_of_alerts_is_a_source_that_cannot_be_read(
    peers: tuple[Peer, Peer], answer: Any
) -> None:
    peers[0].answers["/api/v2/alerts"] = answer
    with pytest.raises(SourceUnreachable):
        read(peers[0]).listing()


def test_a_source_that_does_not_listen_is_named() -> None:
    with pytest.raises(SourceUnreachable, match=r"http://127\.0\.0\.1:9 does not answer: no connection"):
        AlertmanagerList(["http://127.0.0.1:9"], now=lambda: NOW).listing()
