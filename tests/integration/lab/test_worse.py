"""A playbook that makes things worse: what its checks and its rollback make of it (DESIGN 5.6)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from lab.real.engine import LabEngine, now, until
from lab.real.faults import POISON, break_
from lab.real.monitoring import reload
from lab.real.wire import redis

RULES = """
groups:
  - name: own
    rules:
      - alert: CachePoisoned
        expr: shop_catalogue_corrupt == 1
        labels: {severity: critical, component: cache}
"""
POLICIES = """
policies:
  clean-cache:
    match: {alertname: CachePoisoned}
    evidence: direct
    do: [ALTERNATIVES]
    verify: [{http: "http://SHOP/catalogue", within: 4s}]
    mode: auto
"""
WORSE = "{playbook: worse.yml, rollback: {playbook: UNDO}}"
RIGHT = "{playbook: right.yml}"
PLAYBOOKS = {
    "worse.yml": "SET catalogue still-rubbish, SET harm done",
    "undo.yml": "DEL harm",
    "undo_badly.yml": "NO-SUCH-COMMAND",
    "right.yml": "DEL catalogue",
}


def _playbook(commands: str) -> str:
    tasks = "".join(
        "    - name: Tell Redis\n      ansible.builtin.command: redis-cli -e -h {{ ansible_host }}"
        f" -p {{{{ redis_port }}}} {command}\n      changed_when: true\n"
        for command in commands.split(", ")
    )
    return f"- name: Work on the cache\n  hosts: all\n  gather_facts: false\n  tasks:\n{tasks}"


class Own:
    """A rule, a policy and playbooks of the test's own, beside those of the lab."""

    def __init__(self, shop: LabEngine) -> None:
        self._shop = shop
        folder = shop.lab.layout.folder
        self._rules, self._policies = folder / "rules" / "own.yml", folder / "policies" / "own.yml"
        self._playbooks: list[Path] = [folder / "playbooks" / name for name in PLAYBOOKS]

    def adopt(self, *alternatives: str) -> None:
        for file in self._playbooks:
            file.write_text(_playbook(PLAYBOOKS[file.name]))
        layout = self._shop.lab.layout
        text = POLICIES.replace("ALTERNATIVES", ", ".join(alternatives)).replace("SHOP", layout.at("app1", "app"))
        self._policies.write_text(text)
        self._rules.write_text(RULES)
        self._reload()

    def drop(self) -> None:
        for file in (self._rules, self._policies, *self._playbooks):
            file.unlink(missing_ok=True)
        self._reload()

    def _reload(self) -> None:
        reload(self._shop.lab.layout)
        self._shop.ask("reload", reason="policies of a test")


@pytest.fixture
def own(shop: LabEngine) -> Iterator[Own]:
    made = Own(shop)
    yield made
    made.drop()


def _harm(shop: LabEngine) -> bytes | None:
    return redis((shop.lab.layout.address("cache1"), shop.lab.layout.ports["redis"]), "GET", "harm")


def _told(shop: LabEngine, since: datetime) -> list[tuple[str, str, str]]:
    return [(run["playbook"], run["state"], run["end"]) for run in shop.runs(since=since)]


def test_what_made_things_worse_is_rolled_back_and_the_next_alternative_restores(shop: LabEngine, own: Own) -> None:
    own.adopt(WORSE.replace("UNDO", "undo.yml"), RIGHT)
    poisoned = now()
    break_(shop.lab, POISON)
    until(lambda: _harm(shop), "the playbook has done harm")
    until(lambda: shop.run(since=poisoned, component="cache", state="succeeded"), "the cache is restored")
    assert _told(shop, poisoned) == [
        ("worse.yml", "rolled_back", "not_verified"),
        ("right.yml", "succeeded", "restored"),
    ]
    assert _harm(shop) is None
    until(lambda: shop.lab.page("/catalogue") == 200, "customers find products")


def test_what_cannot_be_undone_is_left_alone_until_a_person_gives_it_back(shop: LabEngine, own: Own) -> None:
    own.adopt(WORSE.replace("UNDO", "undo_badly.yml"), RIGHT)
    poisoned = now()
    break_(shop.lab, POISON)
    until(lambda: shop.run(since=poisoned, component="cache", state="escalated"), "the cache is handed over")
    assert _told(shop, poisoned) == [("worse.yml", "escalated", "rollback_failed")]
    until(lambda: shop.verdict("CachePoisoned", "cache")[0] == "quarantined", "it is left alone")
    own.adopt(RIGHT)  # the person has found a better way
    assert shop.verdict("CachePoisoned", "cache")[0] == "quarantined"
    shop.ask("release", target="cache")
    until(lambda: shop.run(since=poisoned, component="cache", state="succeeded"), "the cache is restored")
    until(lambda: shop.lab.page("/catalogue") == 200, "customers find products")
