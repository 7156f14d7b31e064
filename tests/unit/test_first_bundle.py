"""`init --from-inventory`: a first bundle out of a team's inventory and alert rules that passes `check`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from bsm_remediate.adapters.prometheus_rules import read_rule_files
from bsm_remediate.cli import main
from bsm_remediate.config.first_bundle import first_bundle, host_sets
from bsm_remediate.config.loader import load_bundle
from bsm_remediate.config.quoting import plain_text, quoted
from bsm_remediate.domain.alert_rule import AlertRule
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.ids import PolicyId
from bsm_remediate.domain.inventory import Inventory
from bsm_remediate.domain.policy import Mode
from bsm_remediate.domain.state import State

RECORDED = Path(__file__).parents[3] / "shared" / "data" / "rules"
HOSTS = """
stray-1
[web]
web-[1:3]
[db]
db-1 ansible_host=10.0.0.7
db-2 ansible_host=10.0.0.8
[leader]
db-1
[production:children]
web
db
"""
RULES = """
groups:
  - name: web
    rules:
      - record: job:up:sum
        expr: sum by (job) (up)
      - alert: WebDown
        expr: up{job="web"} == 0
        labels: {severity: critical, team: "{{ $labels.team }}", area: 5}
        annotations:
          summary: "Web is gone ({{ $labels.instance }})"
          runbook_url: https://runbooks.example/web-down
      - alert: DiskFull
        expr: disk > 0.8
        labels: {severity: warning}
      - alert: DiskFull
        expr: disk > 0.9
        labels: {severity: critical}
      - alert: Watchdog
        expr: vector(1)
        labels: {severity: none}
"""


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BSM_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "ansible.cfg").write_text("[defaults]\n")
    (tmp_path / "inv").mkdir()
    (tmp_path / "inv" / "hosts.ini").write_text(HOSTS)
    (tmp_path / "rules.yml").write_text(RULES)
    return tmp_path


def bsm(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def init(*more: str) -> Result:
    return bsm("init", ".", "--from-inventory", "inv/hosts.ini", *more)


def written(inventory: Inventory, rules: list[AlertRule], folder: Path) -> Bundle:
    """The bundle as it is read again; it has no findings at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in first_bundle(inventory, rules).items():
        (folder / name).write_text(text, encoding="utf-8")
    loaded = load_bundle(folder, inventory=lambda: inventory, playbooks=None, scrutinise=True)
    assert [str(one) for one in loaded.findings] == []
    assert loaded.bundle is not None
    return loaded.bundle


def hosts(*names: str, **groups: str) -> Inventory:
    split = {name: tuple(members.split()) for name, members in groups.items()}
    everybody = dict.fromkeys((*names, *(one for members in split.values() for one in members)))
    return Inventory(addresses={one: one for one in everybody}, groups={"all": tuple(everybody), **split})


# --- the command -----------------------------------------------------------------------------------------------------


def test_what_it_writes_for_a_team_passes_check(team: Path) -> None:
    made = init("--rules", "rules.yml")
    assert made.exit_code == 0, made.output
    checked = bsm("check", "--strict")
    assert (checked.exit_code, checked.stdout) == (0, "The bundle is sound.\n")
    services = json.loads(bsm("what-if", "--down", "db@db-1,db@db-2", "-o", "json").stdout)["services"]
    assert services["db-service"]["state"] == "down"
    assert 'project = "."' in (team / "bsm-remediate.toml").read_text()


def test_an_alert_of_a_rule_finds_its_component_by_host_and_by_address(team: Path) -> None:
    init("--rules", "rules.yml")
    alerts = [
        {"labels": {"alertname": "WebDown", "severity": "critical", "area": "5", "instance": "web-2:9100"}},
        {"labels": {"alertname": "DiskFull", "severity": "warning", "instance": "10.0.0.8:9100"}},
    ]
    (team / "alerts.json").write_text(json.dumps(alerts))
    told = json.loads(bsm("why", "--alert", "alerts.json", "-o", "json").stdout)["alerts"]
    assert [(one["components"][0]["id"], one["sets"]) for one in told] == [
        ("web@web-2", "down"),
        ("db@db-2", "degraded"),
    ]
    assert [[one["policy"] for one in row["policies"] if one["speaks"]] for row in told] == [
        ["web-down"],
        ["disk-full-warning"],
    ]


