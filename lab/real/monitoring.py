"""Prometheus and Alertmanager of the lab: what is scraped, whom the alerts go to, and reloading both."""

from __future__ import annotations

import shutil
import subprocess

from lab.real.hosts import environment, supervisorctl
from lab.real.layout import EXAMPLE, Layout
from lab.real.packages import program

_SCRAPED = (
    ("haproxy", "lb1", "lb-metrics", "lb"),
    ("nginx", "web1", "web", "web-1"),
    ("nginx", "web2", "web", "web-2"),
    ("app", "app1", "app", "app"),
    ("redis", "cache1", "redis-metrics", "cache"),
    ("postgres", "db1", "postgres-metrics", "database"),
    ("postgres", "db2", "postgres-metrics", "standby"),
)
"""Job, host, kind of port, component."""


def write_prometheus(layout: Layout) -> None:
    """Its configuration, and the rules in `rules/`, where a reader adds his own."""
    jobs: dict[str, list[tuple[str, str]]] = {}
    for job, host, kind, component in _SCRAPED:
        jobs.setdefault(job, []).append((layout.at(host, kind), component))
    scraped = "".join(
        f"  - job_name: {job}\n    static_configs:\n"
        + "".join(f"      - {{targets: ['{target}'], labels: {{component: {name}}}}}\n" for target, name in targets)
        for job, targets in jobs.items()
    )
    (layout.home("mon") / "prometheus.yml").write_text(
        f"""global:
  scrape_interval: 1s
  scrape_timeout: 900ms
  evaluation_interval: 1s
rule_files:
  - {layout.folder}/rules/*.yml
alerting:
  alertmanagers:
    - static_configs:
        - targets: ['{layout.at("mon", "alertmanager")}']
scrape_configs:
{scraped}"""
    )
    shutil.copytree(EXAMPLE / "rules", layout.folder / "rules")


def alertmanager_config(layout: Layout, *, engine_url: str = "", max_alerts: int = 0) -> str:
    """The engine first, the pager for the same alerts later (docs/paging.md explains each line).

    `engine_url` is where the engine is, if not where it is expected; `max_alerts` cuts its webhooks (0: never).
    """
    after = f"{layout.pager_after_s}s"
    return f"""global:
  resolve_timeout: 10s
route:
  receiver: nobody
  routes:
    - matchers: [alertname="Watchdog"]
      receiver: bsm-remediate
      group_wait: 1s
      group_interval: 1s
      repeat_interval: 2s
    - matchers: [alertname!="Watchdog"]
      receiver: bsm-remediate
      continue: true
      group_by: [alertname]
      group_wait: 1s
      group_interval: 1s
      repeat_interval: 1m
    - receiver: pager
      group_by: ["..."]
      group_wait: {after}
      group_interval: {after}
      repeat_interval: 4h
inhibit_rules:
  - source_matchers: [alertname="WebServerDown"]
    target_matchers: [alertname="WebServerOut"]
    equal: [component]
  - source_matchers: [alertname="AppDown"]
    target_matchers: [alertname="PageFails"]
    equal: [component]
receivers:
  - name: nobody
  - name: bsm-remediate
    webhook_configs:
      - url: {engine_url or layout.engine_url}/api/v1/webhooks/alertmanager
        send_resolved: true
        max_alerts: {max_alerts}
        http_config:
          authorization:
            type: Bearer
            credentials_file: {layout.file("alertmanager.token")}
  - name: pager
    webhook_configs:
      - url: {layout.url("mon", "pager")}/
        send_resolved: true
"""


def write_alertmanager(layout: Layout, config: str) -> None:
    (layout.home("mon") / "alertmanager.yml").write_text(config)


def reload(layout: Layout) -> None:
    """Let both read their files again. Raises `RuntimeError` with what is wrong in them; then nothing has changed."""
    mon = layout.home("mon")
    for checker in (
        [program("promtool"), "check", "config", str(mon / "prometheus.yml")],
        [program("amtool"), "check-config", str(mon / "alertmanager.yml")],
    ):
        said = subprocess.run(checker, capture_output=True, text=True, check=False, env=environment(layout))
        if said.returncode != 0:
            raise RuntimeError(f"{' '.join(checker[1:])}:\n{said.stdout}{said.stderr}")
    for name in ("prometheus", "alertmanager"):
        supervisorctl(layout, "mon", "signal", "HUP", name)
