"""The demo's account: what an order costs, computed from durations."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bsm_remediate.config.loader import load_bundle
from lab.account import Account, Repair

POLICIES = Path(__file__).parents[2] / "policies"


@pytest.fixture(scope="module")
def account() -> Account:
    """Monday morning, when checkout costs 300 and the catalogue 100 a minute; each repair helps after eight seconds."""
    bundle = load_bundle(POLICIES, inventory=None, playbooks=None, scrutinise=False).bundle
    assert bundle is not None
    repairs = {
        one: Repair(component=one, restored_s=8.0, busy_s=10.0, locks=frozenset({f"host:{one}"}))
        for one in ("cache", "database")
    }
    at = datetime(2026, 1, 5, 9, tzinfo=UTC)
    return Account(bundle=bundle, repairs=repairs, goal="default", lag_s=2.0, at=at)


def test_a_service_is_out_until_the_last_thing_that_it_needs_is_back(account: Account) -> None:
    outages = account.outages(["database", "cache"])
    assert outages == {"checkout": 10.0, "catalogue": 20.0, "order-status": 0.0, "production-line": 0.0}


def test_the_order_decides_the_loss(account: Account) -> None:
    assert account.computed_total(["database", "cache"]) == pytest.approx(300 * 10 / 60 + 100 * 20 / 60)
    assert account.computed_total(["cache", "database"]) == pytest.approx(100 * 10 / 60 + 300 * 20 / 60)
    assert account.mean_total() == pytest.approx((83.333 + 116.667) / 2, abs=0.01)
