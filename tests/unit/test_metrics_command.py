"""`metrics`: what the figures were, of a local database, as tables and as documents."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread, Timer
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from bsm_remediate.adapters.sql.store import open_store
from bsm_remediate.cli import live, main
from bsm_remediate.cli.completing import metric_policies
from bsm_remediate.domain.ids import PolicyId
from bsm_remediate.domain.metric import fingerprint_of
from bsm_remediate.domain.metric_history import Bucket, Gathering, MetricSeries, Resolution
from bsm_remediate.errors import NotReachable

BUSY = PolicyId("relieve-web")
NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
SHOP = """
currency: EUR
services: {checkout: {loss_per_minute: 300, requires: [web-1]}}
components: {web-1: {}}
policies:
  relieve-web: {metric: {query: cpu, above: 0.85, every: 10s}, mode: shadow}
  by-alert: {match: {alertname: WebDown}, mode: shadow}
"""
DAY = ("--from", "2026-01-05T09:00", "--to", "2026-01-07T12:00")
Tell = Callable[..., Result]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 series, each of 51 hours; each third hour has 10m20s beyond the threshold."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "shop.yml").write_text(SHOP)
    store = open_store(f"sqlite:///{folder / 'shop.sqlite'}")
    for instance in range(12):
        labels = {"instance": f"web-{instance:02}", "note": "[bold]\x1b[31m"}
        one = MetricSeries(
            policy=PolicyId("relieve-web"), id=fingerprint_of(PolicyId("relieve-web"), labels), labels=labels
        )
        buckets = []
        for hour in range(51):
            gathering = Gathering(0)
            for value, beyond_s in ((0.25, 0.0), (0.95, 620.0) if hour % 3 == 0 else (0.5, 0.0)):
                gathering.add(value, beyond_s)
            buckets.append(Bucket(one.id, Resolution.HOUR, NINE + timedelta(hours=hour), gathering.summary()))
        store.note_figures(buckets, [one])
    store.roll(Resolution.HOUR, NINE + timedelta(hours=51))
    store.close()
    return folder


@pytest.fixture
def told(site: Path) -> Tell:
    def tell(*words: str) -> Result:
        database = f"sqlite:///{site / 'shop.sqlite'}"
        return CliRunner().invoke(main, ["--policies", str(site), "--database", database, "metrics", *words])

    return tell


def test_without_a_policy_all_are_told_in_short(told: Tell) -> None:
    shown = told(*DAY).stdout
    assert "From 2026-01-05T09:00:00Z to 2026-01-07T12:00:00Z" in shown
    assert "relieve-web       12   0.25" in shown
    assert "above 0.85     1d11h8m" in shown  # 12 series, 17 times 10m20s each


def test_a_policy_is_told_series_by_series_and_hour_by_hour(told: Tell) -> None:
    shown = told("relieve-web", "--to", "2026-01-05T12:00", "--from", "2026-01-05T09:00").stdout
    assert "relieve-web, above 0.85; each line is an hour" in shown
    lines = shown.splitlines()
    at = next(place for place, line in enumerate(lines) if line.startswith("instance=web-00"))
    assert [line.split() for line in lines[at + 3 : at + 6]] == [
        ["2026-01-05T09:00", "2", "0.25", "0.6", "0.25", "0.95", "0.95", "0.95", "10m20s"],
        ["2026-01-05T10:00", "2", "0.25", "0.375", "0.25", "0.5", "0.5", "0.5"],
        ["2026-01-05T11:00", "2", "0.25", "0.375", "0.25", "0.5", "0.5", "0.5"],
    ]


def test_a_table_has_an_end_and_says_what_it_leaves_out(told: Tell) -> None:
    shown = told("relieve-web", *DAY).stdout
    assert shown.count("instance=web-") == 10
    assert "… and 3 earlier ones (all are in -o json)" in shown
    assert "… and 2 more series (-o json has them)." in shown


def test_labels_stay_text_in_a_table(told: Tell) -> None:
    shown = told("relieve-web", *DAY).stdout
    assert "note=[bold]" in shown
    assert "\x1b" not in shown


def test_documents_have_all_of_it(told: Tell) -> None:
    found = json.loads(told("relieve-web", *DAY, "-o", "json").stdout)
    assert (found["schema"], found["resolution_s"], found["limit"]) == ("bsm-remediate/metrics/v1", 3600, 0.85)
    assert [len(one["buckets"]) for one in found["series"]] == [51] * 12
    assert yaml.safe_load(told("relieve-web", *DAY, "-o", "yaml").stdout)["series"][0]["buckets"][0]["max"] == 0.95
    assert json.loads(told(*DAY, "-o", "json").stdout)["items"][0]["series"] == 12


def test_a_resolution_that_is_not_kept_of_that_time_is_said(told: Tell) -> None:
    assert "No figures were kept of that time." in told("relieve-web", *DAY, "--resolution", "1m").stdout
    assert "No figures of a metric policy were kept." in told("--to", "2025-12-01").stdout


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("releive-web",), "there is no policy 'releive-web'"),
        (("by-alert",), "the policy 'by-alert' watches no metric"),
        (("--resolution", "1h"), "name the policy"),
        (("relieve-web", "--from", "2026-01-06", "--to", "2026-01-05"), "--from must lie before --to"),
        (("relieve-web", "--resolution", "5m"), "5m"),
    ],
)
def test_what_makes_no_sense_is_refused(told: Tell, words: tuple[str, ...], why: str) -> None:
    result = told(*words)
    assert (result.exit_code, why in result.stderr) == (2, True), result.stderr


def test_shells_offer_policies_that_watch_a_metric(site: Path) -> None:
    root = click.Context(main, info_name="bsm-remediate")
    root.params = {"policies": site}
    ctx = click.Context(click.Command("metrics"), parent=root)
    offered = metric_policies(ctx, click.Argument(["policy"]), "")
    assert [(one.value, one.help) for one in offered] == [("relieve-web", "above 0.85")]


# --- a server's ------------------------------------------------------------------------------------------------------


class Server(ThreadingHTTPServer):
    """Answers everything with `answer`, and notes what it was asked."""

    def __init__(self) -> None:
        asked: list[str] = []
        server = self

        class Answering(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.may_answer.wait(10)
                asked.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(server.answer).encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        super().__init__(("127.0.0.1", 0), Answering)
        self.answer: dict[str, Any] = {}
        self.may_answer = Event()
        self.may_answer.set()
        self.asked = asked


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def test_a_server_is_asked_for_the_same_and_shown_alike(server: Server, told: Tell) -> None:
    for words in (("relieve-web", "--resolution", "1h", *DAY), DAY):
        server.answer = json.loads(told(*words, "-o", "json").stdout)
        found = told(*words, "--url", f"http://127.0.0.1:{server.server_port}")
        assert (found.exit_code, found.stdout) == (0, told(*words).stdout)
    time = "from=2026-01-05T09%3A00%3A00%2B00%3A00&to=2026-01-07T12%3A00%3A00%2B00%3A00"
    assert server.asked == [f"/api/v1/metrics/relieve-web?{time}&resolution=1h", f"/api/v1/metrics?{time}"]


def test_what_has_to_be_added_up_is_waited_for_longer(server: Server) -> None:
    client = live.Server(f"http://127.0.0.1:{server.server_port}", None, within_s=0.05)
    server.may_answer.clear()
    with pytest.raises(NotReachable):
        client.plan()
    Timer(0.3, server.may_answer.set).start()
    assert client.report(None, None) == client.metrics(None, None, None, None) == {}
