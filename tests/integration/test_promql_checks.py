"""Checks by PromQL ask a real Prometheus."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from bsm_remediate.adapters.metrics.http import Access, HttpReader
from bsm_remediate.adapters.metrics.prometheus import PrometheusApi
from bsm_remediate.adapters.metrics.promql_probe import PromqlProber
from bsm_remediate.adapters.system_clock import SystemClock
from bsm_remediate.config.promql import compile_promql
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.policy import Check, CheckKind
from bsm_remediate.domain.service_map import Component
from bsm_remediate.domain.verification import Observation
from bsm_remediate.errors import QueryRefused
from tests.integration.command_line import bsm
from tests.integration.real_prometheus import Page, prometheus, until

HOSTILE = "web-1\"} or vector(1) # '`\\{{ 7 * 7 }}\n"
PAGE = 'queue{host="web-1"} 3\nqueue{host="web-2"} 0\nqueue{host="webX1"} 5\nodd{is="nan"} NaN\nodd{is="inf"} +Inf\n'
_BCRYPT = "$2b$04$uKVfKMyxsZqqIqevxs8lrO8RBtHIapmW2jfur1zVcUmVv8F3OwSYW"
"""Of `hush`."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusApi]:
    page = Page(PAGE)
    with prometheus(tmp_path_factory.mktemp("prometheus"), page.target) as url:
        made = PrometheusApi([url], HttpReader(Access(), SystemClock()))
        until(lambda: len(made.instant("queue").samples) == 3, "the page is scraped")
        yield made


def _look(api: PrometheusApi, query: str, host: str = "web-1") -> Observation:
    prober = PromqlProber({"prometheus": api}, usual="prometheus", clock=SystemClock())
    check = Check(kind=CheckKind.PROMQL, target=compile_promql(query))
    return prober.look(check, Component(id=NodeId("web-1"), host=host), cancelled=lambda: False)


@pytest.mark.parametrize(
    ("query", "holds", "detail"),
    [
        ('queue{host="{{ component.host }}"}', True, '`queue{host="web-1"}` is 3'),
        ('queue{host="{{ component.host }}"} < 3', False, "returns nothing"),
        ("queue{host='web-2'}", False, "is 0"),
        ("queue == 0", False, "is 0"),
        ("queue{host='web-2'} == bool 0", True, "is 1"),
        ("sort(queue)", True, "is 3, 5"),
        ("scalar(queue{host='web-1'}) - 3", False, "is 0"),
        ("odd{is='nan'}", False, "is nan"),
        ("odd{is='inf'}", True, "is inf"),
        ("queue[1m]", False, "is a matrix"),
        ("'text'", False, "is a string"),
        ("queue ==", False, "refuses the query: invalid parameter"),
        ("no_such_metric", False, "returns nothing"),
    ],
)
def test_a_check_holds_while_a_sample_is_not_zero(api: PrometheusApi, query: str, holds: bool, detail: str) -> None:
    seen = _look(api, query)
    assert seen.holds is holds
    assert detail in seen.detail


@pytest.mark.parametrize("quote", ['"', "'"])
@pytest.mark.parametrize("operator", ["=", "=~"])
def test_a_hostile_fact_asks_for_a_series_of_that_name(api: PrometheusApi, quote: str, operator: str) -> None:
    query = f"queue{{host{operator}{quote}{{{{ component.host }}}}{quote}}}"
    seen = _look(api, query, HOSTILE)
    assert not seen.holds
    assert "returns nothing" in seen.detail  # it was understood, and found no such series
    assert not _look(api, query, "web.*").holds
    assert not _look(api, query, "web.1").holds
    assert _look(api, query, "web-1").holds


def test_prometheus_reads_a_hostile_fact_as_it_is(api: PrometheusApi) -> None:
    query = compile_promql('label_replace(vector(1), "fact", "{{ component.host }}", "", "")')
    (sample,) = api.instant(query(Component(id=NodeId("web-1"), host=HOSTILE))).samples
    assert sample.labels == {"fact": HOSTILE}


def test_what_was_is_read_as_a_range(api: PrometheusApi) -> None:
    now = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    (series,) = api.history('queue{host="web-1"}', start=now - timedelta(hours=1), end=now, step=timedelta(seconds=1))
    assert series.labels["host"] == "web-1"
    assert {value for _, value in series.points} == {3.0}
    assert all(now - timedelta(hours=1) <= at <= now for at, _ in series.points)
    with pytest.raises(QueryRefused, match="exceeded maximum resolution"):
        api.history("queue", start=now - timedelta(days=1), end=now, step=timedelta(seconds=1))


