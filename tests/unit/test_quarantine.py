"""What couldn't be undone is left alone by every policy until a person gives it back (DESIGN 5.6)."""

from __future__ import annotations

from pathlib import Path

import pytest

from bsm_remediate.config.loader import load_bundle
from bsm_remediate.domain.playbook import PlaybookOutcome
from bsm_remediate.domain.run import RunEnd, RunState
from bsm_remediate.testing.executor import Scripted
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.testing.timeline import Timeline

SHOP = """
currency: EUR
services:
  checkout: {loss_per_minute: 300, requires: [cache]}
components:
  cache: {}
policies:
  clean-cache:
    match: {alertname: CachePoisoned}
    evidence: direct
    do:
      - {playbook: worse.yml, rollback: {playbook: undo.yml}}
      - {playbook: clean.yml}
    verify: [{tcp: "{{ component.address }}:6379", within: 30s}]
    mode: auto
  restart-cache:
    match: {alertname: CacheDown}
    evidence: direct
    do: [{playbook: restart.yml}]
    verify: [{tcp: "{{ component.address }}:6379", within: 30s}]
    mode: auto
"""
FAILS = Scripted(outcome=PlaybookOutcome.FAILED, reason="no", exit_code=2)


@pytest.fixture
def shop(tmp_path: Path) -> Timeline:
    (tmp_path / "shop.yml").write_text(SHOP)
    bundle = load_bundle(tmp_path, inventory=None, playbooks=None, scrutinise=False).bundle
    assert bundle is not None
    return Timeline(bundle, MemoryStore())


def test_what_could_not_be_undone_is_left_alone_by_every_policy_until_it_is_released(shop: Timeline) -> None:
    shop.executor.script("worse.yml", FAILS)
    shop.executor.script("undo.yml", FAILS)
    shop.at("09:00:00").broken("cache").fires("CachePoisoned", instance="cache")
    shop.wait_until(lambda: bool(shop.runs()) and shop.run_of("cache").state is RunState.ESCALATED)
    assert shop.run_of("cache").end is RunEnd.ROLLBACK_FAILED
    assert "its rollback failed too: no; cache is quarantined, a person must take over" in shop.run_of("cache").outcome
    shop.at("09:05:00").fires("CacheDown", instance="cache").expect(running=set(), held={"cache": "quarantined"})
    assert [call.playbook for call in shop.executor.calls] == ["worse.yml", "undo.yml"]
    shop.asks("release", "cache")
    shop.tick()
    shop.wait_until(lambda: len(shop.executor.calls) > 2)


def test_it_is_not_forgotten_however_long_nobody_comes(shop: Timeline) -> None:
    shop.executor.script("worse.yml", FAILS)
    shop.executor.script("undo.yml", FAILS)
    shop.at("09:00:00").broken("cache").fires("CachePoisoned", instance="cache")
    shop.wait_until(lambda: bool(shop.runs()) and shop.run_of("cache").state is RunState.ESCALATED)
    shop.tick()
    shop.clock.advance(5 * 24 * 3600)
    shop.tick()
    shop.restarts().forget().fires("CacheDown", instance="cache")
    shop.expect(running=set(), held={"cache": "quarantined"})
    shop.asks("release", "cache")
    shop.tick()
    assert shop.store.standing().quarantined == ()
    shop.wait_until(lambda: len(shop.executor.calls) > 2)
