"""The server's application in the test's own process, on an engine that stands still."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from bsm_remediate.adapters.webhooks import SOURCES
from bsm_remediate.adapters.webhooks.terms import Terms
from bsm_remediate.config.loader import load_bundle
from bsm_remediate.domain.access import Identity, Role
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.evaluation import Evaluation, Evaluator
from bsm_remediate.domain.situation import Situation
from bsm_remediate.records import Store
from bsm_remediate.web.access import Credentials
from bsm_remediate.web.doorkeeper import Doorkeeper
from bsm_remediate.web.live import Health
from bsm_remediate.web.server import build_app

ROOT = Path(__file__).parents[2]
TOKENS = [(f"secret-of-{role}", Identity(name=role.value, role=role)) for role in Role]
HOOK = "/api/v1/webhooks/alertmanager"
GOOD = {"status": "firing", "labels": {"alertname": "Down"}, "startsAt": "2026-01-05T09:00:00Z", "fingerprint": "a1"}


def body(*alerts: object) -> str:
    return json.dumps({"version": "4", "alerts": list(alerts or [GOOD])})


class Standstill:
    """A live engine that has looked once, at nothing. Implements `Live`."""

    def __init__(self, store: Store) -> None:
        loaded = load_bundle(ROOT / "policies", inventory=None, playbooks=None, scrutinise=False)
        assert loaded.bundle is not None
        self.bundle: Bundle = loaded.bundle
        self.evaluation: Evaluation | None = Evaluator(loaded.bundle).evaluate(
            Situation(at=datetime(2026, 1, 5, 9, tzinfo=UTC), alerts=())
        )
        self.store = store
        self.is_ending = False
        self.woken = 0
        self.sources_read: list[str] = []
        self.seen: dict[str, int] = {}
        """Engines of the same database → how many answered controls they have seen."""

    @property
    def notifications(self) -> Mapping[str, int]:
        return {}

    def wake(self) -> None:
        self.woken += 1
        for wish in self.store.waiting():
            assert wish.id is not None
            self.store.answer(wish.id, done=True, answer="done", standing=self.store.standing(), events=[])

    def behind(self, served: int) -> list[str]:
        return [one for one, seen in self.seen.items() if seen < served]

    def unseen_s(self) -> float:
        return 0.0

    def read_source(self, name: str) -> None:
        self.sources_read.append(name)

    def health(self) -> Health:
        return Health(is_ready=True)

    def is_stopping(self) -> bool:
        return self.is_ending


class Site:
    """The application on a store, with a client in the same process."""

    def __init__(
        self,
        store: Store,
        doorkeeper: Doorkeeper | None = None,
        terms: Mapping[str, Terms] | None = None,
        live: Standstill | None = None,
    ) -> None:
        self.live = live or Standstill(store)
        self.doorkeeper = doorkeeper or Doorkeeper(Credentials(TOKENS))
        self.app, self._commit = build_app(self.live, self.doorkeeper, SOURCES, terms)
        self._commit.start()

    async def post(
        self, content: bytes | str, *, role: str = "webhook", path: str = HOOK, **headers: str
    ) -> httpx.Response:
        sent = {"content-type": "application/json", "authorization": f"Bearer secret-of-{role}", **headers}
        return await self.send("POST", path, content=content, headers=sent)

    async def send(
        self, method: str, path: str, *, peer: str = "127.0.0.1", base_url: str = "http://engine", **options: Any
    ) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.app, client=(peer, 4711))
        async with httpx.AsyncClient(transport=transport, base_url=base_url) as client:
            return await client.request(method, path, **options)

    def close(self) -> None:
        self._commit.stop()
