"""A pool is rebalanced by what a real Prometheus says of its load: shown by the command, set by a real engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import requests

from tests.integration.command_line import bsm
from tests.integration.real_prometheus import Page, prometheus, until
from tests.integration.served import Served

BUNDLE = """
currency: EUR
services: {checkout: {loss_per_minute: 300, requires: {any: [web-1, web-2]}}}
components: {web-1: {}, web-2: {}, lb: {}}
pools:
  web:
    members: {web-1: {capacity: 100}, web-2: {capacity: 100}}
    load: {query: load}
    serves: [checkout]
    apply: {component: lb, playbook: weigh.yml, expect: {duration: 2s}}
policies:
  relieve-web:
    metric: {query: load, above: 90, clear: 70, every: 500ms}
    do: [{rebalance: web}]
    verify: [{promql: "max(load) < bool 90", within: 30s}]
    mode: auto
"""
INVENTORY = """
all:
  hosts: {web-1: , web-2: , lb: }
  vars: {ansible_connection: local, ansible_python_interpreter: "{{ ansible_playbook_python }}"}
"""
PRESSED = 'load{host="web-1"} 120\nload{host="web-2"} 20\n'
SPREAD = 'load{host="web-1"} 70\nload{host="web-2"} 70\n'


def _site(folder: Path) -> Path:
    for name in ("policies", "playbooks", "inventories"):
        (folder / name).mkdir()
    (folder / "policies" / "shop.yml").write_text(BUNDLE)
    (folder / "inventories" / "hosts.yml").write_text(INVENTORY)
    weights = folder / "weights.json"
    task = {"ansible.builtin.copy": {"content": "{{ bsm.weights | to_json }}", "dest": str(weights), "mode": "0600"}}
    play = [{"hosts": "all", "gather_facts": False, "tasks": [task]}]
    (folder / "playbooks" / "weigh.yml").write_text(json.dumps(play))
    return weights


def _shown(folder: Path) -> Any:
    done = bsm(folder, "rebalance", "web", "-o", "json")
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr


def test_weights_follow_the_load_that_prometheus_tells(tmp_path: Path) -> None:
    weights = _site(tmp_path)
    assert "no Prometheus is configured" in _shown(tmp_path)
    page = Page(PRESSED, changed=weights.exists, then=SPREAD)
    try:
        with prometheus(tmp_path, page.target) as url:
            settings = f'[sources.prometheus]\nurl = "{url}"\n'
            (tmp_path / "bsm-remediate.toml").write_text(settings)
            until(lambda: isinstance(_shown(tmp_path), dict), "Prometheus has read the page", within_s=30)
            shown = _shown(tmp_path)
            assert {one["id"]: one["load"] for one in shown["members"]} == {"web-1": 120, "web-2": 20}
            assert not weights.exists()

            served = Served(tmp_path, settings=settings)
            try:
                until(weights.exists, "the engine sets weights", within_s=60)
                runs = f"{served.url}/api/v1/runs"
                until(
                    lambda: [one["state"] for one in requests.get(runs, timeout=10).json()["items"]] == ["succeeded"],
                    "the load is spread",
                    within_s=60,
                )
            finally:
                log = served.stop()
            assert "Traceback" not in log
    finally:
        page.server.shutdown()
        page.server.server_close()
    assert json.loads(weights.read_text()) == shown["weights"]
    assert sum(one["value"] for one in shown["weights"]) == 100
