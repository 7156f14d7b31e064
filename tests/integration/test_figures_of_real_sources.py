"""Metric policies of a real engine: figures of a real Prometheus, of a page, of a program; real playbooks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from bsm_remediate.domain.event import Json
from tests.integration.command_line import bsm
from tests.integration.real_prometheus import Page, prometheus, until
from tests.integration.served import Served

BUNDLE = """
currency: EUR
services: {checkout: {loss_per_minute: 300, requires: {any: [web-1, web-2]}}}
components: {web-1: {}, web-2: {}}
policies:
  relieve-web:
    metric: {query: QUERY, source: SOURCE, above: 100, clear: 50, for: 2s, every: 500ms}
    do: [{playbook: relieve.yml, expect: {duration: 2s}}]
    verify: [{command: "test -e MARK/{{ component.id }}", within: 20s}]
    mode: auto
"""
INVENTORY = """
all:
  hosts: {web-1: , web-2: }
  vars: {ansible_connection: local, ansible_python_interpreter: "{{ ansible_playbook_python }}"}
"""
CALM = 'queue{host="web-1"} 20\nqueue{host="web-2"} 20\n'
BUSY = 'queue{host="web-1"} 250\nqueue{host="web-2"} 20\n'
ENDED = 'queue{host="web-1"} 80\nqueue{host="web-2"} 20\n'


def _site(folder: Path, *, query: str = "queue", source: str) -> None:
    mark = folder / "marks"
    for name in ("policies", "playbooks", "inventories", "marks"):
        (folder / name).mkdir()
    text = BUNDLE.replace("QUERY", query).replace("SOURCE", source).replace("MARK", str(mark))
    (folder / "policies" / "shop.yml").write_text(text)
    (folder / "inventories" / "hosts.yml").write_text(INVENTORY)
    play = [{"hosts": "all", "gather_facts": False, "tasks": [{"ansible.builtin.command": f"touch {mark}/web-1"}]}]
    (folder / "playbooks" / "relieve.yml").write_text(json.dumps(play))


class _Engine:
    def __init__(self, served: Served) -> None:
        self.served = served

    def get(self, path: str) -> Any:
        return requests.get(self.served.url + path, timeout=10).json()

    def statuses(self) -> dict[str, str]:
        rows: list[dict[str, Any]] = self.get("/api/v1/alerts")["items"]
        return {row["labels"]["host"]: row["status"] for row in rows}

    def states(self) -> list[Json]:
        return [row["state"] for row in self.get("/api/v1/runs")["items"]]


@pytest.fixture
def page() -> Iterator[Page]:
    made = Page(CALM)
    yield made
    made.server.shutdown()
    made.server.server_close()


def _works(folder: Path, settings: str, change: Any) -> None:
    served = Served(folder, settings=settings)
    engine = _Engine(served)
    try:
        until(lambda: engine.get("/readyz").get("problems", []) == [], "the figures are read", within_s=30)
        assert engine.statuses() == {}
        change(BUSY)
        until(lambda: engine.states() == ["succeeded"], "web-1 is relieved", within_s=60)
        assert engine.statuses() == {"web-1": "firing"}
        change(ENDED)
        (run,) = engine.get("/api/v1/runs")["items"]
        assert (run["component"], run["policy"], run["attempt"]) == ("web-1", "relieve-web", 1)
        change(CALM)
        until(lambda: engine.statuses() == {}, "it is clear", within_s=20)
        change("")
        until(lambda: set(engine.statuses().values()) == {"unknown"}, "nobody can tell", within_s=30)
        assert len(engine.statuses()) == 2
    finally:
        log = served.stop()
    assert "Traceback" not in log


def test_figures_of_a_prometheus(tmp_path: Path, page: Page) -> None:
    _site(tmp_path, query="'queue{job=\"shop\"}'", source="prometheus")

    def change(text: str) -> None:
        page.text = text

    with prometheus(tmp_path, page.target) as url:
        _works(tmp_path, f'[sources.prometheus]\nurl = "{url}"\n', change)


def test_figures_of_a_page(tmp_path: Path, page: Page) -> None:
    _site(tmp_path, source="pages")

    def change(text: str) -> None:
        page.text = text

    url = f"http://{page.target}/metrics"
    _works(tmp_path, f'[sources.pages]\nkind = "scrape"\nurl = "{url}"\nevery = "500ms"\n', change)


def test_figures_of_a_program(tmp_path: Path) -> None:
    _site(tmp_path, source="queues")
    file = tmp_path / "figures"

    def change(text: str) -> None:
        file.with_suffix(".new").write_text(text)
        file.with_suffix(".new").rename(file)

    change(CALM)
    command = json.dumps(["cat", str(file)])
    _works(tmp_path, f'[sources.queues]\nkind = "command"\ncommand = {command}\nevery = "500ms"\n', change)


def test_a_source_that_goes_away_is_told_and_doctor_says_what_there_is(tmp_path: Path, page: Page) -> None:
    _site(tmp_path, source="pages")
    settings = f'[sources.pages]\nkind = "scrape"\nurl = "http://{page.target}/metrics"\nevery = "500ms"\n'
    (tmp_path / "bsm-remediate.toml").write_text(settings)
    page.text = CALM + 'queue{host="nowhere"} 1\n'
    examined = _doctor(tmp_path)
    assert {"answers", "policy relieve-web: 3 series, 1 of them about no component"} <= examined
    page.text = CALM
    served = Served(tmp_path, settings=settings)
    engine = _Engine(served)
    try:
        until(lambda: engine.get("/readyz").get("problems", []) == [], "the figures are read", within_s=30)
        page.server.shutdown()
        page.server.server_close()
        until(lambda: set(engine.statuses().values()) == {"unknown"}, "nobody can tell", within_s=30)
        said = "the metric of relieve-web can't be read"
        until(lambda: said in json.dumps(engine.get("/readyz")), "the engine says why", within_s=30)
        assert engine.states() == []
    finally:
        served.stop()


def _doctor(site: Path) -> set[str]:
    done = bsm(site, "doctor", "--no-hosts", "-o", "json")
    return {row["detail"] for row in json.loads(done.stdout)["checks"]}
