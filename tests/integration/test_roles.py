"""Every route of the served description, with every role and every method: whoever isn't named is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bsm_remediate.adapters.webhooks import SOURCES
from bsm_remediate.domain.access import Role
from bsm_remediate.testing.store import MemoryStore
from tests.integration.standstill import Site

EVERYBODY = {"", *(role.value for role in Role)}
POSTERS = {"webhook", "admin"}
READERS = {"viewer", "operator", "approver", "admin"}
OPERATORS = READERS - {"viewer"}
APPROVERS = OPERATORS - {"operator"}
MAY = {
    "GET /healthz": EVERYBODY,
    "GET /readyz": EVERYBODY,
    "GET /openapi.json": EVERYBODY,
    "POST /api/v1/webhooks/{source}": POSTERS,
    "GET /metrics": READERS,
    "GET /api/v1/alerts": READERS,
    "GET /api/v1/services": READERS,
    "GET /api/v1/components": READERS,
    "GET /api/v1/plan": READERS,
    "GET /api/v1/runs": READERS,
    "GET /api/v1/runs/{run_id}": READERS,
    "GET /api/v1/runs/{run_id}/events": READERS,
    "GET /api/v1/events": READERS,
    "GET /api/v1/report": READERS,
    "GET /api/v1/notifications": READERS,
    "GET /api/v1/incidents": READERS,
    "GET /api/v1/incidents/{incident_id}/review": READERS,
    "GET /api/v1/metrics": READERS,
    "GET /api/v1/metrics/{policy}": READERS,
    "GET /api/v1/guards": READERS,
    "GET /api/v1/maintenance": READERS,
    "GET /api/v1/changes": READERS,
    "GET /api/v1/changes/{change_id}": READERS,
    "POST /api/v1/changes": OPERATORS,
    "POST /api/v1/changes/{target}/dry-run": OPERATORS,
    "POST /api/v1/changes/{target}/withdraw": OPERATORS,
    "POST /api/v1/changes/{target}/review": OPERATORS,
    "POST /api/v1/changes/{target}/approve": APPROVERS,
    "POST /api/v1/changes/{target}/reject": APPROVERS,
    "POST /api/v1/runs/{target}/cancel": OPERATORS,
    "POST /api/v1/runs/{target}/check": OPERATORS,
    "POST /api/v1/alerts/{target}/resolve": OPERATORS,
    "POST /api/v1/pause": OPERATORS,
    "POST /api/v1/resume": OPERATORS,
    "POST /api/v1/hold": OPERATORS,
    "POST /api/v1/release": OPERATORS,
    "POST /api/v1/goal": OPERATORS,
    "POST /api/v1/maintenance": OPERATORS,
    "POST /api/v1/maintenance/{target}/end": OPERATORS,
    "POST /api/v1/runs/{target}/approve": APPROVERS,
    "POST /api/v1/runs/{target}/reject": APPROVERS,
    "POST /api/v1/adopt": {"admin"},
    "POST /api/v1/reload": {"admin"},
}
"""A new route needs a line here."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site(MemoryStore())
    made.live.is_ending = True  # so that the stream of events ends
    yield made
    made.close()


def address(path: str, source: str = "generic") -> str:
    return (
        path.replace("{run_id}", "r1")
        .replace("{incident_id}", "latest")
        .replace("{change_id}", "c1")
        .replace("{policy}", "p1")
        .replace("{target}", "r1")
        .replace("{source}", source)
    )


async def asked(site: Site, method: str, path: str, role: str) -> int:
    headers = {"authorization": f"Bearer secret-of-{role}"} if role else {}
    content = {"reason": "because"} if method == "POST" else None
    return (await site.send(method, path, headers=headers, json=content)).status_code


@pytest.mark.anyio
async def test_the_table_names_exactly_the_routes_that_are_served(site: Site) -> None:
    paths = (await site.send("GET", "/openapi.json")).json()["paths"]
    served = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert served | {"GET /openapi.json"} == MAY.keys()


@pytest.mark.anyio
@pytest.mark.parametrize("route", MAY)
async def test_a_route_lets_in_the_roles_that_it_should_and_no_others(site: Site, route: str) -> None:
    method, _, path = route.partition(" ")
    for role in sorted(EVERYBODY):
        status = await asked(site, method, address(path), role)
        refused = {"": 401}.get(role, 403)
        assert (status == refused) == (role not in MAY[route]), (role, status)
        assert status not in {401, 403} or role not in MAY[route]
        assert status < 500


@pytest.mark.anyio
@pytest.mark.parametrize("source", sorted(SOURCES))
async def test_every_source_takes_alerts_of_senders_only(site: Site, source: str) -> None:
    for role in sorted(EVERYBODY):
        status = await asked(site, "POST", f"/api/v1/webhooks/{source}", role)
        assert (status not in {401, 403}) == (role in POSTERS)


@pytest.mark.anyio
@pytest.mark.parametrize("path", sorted({route.partition(" ")[2] for route in MAY}))
async def test_any_other_method_does_nothing_whoever_asks(site: Site, path: str) -> None:
    for method in METHODS:
        if f"{method} {path}" in MAY or f"{method} {path}" == "HEAD /openapi.json":
            continue
        for role in ("", "admin"):
            assert await asked(site, method, address(path), role) in {401, 405}
    assert list(site.live.store.waiting()) == []
    assert site.live.store.control(1) is None


@pytest.mark.anyio
@pytest.mark.parametrize(
    "path",
    ["/api/v1/pause/", "//api/v1/pause", "/api/v1/./pause", "/api/v1/PAUSE", "/api/v1/%70ause/..", "/api/v1/pause%00"],
)
async def test_no_other_spelling_of_a_path_is_a_way_in(site: Site, path: str) -> None:
    assert await asked(site, "POST", path, "viewer") in {403, 404, 405}
    assert site.live.store.control(1) is None