@pytest.mark.usefixtures("team")
def test_each_rule_is_a_policy_in_shadow_with_its_runbook() -> None:
    init("--rules", "rules.yml")
    policies = yaml.safe_load(Path("policies/alerts.yml").read_text())["policies"]
    assert set(policies) == {"web-down", "disk-full-warning", "disk-full-critical", "watchdog"}
    assert policies["web-down"] == {
        "description": "Web is gone (…) (runbook: https://runbooks.example/web-down)",
        "match": {"alertname": "WebDown", "severity": "critical", "area": "5"},
        "sets": "down",
        "mode": "shadow",
    }
    assert policies["watchdog"]["sets"] == "ok"
    assert "# watchdog: {alertname: Watchdog}" in Path("policies/settings.yml").read_text()


def test_it_overwrites_nothing_unless_told_and_settings_never(team: Path) -> None:
    (team / "bsm-remediate.toml").write_text("# mine\n")
    init()
    (team / "policies" / "services.yml").write_text("mine")
    again = init()
    assert again.exit_code == 2
    assert "nothing written" in again.stderr
    assert (team / "policies" / "services.yml").read_text() == "mine"
    assert init("--force").exit_code == 0
    assert (team / "policies" / "services.yml").read_text() != "mine"
    assert (team / "bsm-remediate.toml").read_text() == "# mine\n"


@pytest.mark.usefixtures("team")
def test_what_cannot_be_read_is_told() -> None:
    assert "there is no rule file" in init("--rules", "nowhere.yml").stderr
    Path("bad.yml").write_text("groups: [")
    assert "bad.yml:2 is no YAML" in init("--rules", "bad.yml").stderr
    Path("records.yml").write_text("groups: [{name: a, rules: [{record: b, expr: c}]}]")
    assert "there are no alert rules in records.yml" in init("--rules", "records.yml").stderr
    assert init("--rules", "http://127.0.0.1:1").exit_code == 3
    assert bsm("init", ".", "--rules", "rules.yml").exit_code == 2
    assert not Path("policies").exists()


