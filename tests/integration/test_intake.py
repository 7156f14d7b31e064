"""The server from outside: what is accepted is durable, what is refused says why, and only who may does."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine.interfaces import ReflectedIndex

from bsm_remediate.adapters.sql.database import Database, open_database
from bsm_remediate.adapters.sql.store import SqlStore, open_store
from bsm_remediate.adapters.sql.tables import metadata
from bsm_remediate.errors import StoreUnavailable, WrongUsage
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.web.access import Credentials
from bsm_remediate.web.server import require_safe_address
from tests.integration.standstill import GOOD, HOOK, ROOT, TOKENS, Site, body


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site(MemoryStore())
    yield made
    made.close()


@pytest.mark.anyio
async def test_an_alert_is_acknowledged_once_it_is_stored_and_the_engine_is_woken(site: Site) -> None:
    answer = await site.post(body())
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    assert [alert.name for alert in site.live.store.active()] == ["Down"]
    assert site.live.woken == 1


@pytest.mark.anyio
async def test_when_it_cannot_store_the_sender_is_asked_to_come_again(site: Site) -> None:
    store = site.live.store
    assert isinstance(store, MemoryStore)
    store.is_away = True
    answer = await site.post(body())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    store.is_away = False
    assert list(store.active()) == []
    assert (await site.post(body())).status_code == 202


@pytest.mark.anyio
async def test_a_truncated_webhook_makes_the_engine_read_the_source_itself(site: Site) -> None:
    truncated = json.dumps({"version": "4", "truncatedAlerts": 3, "alerts": [GOOD]})
    assert (await site.post(truncated)).status_code == 202
    assert site.live.sources_read == ["alertmanager"]
    await site.post(body())
    assert site.live.sources_read == ["alertmanager"]


@pytest.mark.anyio
async def test_a_bad_alert_in_a_batch_never_fails_the_good_ones(site: Site) -> None:
    answer = await site.post(body({"status": "firing"}, GOOD))
    assert answer.status_code == 202
    assert answer.json() == {
        "accepted": 1,
        "rejected": [{"field": "/alerts/0/labels", "message": "an alert needs labels"}],
    }


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("content", "status", "field"),
    [
        ("{", 400, ""),
        ("[]", 400, ""),
        (b"\xff", 400, ""),
        ("{}", 422, "/alerts"),
        (body({**GOOD, "status": "x"}), 422, "/alerts/0/status"),
    ],
)
async def test_a_malformed_body_gets_a_problem_document_that_names_the_field(
    site: Site, content: str | bytes, status: int, field: str
) -> None:
    answer = await site.post(content)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["field"]) == (status, status, field)
    assert problem["detail"]


@pytest.mark.anyio
async def test_what_does_not_fit_is_refused_before_it_is_read(site: Site) -> None:
    assert (await site.post(body(), path="/api/v1/webhooks/nagios")).status_code == 404
    assert (await site.post(body(), **{"content-type": "text/plain"})).status_code == 415
    assert (await site.post("x" * (10 * 1024 * 1024 + 1))).status_code == 413
    assert (await site.send("GET", HOOK, headers={"authorization": "Bearer secret-of-webhook"})).status_code == 405


@pytest.mark.anyio
async def test_a_token_may_come_as_the_password_of_basic_auth(site: Site) -> None:
    basic = base64.b64encode(b"anybody:secret-of-webhook").decode()
    assert (await site.post(body(), authorization=f"Basic {basic}")).status_code == 202
    assert (await site.post(body(), authorization="Basic !!!")).status_code == 401
    assert (await site.post(body(), authorization="Bearer unknown")).status_code == 401


@pytest.mark.anyio
async def test_the_listings_have_the_shape_of_the_contract(site: Site) -> None:
    headers = {"authorization": "Bearer secret-of-viewer"}
    services = (await site.send("GET", "/api/v1/services?limit=2", headers=headers)).json()
    assert (len(services["items"]), services["next"]) == (2, "2")
    rest = (await site.send("GET", "/api/v1/services?cursor=2", headers=headers)).json()
    assert rest["next"] is None
    assert {row["state"] for row in (*services["items"], *rest["items"])} == {"ok"}
    assert (await site.send("GET", "/api/v1/runs/none", headers=headers)).status_code == 404
    report = (await site.send("GET", "/api/v1/report?from=2026-01-05T09:00:00Z&to=2026-01-06", headers=headers)).json()
    assert (report["schema"], report["from"]) == ("bsm-remediate/report/v1", "2026-01-05T09:00:00Z")
    assert report["shadow"]["episodes"] == []
    for wrong in ("from=2026-01-06&to=2026-01-05", "from=yesterday"):
        assert (await site.send("GET", f"/api/v1/report?{wrong}", headers=headers)).status_code == 422
    plan = (await site.send("GET", "/api/v1/plan", headers=headers)).json()
    assert (plan["schema"], plan["steps"]) == ("bsm-remediate/plan/v1", [])


@pytest.mark.anyio
async def test_a_control_is_asked_and_answered(site: Site) -> None:
    answer = await site.post('{"reason": "work", "for": "1h"}', role="operator", path="/api/v1/pause")
    assert (answer.status_code, answer.json()["answer"]) == (200, "done")
    wrong = await site.post('{"reason": "work", "for": "soon"}', role="operator", path="/api/v1/pause")
    assert wrong.status_code == 422
    unknown = await site.post('{"why": "x"}', role="operator", path="/api/v1/pause")
    assert (unknown.status_code, unknown.json()["field"]) == (422, "/why")
    form = await site.post("reason=x", role="operator", path="/api/v1/pause", **{"content-type": "text/plain"})
    assert form.status_code == 422


@pytest.mark.anyio
async def test_a_full_disk_is_503_and_heals_by_itself(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/full.sqlite")
    store = SqlStore(database)
    full = Site(store)
    with database.write() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    many = [{**GOOD, "fingerprint": f"f{n}", "annotations": {"text": "x" * 3000}} for n in range(60)]
    _limit_pages(database, pages + 2)
    answer = await full.post(body(*many))
    assert (answer.status_code, "disk is full" in answer.json()["detail"]) == (503, True)
    assert list(store.active()) == []
    _limit_pages(database, 1_000_000)
    assert (await full.post(body(*many))).json() == {"accepted": 60}
    full.close()
    store.close()


def _limit_pages(database: Database, pages: int) -> None:
    """The limit belongs to a connection: that of all writing."""
    with database.write() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")


def test_the_migrations_add_up_to_the_schema(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path}/migrated.sqlite").close()
    migrated = create_engine(f"sqlite:///{tmp_path}/migrated.sqlite")
    declared = create_engine(f"sqlite:///{tmp_path}/declared.sqlite")
    metadata.create_all(declared)
    found, expected = inspect(migrated), inspect(declared)
    assert set(found.get_table_names()) == {*expected.get_table_names(), "bsm_alembic_version"}
    for table in expected.get_table_names():
        assert str(found.get_columns(table)) == str(expected.get_columns(table))
        assert _shown(found.get_indexes(table)) == _shown(expected.get_indexes(table))
    migrated.dispose()
    declared.dispose()


def _shown(indexes: list[ReflectedIndex]) -> list[tuple[object, ...]]:
    """They hold SQL expressions, which are only equal to themselves."""
    return [
        (one["name"], one["column_names"], one["unique"], {key: str(of) for key, of in one["dialect_options"].items()})
        for one in indexes
    ]


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/newer.sqlite"
    open_store(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE bsm_alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreUnavailable, match="9999"):
        open_store(url)


def test_without_a_token_only_this_machine_may_talk_to_the_engine() -> None:
    for host in ("127.0.0.1", "::1", "localhost", "127.0.0.9"):
        require_safe_address(host, Credentials([]))
    for host in ("0.0.0.0", "::", "192.0.2.1", "engine.example"):
        with pytest.raises(WrongUsage, match="token"):
            require_safe_address(host, Credentials([]))
        require_safe_address(host, Credentials(TOKENS))


def test_what_was_acknowledged_survives_the_death_of_the_server(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "bsm_remediate", "serve", "--port", "0", "--max-mode", "shadow"],
        cwd=ROOT,
        env={**os.environ, "BSM_STATE_DIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    url = process.stderr.readline().split(" at ")[1].split(";")[0]
    accepted = 0
    with httpx.Client(base_url=url) as client:
        for number in range(20):
            answer = client.post(
                HOOK,
                content=body(*({**GOOD, "fingerprint": f"{number}-{n}"} for n in range(5))),
                headers={"content-type": "application/json"},
            )
            accepted += answer.json()["accepted"]
        process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    process.stderr.close()
    store = open_store(f"sqlite:///{tmp_path}/bsm-remediate.sqlite")
    assert len(store.active()) == accepted == 100
    store.close()
