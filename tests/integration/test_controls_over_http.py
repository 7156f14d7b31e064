"""People's controls over HTTP, answered by what an engine does at its desk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bsm_remediate.config.loader import load_bundle
from bsm_remediate.domain.approval import approval_digest
from bsm_remediate.domain.ids import Digest, NodeId, PolicyId, RunId
from bsm_remediate.domain.run import Run, RunState
from bsm_remediate.engine.people import serve_people
from bsm_remediate.engine.picture import Picture
from bsm_remediate.testing.store import MemoryStore
from tests.integration.standstill import Site, Standstill

BUNDLE = """
currency: EUR
services:
  checkout: {loss_per_minute: 300, requires: [db-1]}
components:
  db-1: {}
  w-1: {}
  w-2: {}
pools:
  farm: {members: {w-1: {capacity: 1}, w-2: {capacity: 1}}, serves: [checkout]}
calendars:
  nights: {timezone: UTC, hours: "22:00-06:00"}
teams:
  payments: {members: [approver]}
  search: {members: [kim]}
policies:
  rebuild:
    match: {alertname: Corrupt}
    do: [{playbook: rebuild.yml}]
    guard: {approvers: [payments]}
    mode: approve
  reindex:
    match: {alertname: Slow}
    do: [{playbook: reindex.yml}]
    guard: {approvers: [search]}
    mode: approve