@pytest.fixture
def prometheus() -> Iterator[tuple[str, dict[str, Any]]]:
    """A server that answers as Prometheus does, and what it answers."""
    answer: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answer).encode()
            self.send_response(200 if self.path == "/api/v1/rules?type=alert" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", answer
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("team")
def test_the_rules_of_a_running_prometheus_are_read(prometheus: tuple[str, dict[str, Any]]) -> None:
    url, answer = prometheus
    rule = {"name": "WebDown", "type": "alerting", "labels": {"severity": "critical"}, "annotations": {}, "alerts": []}
    record = {"name": "job:up:sum", "type": "recording", "labels": {}}
    answer |= {"status": "success", "data": {"groups": [{"name": "web", "rules": [record, rule]}]}}
    made = init("--rules", url)
    assert made.exit_code == 0, made.output
    assert list(yaml.safe_load(Path("policies/alerts.yml").read_text())["policies"]) == ["web-down"]
    answer["data"] = {}
    assert "is no Prometheus" in init("--force", "--rules", url).stderr


# --- recorded rules --------------------------------------------------------------------------------------------------


def test_the_recorded_rules_of_many_exporters_make_a_sound_bundle(tmp_path: Path) -> None:
    rules = list(read_rule_files(RECORDED / "awesome"))
    assert len(rules) > 200
    made = written(hosts(web="web-1 web-2"), rules, tmp_path)
    assert len(made.policies) == len({tuple(sorted(rule.all_labels.items())) for rule in rules})
    assert {policy.mode for policy in made.policies.values()} == {Mode.SHADOW}
    assert made.policies[PolicyId("redis-down")].sets is State.DOWN


def test_all_nine_hundred_recorded_rules_together_do_too(tmp_path: Path) -> None:
    lines = (RECORDED / "awesome-all-rules.jsonl").read_text(encoding="utf-8").splitlines()
    rules = [
        AlertRule(name=one["alert"], labels={"severity": one["severity"]}, summary=one.get("summary", ""))
        for one in map(json.loads, lines)
    ]
    assert len(written(hosts(web="web-1"), rules, tmp_path).policies) > 900


# --- hosts -----------------------------------------------------------------------------------------------------------


def sets_of(inventory: Inventory) -> Mapping[str, tuple[str, ...]]:
    return {one.name: one.hosts for one in host_sets(inventory)[0]}


def test_groups_of_groups_are_left_to_their_parts_and_hosts_without_one_are_kept() -> None:
    inventory = hosts("stray", web="w1 w2", db="d1", production="w1 w2 d1", leader="w1")
    assert sets_of(inventory) == {"web": ("w1", "w2"), "db": ("d1",), "other-hosts": ("stray",)}
    assert host_sets(inventory)[1] == ["leader", "production"]


def test_an_inventory_without_hosts_makes_a_bundle_to_be_filled_in(tmp_path: Path) -> None:
    assert written(hosts(), [AlertRule(name="Down")], tmp_path).service_map.components == {}


def test_a_host_called_like_a_group_is_left_out_as_no_limit_can_name_it(tmp_path: Path) -> None:
    made = written(hosts(web="web w2"), [], tmp_path)
    assert set(made.service_map.components) == {"web@w2"}


names = st.text("abcdef-_.1é\"'{}#:", min_size=1, max_size=6)


@settings(deadline=None, max_examples=25)
@given(
    st.dictionaries(names, st.lists(st.sampled_from([f"h{n}" for n in range(8)]), min_size=1, unique=True), max_size=6)
)
def test_of_any_inventory_each_host_is_in_exactly_one_set(
    tmp_path_factory: pytest.TempPathFactory, groups: dict[str, list[str]]
) -> None:
    everybody = tuple(f"h{n}" for n in range(8))
    inventory = Inventory(
        addresses={host: host for host in everybody},
        groups={**{name: tuple(members) for name, members in groups.items()}, "all": everybody},
    )
    made = written(inventory, [], tmp_path_factory.mktemp("bundle"))
    assert sorted(one.host for one in made.service_map.components.values()) == sorted(everybody)


# --- hostile texts ---------------------------------------------------------------------------------------------------

HOSTILE = [
    '"',
    "'",
    "\n",
    "\\",
    "# x",
    ": ",
    "{{ 1 }}",
    "{% x %}",
    "{#",
    "\x85",
    "\u2028",
    "\ud800",
    "\0",
    "é",
    "&a",
    "*a",
    "!!x",
]
texts = st.lists(st.sampled_from([*HOSTILE, "a", "-", "{{", "}}", "{", "\x1b[31m", "\ufeff"]), max_size=8).map("".join)


@given(st.text() | texts)
def test_a_quoted_text_is_read_as_what_it_was(text: str) -> None:
    line = quoted(text)
    assert line.isprintable()
    expected = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
    assert yaml.safe_load(f"key: {line}  # mine") == {"key": expected}


@given(texts)
def test_no_description_is_a_template_or_has_a_second_line(text: str) -> None:
    made = plain_text(text, longest=40)
    assert not any(begin in made for begin in ("{{", "{%", "{#"))
    assert len(made) <= 40
    assert made.splitlines() in ([], [made])


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(texts.filter(bool), texts, texts, texts), min_size=1, max_size=4))
def test_texts_of_rules_stay_texts(parts: list[tuple[str, str, str, str]]) -> None:
    rules = [
        AlertRule(name=name, labels={"team": value} if value else {}, summary=summary, runbook=runbook)
        for name, value, summary, runbook in parts
    ]
    files = first_bundle(hosts(web="w1"), rules)
    bare = first_bundle(hosts(web="w1"), [AlertRule(name="X")])
    comments = {line.strip() for text in bare.values() for line in text.splitlines() if line.lstrip().startswith("#")}
    for text in files.values():
        assert {line.strip() for line in text.splitlines() if line.lstrip().startswith("#")} <= comments
    read = yaml.safe_load(files["alerts.yml"])
    assert set(read) == {"policies"}
    for policy in read["policies"].values():
        assert set(policy) == {"description", "match", "sets", "mode"}
        assert policy["mode"] == "shadow"
    assert {one["match"]["alertname"] for one in read["policies"].values()} == {
        name.replace("\ud800", "\ufffd") for name, _, _, _ in parts
    }
