"""Prometheus's API, answered by a small server with its own JSON: what is read, and what an odd answer leads to."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bsm_remediate.adapters.metrics.http import Access, HttpReader
from bsm_remediate.adapters.metrics.prometheus import PrometheusApi
from bsm_remediate.adapters.metrics.promql_probe import PromqlProber
from bsm_remediate.adapters.system_clock import SystemClock
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.policy import Check, CheckKind
from bsm_remediate.domain.service_map import Component
from bsm_remediate.domain.verification import Observation
from bsm_remediate.domain.work_order import Written
from bsm_remediate.errors import QueryRefused, SourceUnreachable

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)


class Peer:
    """Answers what was set for it, and remembers what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.answer: Any = {}
        self.headers: dict[str, str] = {}
        self.pause_s = 0.0
        """Between two bytes of the answer."""
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                peer.asked.append((self.path, body, dict(self.headers.items())))
                answer = peer.answer if isinstance(peer.answer, bytes) else json.dumps(peer.answer).encode()
                self.send_response(peer.status)
                self.send_header("Content-Length", str(len(answer)))
                for name, value in peer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                pieces = [answer] if not peer.pause_s else [answer[at : at + 1] for at in range(len(answer))]
                try:
                    for piece in pieces:
                        self.wfile.write(piece)
                        time.sleep(peer.pause_s)
                except OSError:
                    return  # whoever asked has had enough

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def says(self, shape: str, result: Any) -> None:
        self.answer = {"status": "success", "data": {"resultType": shape, "result": result}}


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.server.shutdown()
    made.server.server_close()


def _api(*urls: str, access: Access | None = None, **limits: Any) -> PrometheusApi:
    return PrometheusApi(urls, HttpReader(access or Access(), SystemClock(), **limits))


def _look(api: PrometheusApi | None, query: str = "up", *, source: str | None = None) -> Observation:
    sources = {"prometheus": api} if api is not None else {}
    prober = PromqlProber(sources, usual="prometheus" if api is not None else None, clock=SystemClock())
    check = Check(kind=CheckKind.PROMQL, target=Written(query), source=source)
    return prober.look(check, Component(id=NodeId("db-1"), host="db-1"), cancelled=lambda: False)


@pytest.mark.parametrize(
    ("shape", "values", "holds"),
    [
        ("vector", ["1"], True),
        ("vector", ["0", "0", "0.5"], True),
        ("vector", ["-1"], True),
        ("vector", ["+Inf"], True),
        ("vector", ["0", "-0"], False),
        ("vector", ["NaN", "0"], False),
        ("vector", [], False),
    ],
)
def test_a_check_holds_when_a_sample_is_not_zero(peer: Peer, shape: str, values: list[str], holds: bool) -> None:
    peer.says(shape, [{"metric": {"n": str(n)}, "value": [1.5, value]} for n, value in enumerate(values)])
    assert _look(_api(peer.url)).holds is holds


def test_a_scalar_is_a_sample_and_a_range_or_a_text_is_none(peer: Peer) -> None:
    peer.says("scalar", [1.5, "3"])
    assert _look(_api(peer.url)).detail == "`up` is 3"
    peer.says("scalar", [1.5, "0"])
    assert not _look(_api(peer.url)).holds
    peer.says("matrix", [{"metric": {}, "values": [[1, "1"]]}])
    seen = _look(_api(peer.url), "up[5m]")
    assert (seen.holds, seen.detail) == (False, "`up[5m]` is a matrix, not one value for each series")
    peer.says("string", [1.5, "1"])
    assert not _look(_api(peer.url)).holds