"""


class Attended(Standstill):
    """One at whose desk wishes are served when it is woken."""

    def __init__(self, folder: Path) -> None:
        super().__init__(MemoryStore())
        (folder / "bundle.yml").write_text(BUNDLE)
        loaded = load_bundle(folder, inventory=None, playbooks=None, scrutinise=False)
        assert loaded.bundle is not None, loaded.findings
        self.bundle = loaded.bundle

    def wake(self) -> None:
        serve_people(
            store=self.store,
            bundle=self.bundle,
            picture=Picture(self.store),
            reload=lambda: "",
            dry_run=lambda _run, _who: "",
            now=datetime.now(UTC),
        )

    def waiting(self, policy: str = "rebuild", *, bundle: str | None = None) -> Run:
        """A run that waits for approval."""
        run = Run(
            id=RunId(f"of-{policy}"),
            remediation="m",
            component=NodeId("db-1"),
            host="db-1",
            policy=PolicyId(policy),
            playbook="rebuild.yml",
            alternative=0,
            state=RunState.AWAITING_APPROVAL,
            reason="",
            expected_duration_s=20.0,
            planned_at=datetime.now(UTC),
            bundle=Digest(bundle or self.bundle.digest),
        )
        run = replace(run, digest=approval_digest(run))
        self.store.insert(run, [])
        return run


@pytest.fixture
def live(tmp_path: Path) -> Attended:
    return Attended(tmp_path)


@pytest.fixture
def site(live: Attended) -> Iterator[Site]:
    made = Site(live.store, live=live)
    yield made
    made.close()


async def say(site: Site, path: str, role: str = "approver", **body: object) -> tuple[int, Any]:
    headers = {"authorization": f"Bearer secret-of-{role}"}
    answer = await site.send("POST", f"/api/v1/{path}", headers=headers, json=body)
    kind = answer.headers["content-type"]
    assert kind.startswith("application/json" if answer.is_success else "application/problem+json"), kind
    return answer.status_code, answer.json()


async def get(site: Site, path: str) -> Any:
    answer = await site.send("GET", f"/api/v1/{path}", headers={"authorization": "Bearer secret-of-viewer"})
    assert answer.status_code == 200
    return answer.json()


# --- approvals -------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_an_approval_of_what_was_looked_at_lets_it_go_ahead_by_name(site: Site, live: Attended) -> None:
    run = live.waiting()
    (row,) = (await get(site, "runs"))["items"]
    assert row["digest"] == run.digest
    status, _ = await say(site, f"runs/{run.id}/approve", reason="looked", digest=row["digest"])
    assert status == 200
    approved = live.store.run(run.id)
    assert approved is not None
    assert approved.approved_by == "approver"


@pytest.mark.anyio
async def test_an_approval_of_another_plan_is_a_conflict(site: Site, live: Attended) -> None:
    run = live.waiting()
    status, problem = await say(site, f"runs/{run.id}/approve", reason="looked", digest=live.bundle.digest)
    assert (status, problem["status"]) == (409, 409)
    assert "the plan has changed" in problem["detail"]
    assert live.store.control(1) is None
    assert live.store.run(run.id) == run


@pytest.mark.anyio
async def test_a_run_of_an_older_bundle_is_a_conflict_also_without_a_digest(site: Site, live: Attended) -> None:
    run = live.waiting(bundle="sha256:older")
    status, problem = await say(site, f"runs/{run.id}/approve", reason="looked")
    assert (status, "another plan" in problem["detail"]) == (409, True)
    assert live.store.run(run.id) == run


@pytest.mark.anyio
@pytest.mark.parametrize("role", ["approver", "admin"])
async def test_only_the_policys_teams_may_approve_whatever_the_role(site: Site, live: Attended, role: str) -> None:
    run = live.waiting("reindex")
    status, problem = await say(site, f"runs/{run.id}/approve", role, reason="looked")
    assert (status, problem["detail"]) == (403, f"{role} may not approve runs of reindex: only members of search may")
    assert live.store.run(run.id) == run


@pytest.mark.anyio
async def test_what_does_not_wait_or_is_not_there_cannot_be_approved(site: Site, live: Attended) -> None:
    assert (await say(site, "runs/nothing/approve", reason="looked"))[0] == 404
    run = live.waiting()
    assert (await say(site, f"runs/{run.id}/reject", reason="no"))[0] == 200
    assert (await say(site, f"runs/{run.id}/approve", reason="yes"))[0] == 409


# --- pauses ----------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_pause_of_a_part_is_ended_by_its_name(site: Site, live: Attended) -> None:
    status, answer = await say(site, "pause", "operator", reason="smoke", scope="w-1", **{"for": "1h"})
    assert (status, answer["answer"], answer["behind"]) == (200, "no new runs are started of host:w-1", [])
    (pause,) = live.store.standing().pauses
    assert (pause.scope, pause.who, pause.reason, pause.until is not None) == ("host:w-1", "operator", "smoke", True)
    assert (await say(site, "resume", "operator", scope="w-2"))[0] == 409
    assert len(live.store.standing().pauses) == 1
    assert (await say(site, "resume", "operator", scope="w-1"))[0] == 200
    assert live.store.standing().pauses == ()


@pytest.mark.anyio
async def test_a_pause_names_the_engines_that_have_not_said_that_they_keep_to_it(site: Site, live: Attended) -> None:
    live.seen = {"replica-1": 1, "replica-2": 0}
    status, answer = await say(site, "pause", "operator", reason="smoke")
    assert (status, answer["behind"]) == (200, ["replica-2"])


@pytest.mark.anyio
async def test_a_pause_may_stop_what_is_under_way(site: Site, live: Attended) -> None:
    run = live.waiting()
    live.store.update(replace(run, state=RunState.QUEUED), [])
    await say(site, "pause", "operator", reason="smoke", scope="db-1", cancel_running=True)
    assert live.store.standing().cancelling == (run.id,)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("pause", {}, "/reason"),
        ("pause", {"reason": "  "}, "/reason"),
        ("hold", {"target": "db-1"}, "/reason"),
        ("maintenance", {"target": "db-1", "for": "1h"}, "/reason"),
        ("maintenance", {"reason": "so", "for": "1h"}, "/target"),
        ("pause", {"reason": "so", "target": "db-1"}, "/target"),
        ("pause", {"reason": "so", "scope": "x" * 301}, "/scope"),
        ("pause", {"reason": "so", "cancel_running": "perhaps"}, "/cancel_running"),
        ("maintenance", {"target": "db-1", "reason": "so", "until": "2026-01-05T22:00:00"}, "/until"),
        ("pause", {"reason": "so", "for": "soon"}, None),
        ("pause", {"reason": "so", "for": "999999999d"}, None),
        ("maintenance", {"target": "db-1", "reason": "so", "until": "9999-12-31T23:59:59-14:00"}, None),
        ("maintenance", {"target": "db-1", "reason": "so", "from": "0001-01-01T00:00:00+14:00", "for": "1h"}, None),
    ],
)
async def test_what_cannot_be_meant_is_refused_before_it_is_asked(
    site: Site, live: Attended, path: str, body: dict[str, object], field: str | None
) -> None:
    status, problem = await say(site, path, "operator", **body)
    assert (status, problem.get("field")) == (422, field)
    assert live.store.control(1) is None


@pytest.mark.anyio
async def test_a_scope_of_nothing_is_refused(site: Site, live: Attended) -> None:
    status, problem = await say(site, "pause", "operator", reason="so", scope="host:nothing")
    assert (status, problem["detail"]) == (409, "there is no host 'nothing'")
    assert live.store.standing().pauses == ()


# --- maintenance -----------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_maintenance_is_ordered_shown_and_ended(site: Site) -> None:
    status, answer = await say(site, "maintenance", "operator", target="farm", reason="kernel", **{"for": "2h"})
    assert status == 200
    assert answer["answer"].startswith("m1: farm is in maintenance from ")
    (window,) = (await get(site, "maintenance"))["items"]
    assert {name: window[name] for name in ("id", "target", "covers", "in_force", "who", "reason", "calendar")} == {
        "id": "m1",
        "target": "farm",
        "covers": ["w-1", "w-2"],
        "in_force": True,
        "who": "operator",
        "reason": "kernel",
        "calendar": "",
    }
    assert (await say(site, "maintenance/m2/end", "operator"))[0] == 409
    assert (await say(site, "maintenance/m1/end", "operator"))[0] == 200
    assert (await get(site, "maintenance"))["items"] == []


@pytest.mark.anyio
async def test_maintenance_ahead_or_by_a_calendar_is_not_in_force_yet(site: Site) -> None:
    year = datetime.now(UTC).year + 1
    begins, until = f"{year}-01-05T22:00:00+01:00", f"{year}-01-06T04:00:00Z"
    ahead = {"target": "db-1", "reason": "x", "from": begins, "until": until}
    assert (await say(site, "maintenance", "operator", **ahead))[0] == 200
    (window,) = (await get(site, "maintenance"))["items"]
    assert (window["since"], window["until"], window["in_force"]) == (f"{year}-01-05T21:00:00Z", until, False)
    assert (await say(site, "maintenance", "operator", target="w-1", reason="x", calendar="days"))[0] == 409
    assert (await say(site, "maintenance", "operator", target="w-1", reason="x", calendar="nights"))[0] == 200
    assert [one["calendar"] for one in (await get(site, "maintenance"))["items"]] == ["nights", ""]


# --- the rest --------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_hold_release_and_adopt_are_answered_and_kept_with_who_and_why(site: Site, live: Attended) -> None:
    assert (await say(site, "hold", "operator", target="db-1", reason="new disk"))[0] == 200
    (held,) = live.store.standing().holds
    assert (held.target, held.who, held.reason) == ("db-1", "operator", "new disk")
    assert (await say(site, "release", "operator", target="db-1"))[0] == 200
    assert live.store.standing().holds == ()
    status, answer = await say(site, "release", "operator", target="rebuild")
    assert (status, answer["answer"]) == (200, "the breaker of rebuild is closed")
    assert PolicyId("rebuild") in live.store.standing().closed
    assert (await say(site, "adopt", "admin", target="rebuild"))[0] == 200
    assert PolicyId("rebuild") in live.store.standing().adopted


@pytest.mark.anyio
async def test_the_view_of_guards_has_the_same_shape_when_nothing_is_in_force(site: Site) -> None:
    found = await get(site, "guards")
    assert found.pop("schema") == "bsm-remediate/guards/v1"
    assert found.pop("at")
    assert found.pop("max_mode") == "auto"
    assert not any(found.values())
