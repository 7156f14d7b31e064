"""Incidents and reviews over HTTP: the page, its facts, and what there isn't."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.ledger import ComponentEntry, Entry, ServiceEntry, entry_event
from bsm_remediate.domain.loss_curve import LossCurve
from bsm_remediate.domain.seal import SealKey
from bsm_remediate.domain.state import State
from bsm_remediate.testing.store import MemoryStore
from tests.integration.standstill import Site

VIEWER = {"authorization": "Bearer secret-of-viewer"}
BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
ID = f"{BEGIN:%Y%m%dT%H%M%SZ}-database"


@pytest.fixture
def site() -> Iterator[Site]:
    """An hour ago the database was down for ten minutes."""
    store = MemoryStore()
    database, checkout, over = NodeId("database"), NodeId("checkout"), BEGIN + timedelta(minutes=10)
    down, curve = State.DOWN, LossCurve(5.0)
    entries: list[Entry] = [
        ComponentEntry(at=BEGIN, component=database, state=down, own=down),
        ServiceEntry(at=BEGIN, service=checkout, state=down, loss_per_minute=300.0, curve=curve, causes=(database,)),
        ComponentEntry(at=over, component=database, state=State.OK),
        ServiceEntry(at=over, service=checkout, state=State.OK),
    ]
    store.append([entry_event(one) for one in entries])
    store.seal(SealKey("a key that seals nothing but the journals of tests"), limit=100)
    made = Site(store)
    yield made
    made.close()


@pytest.mark.anyio
async def test_incidents_are_listed_with_what_they_cost(site: Site) -> None:
    found = (await site.send("GET", "/api/v1/incidents", headers=VIEWER)).json()
    (row,) = found["items"]
    assert (row["id"], row["services"], row["causes"], row["lost"]) == (ID, ["checkout"], ["database"], 3000.0)
    assert (found["next"], found["currency"]) == (None, "EUR")
    later = f"{BEGIN + timedelta(minutes=20):%Y-%m-%dT%H:%M:%SZ}"
    assert (await site.send("GET", f"/api/v1/incidents?from={later}", headers=VIEWER)).json()["items"] == []


@pytest.mark.anyio
@pytest.mark.parametrize("name", [ID, "latest"])
async def test_a_review_is_markdown_and_its_facts_are_there_too(site: Site, name: str) -> None:
    page = await site.send("GET", f"/api/v1/incidents/{name}/review", headers=VIEWER)
    assert page.headers["content-type"] == "text/markdown; charset=utf-8"
    assert page.text.startswith("# Incident review\n")
    assert "checkout was down for 10m (3,000.00 EUR)." in page.text
    facts = (await site.send("GET", f"/api/v1/incidents/{name}/review?format=json", headers=VIEWER)).json()
    assert (facts["schema"], facts["incident"]["id"]) == ("bsm-remediate/review/v1", ID)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/incidents/nonsense/review", 404),
        (f"/api/v1/incidents/{ID}/review?format=pdf", 422),
        ("/api/v1/incidents?from=2026-01-05T09:00:00Z&to=2026-01-04T09:00:00Z", 422),
    ],
)
async def test_what_there_isn_t_is_a_problem(site: Site, path: str, status: int) -> None:
    answer = await site.send("GET", path, headers=VIEWER)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
