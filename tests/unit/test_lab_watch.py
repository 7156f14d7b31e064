"""The lab's monitoring: what it groups, repeats, and how the engine reads it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from bsm_remediate.adapters.webhooks.alertmanager import read_alertmanager
from bsm_remediate.domain.alert import AlertStatus
from lab.topology import PROCESSES, Network, inventory_text
from lab.watch import GROUP_WAIT_S, Alert, Watch, webhook_body

NEW_YEAR = datetime(2026, 1, 5, 9, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


def _down(component: str) -> Alert:
    process = next(one for one in PROCESSES if one.component == component)
    return Alert("ProcessDown", process, "127.0.0.1:1", "critical", "is gone", NEW_YEAR)


def _names(alerts: list[Alert]) -> list[str]:
    return [f"{one.process.component} {'resolved' if one.ends_at else 'firing'}" for one in alerts]


def test_what_breaks_together_is_told_together() -> None:
    watch = Watch(Network(0))
    watch.note([_down("cache")], at=0.0)
    assert watch.due(at=0.5) == []
    watch.note([_down("cache"), _down("database")], at=0.5)
    assert _names(watch.due(at=GROUP_WAIT_S)) == ["cache firing", "database firing"]


def test_what_the_engine_has_not_taken_is_told_again_and_what_it_has_is_not() -> None:
    watch = Watch(Network(0))
    watch.note([_down("cache")], at=0.0)
    refused = watch.due(at=5.0)
    assert watch.due(at=6.0) == refused
    watch.told(refused)
    watch.note([_down("cache")], at=7.0)
    assert watch.due(at=7.0) == []
    watch.note([], at=8.0)
    assert _names(watch.due(at=8.0)) == ["cache resolved"]


def test_the_engine_reads_its_bodies_as_those_of_an_alertmanager() -> None:
    watch = Watch(Network(0))
    watch.note([_down("cache")], at=0.0)
    fired = read_alertmanager(json.dumps(webhook_body(watch.due(at=5.0))).encode(), NEW_YEAR).alerts
    watch.told(watch.due(at=5.0))
    watch.note([], at=6.0)
    ended = read_alertmanager(json.dumps(webhook_body(watch.due(at=6.0))).encode(), NEW_YEAR).alerts
    assert [(one.labels["component"], one.status) for one in fired] == [("cache", AlertStatus.FIRING)]
    assert [one.status for one in ended] == [AlertStatus.RESOLVED]
    assert fired[0].key == ended[0].key


def test_the_inventory_in_the_repository_is_that_of_a_shop_in_its_default_place() -> None:
    written = (ROOT / "inventories" / "hosts.yml").read_text()
    facts = [line for line in written.splitlines() if line and not line.startswith(("#", "---"))]
    assert facts == inventory_text(Network(0), "/tmp/bsm-lab").splitlines()  # noqa: S108 - a name, nothing is written
