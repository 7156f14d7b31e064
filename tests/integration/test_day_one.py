"""A team's first hour with a real Prometheus and a real Alertmanager: `init`, `check`, `coverage`, `why`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from lab.children import Children
from tests.integration.library.daemons import Daemon, free_port, program, wait_until

PROMETHEUS = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}]}}
scrape_configs:
  - job_name: web
    scrape_timeout: 1s
    static_configs: [{{targets: ["web-1.invalid:9100"]}}]
    relabel_configs: [{{target_label: instance, replacement: "web-1:9100"}}]
"""
RULES = """
groups:
  - name: shop
    rules:
      - alert: WebDown
        expr: up{job="web"} == 0
        labels: {severity: critical, team: "{{ $labels.job }}"}
        annotations:
          summary: '{{ $labels.instance }} "is" gone: {# x #} {% y %}'
          runbook_url: "https://runbooks.example/web-down"
      - alert: NeverFires
        expr: vector(0) > 1
        labels: {severity: warning}
"""


@dataclass(frozen=True)
class Monitoring:
    prometheus: str
    alertmanager: str


@pytest.fixture(scope="module")
def monitoring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitoring]:
    """Both with an alert that fires."""
    folder = tmp_path_factory.mktemp("monitoring")
    ports = {"alertmanager": free_port(), "prometheus": free_port()}
    (folder / "rules.yml").write_text(RULES)
    (folder / "prometheus.yml").write_text(PROMETHEUS.format(port=ports["alertmanager"]))
    (folder / "alertmanager.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    options = {
        "alertmanager": ["--config.file=alertmanager.yml", "--storage.path=am", "--cluster.listen-address="],
        "prometheus": ["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb"],
    }
    names = {"alertmanager": "prometheus-alertmanager", "prometheus": "prometheus"}
    with Children() as children:
        for name, port in ports.items():
            command = [program(names[name]), *options[name], f"--web.listen-address=127.0.0.1:{port}"]
            Daemon(children, folder, command, port).start()
        found = Monitoring(*(f"http://127.0.0.1:{ports[name]}" for name in ("prometheus", "alertmanager")))
        wait_until(lambda: bool(_firing(found)), "an alert fires", within_s=40)
        yield found


def _firing(monitoring: Monitoring) -> Any:
    return requests.get(f"{monitoring.alertmanager}/api/v2/alerts", timeout=5).json()


def bsm(folder: Path, *arguments: str) -> str:
    """What the command prints, run as a team would."""
    done = subprocess.run(
        [sys.executable, "-m", "bsm_remediate", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_from_a_real_prometheus_to_what_its_alerts_mean(
    monitoring: Monitoring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BSM_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "hosts.ini").write_text("[web]\nweb-[1:2]\n")
    bsm(tmp_path, "init", ".", "--from-inventory", "hosts.ini", "--rules", monitoring.prometheus)
    assert bsm(tmp_path, "check", "--strict") == "The bundle is sound.\n"
    source = f"alertmanager={monitoring.alertmanager}"
    found = json.loads(bsm(tmp_path, "coverage", "--from", source, "--rules", monitoring.prometheus, "-o", "json"))
    assert found["alerts"]["total"] == found["alerts"]["about"]["one_component"] == 1
    assert found["alerts"]["policies"]["no_playbook"] == 1
    assert (found["rules"]["total"], found["rules"]["about"]["one_component"]) == (2, 1)
    assert [(gap["kind"], gap["about"]) for gap in found["gaps"]] == [("no_playbook", "web@web-1")]
    (tmp_path / "alert.json").write_text(json.dumps(_firing(monitoring)))
    (told,) = json.loads(bsm(tmp_path, "why", "--alert", "alert.json", "-o", "json"))["alerts"]
    assert (told["components"][0]["id"], told["sets"]) == ("web@web-1", "down")
    assert [one["policy"] for one in told["policies"] if one["speaks"]] == ["web-down"]