def test_a_native_histogram_is_no_figure(peer: Peer) -> None:
    peer.says("vector", [{"metric": {}, "histogram": [1.5, {"count": "5"}]}])
    assert _look(_api(peer.url)).detail == "`up` returns nothing"


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (503, b"no", "answers 503"),
        (302, b"", "answers 302"),
        (401, b"who?", "answers 401"),
        (200, b"<html>", "answers 200 without JSON"),
        (200, b"[]", "answers 200"),
        (200, {"status": "success"}, "is no Prometheus"),
        (
            200,
            {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1]}]}},
            "no Pr",
        ),
        (
            200,
            {"status": "success", "data": {"resultType": "vector", "result": [{"metric": 5, "value": [1, "1"]}]}},
            "no",
        ),
        (200, {"status": "success", "data": {"resultType": "vector", "result": [{"value": [1, 1]}]}}, "no Prometheus"),
        (200, {"status": "error", "error": "query timed out"}, "query timed out"),
        (422, {"status": "error", "error": "many-to-many"}, "refuses the query: many-to-many"),
        (400, {"status": "error", "error": "parse\nerror"}, "refuses the query: parse error"),
    ],
)
def test_an_odd_answer_holds_nothing_and_says_why(peer: Peer, status: int, answer: object, said: str) -> None:
    peer.status, peer.answer = status, answer
    peer.headers = {"Location": "http://127.0.0.1:1/"} if status == 302 else {}
    seen = _look(_api(peer.url))
    assert not seen.holds
    assert said in seen.detail


def test_nobody_to_ask_holds_nothing() -> None:
    assert _look(_api("http://127.0.0.1:1")).detail == "http://127.0.0.1:1/api/v1/query does not answer: no connection"
    assert _look(None).detail == "there is no Prometheus to ask"
    assert _look(_api("http://127.0.0.1:1"), source="eu").detail == "there is no Prometheus 'eu' to ask"


def test_an_answer_is_bounded_in_size_and_time(peer: Peer) -> None:
    peer.answer = b" " * 2000
    assert "more than 1000 bytes" in _look(_api(peer.url, largest=1000)).detail
    peer.pause_s = 0.01
    began = time.monotonic()
    assert "takes more than 0.2 s" in _look(_api(peer.url, within_s=0.2)).detail
    assert time.monotonic() - began < 2


def test_of_several_the_first_that_answers_is_believed(peer: Peer) -> None:
    peer.says("vector", [{"metric": {}, "value": [1.5, "1"]}])
    assert _look(_api("http://127.0.0.1:1/", peer.url + "/")).holds
    peer.status, peer.answer = 400, {"status": "error", "error": "parse error"}
    with pytest.raises(QueryRefused):
        _api(peer.url, "http://127.0.0.1:1").instant("up ==")
    with pytest.raises(SourceUnreachable, match=r"no connection; .*no connection"):
        _api("http://127.0.0.1:1", "http://127.0.0.1:2").instant("up")


@pytest.mark.parametrize(
    ("access", "sent"),
    [
        (Access(), None),
        (Access(token="t0ken"), "Bearer t0ken"),
        (Access(username="bsm", password="pä:ss"), "Basic YnNtOnDDpDpzcw=="),
    ],
)
def test_credentials_are_sent_as_the_settings_say(peer: Peer, access: Access, sent: str | None) -> None:
    peer.says("vector", [])
    _api(peer.url, access=access).instant("up")
    assert peer.asked[0][2].get("Authorization") == sent
    assert "t0ken" not in repr(access)


def test_no_variable_of_the_environment_sends_a_query_elsewhere(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    peer.says("vector", [])
    assert _api(peer.url).instant("up").samples == ()


def test_a_range_is_read_with_what_is_no_number_in_it(peer: Peer) -> None:
    peer.says(
        "matrix", [{"metric": {"a": "b\0"}, "values": [[NINE.timestamp(), "NaN"], [NINE.timestamp() + 60, "-Inf"]]}]
    )
    (series,) = _api(peer.url).history("x", start=NINE, end=NINE + timedelta(minutes=1), step=timedelta(seconds=60))
    assert series.labels == {"a": "b\ufffd"}
    assert [at for at, _ in series.points] == [NINE, NINE + timedelta(minutes=1)]
    assert math.isnan(series.points[0][1])
    assert series.points[1][1] == -math.inf
    path, form, _ = peer.asked[0]
    assert (path, "step=60.000" in form) == ("/api/v1/query_range", True)