def test_a_prometheus_that_has_gone_holds_nothing(tmp_path: Path) -> None:
    page = Page(PAGE)
    with prometheus(tmp_path, page.target) as url:
        api = PrometheusApi([url], HttpReader(Access(), SystemClock()))
        until(lambda: _look(api, "queue").holds, "the page is scraped")
    seen = _look(api, "queue")
    assert (seen.holds, seen.detail) == (False, f"{url}/api/v1/query does not answer: no connection")


def test_basic_authentication_and_a_certificate_of_ones_own(tmp_path: Path) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "ca.pem"),
        ],
        check=True,
        capture_output=True,
    )
    web = tmp_path / "web.yml"
    web.write_text(
        f"tls_server_config: {{cert_file: {tmp_path}/ca.pem, key_file: {tmp_path}/key.pem}}\n"
        f"basic_auth_users: {{bsm: {_BCRYPT}}}\n"
    )

    def reader(password: str, ca_file: Path | None) -> HttpReader:
        return HttpReader(Access(username="bsm", password=password, ca_file=ca_file), SystemClock())

    def is_ready(url: str) -> bool:
        try:
            return requests.get(f"{url}/-/ready", verify=str(tmp_path / "ca.pem"), timeout=1).status_code == 401
        except requests.RequestException:
            return False

    options, page = f"--web.config.file={web}", Page()
    with prometheus(tmp_path, page.target, options, scheme="https", is_ready=is_ready) as url:
        assert _look(PrometheusApi([url], reader("hush", tmp_path / "ca.pem")), "vector(1)").holds
        assert "answers 401" in _look(PrometheusApi([url], reader("wrong", tmp_path / "ca.pem")), "vector(1)").detail
        assert "certificate isn't trusted" in _look(PrometheusApi([url], reader("hush", None)), "vector(1)").detail
        nowhere = _look(PrometheusApi([url], reader("hush", tmp_path / "nowhere")), "vector(1)")
        assert (nowhere.holds, "nowhere" in nowhere.detail) == (False, True)


SITE = """
currency: EUR
services: {checkout: {loss_per_minute: 300, requires: [web-1]}}
components: {web-1: {}}
policies:
  restart:
    match: {alertname: Down}
    evidence: direct
    do: [{playbook: restart.yml, expect: {duration: 2s}}]
    verify:
      - {promql: 'queue{host="{{ component.host }}"} == bool 0', within: 10s}
      - {playbook: look.yml}
    mode: auto
"""
INVENTORY = """
all:
  hosts: {web-1: }
  vars: {ansible_connection: local, ansible_python_interpreter: "{{ ansible_playbook_python }}"}
"""


def test_a_run_is_verified_by_both(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for name in ("policies", "playbooks", "inventories"):
        (tmp_path / name).mkdir()
    (tmp_path / "policies" / "shop.yml").write_text(SITE)
    (tmp_path / "inventories" / "hosts.yml").write_text(INVENTORY)
    for name, task in (("restart", f"touch {mark}"), ("look", f"test -e {mark}")):
        play = [{"hosts": "all", "gather_facts": False, "tasks": [{"ansible.builtin.command": task}]}]
        (tmp_path / "playbooks" / f"{name}.yml").write_text(json.dumps(play))
    (tmp_path / "alerts.json").write_text(
        json.dumps([{"labels": {"alertname": "Down", "instance": "web-1", "severity": "critical"}}])
    )
    page = Page('queue{host="web-1"} 1\n', changed=mark.exists, then='queue{host="web-1"} 0\n')
    with prometheus(tmp_path, page.target) as url:
        (tmp_path / "bsm-remediate.toml").write_text(f'[sources.prometheus]\nurl = "{url}"\n')
        api = PrometheusApi([url], HttpReader(Access(), SystemClock()))
        until(lambda: bool(api.instant("queue == 1").samples), "the page is scraped")
        ran = bsm(tmp_path, "run", "--alerts", "alerts.json", "--yes")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (run,) = json.loads(bsm(tmp_path, "runs", "-o", "json").stdout)["items"]
    assert (run["state"], run["attempt"]) == ("succeeded", 1)
    assert "`look.yml` succeeds on web-1" in run["outcome"]
    assert [path.name for path in (tmp_path / "state" / "runs").iterdir()] == [f"{run['id']}.1"]
