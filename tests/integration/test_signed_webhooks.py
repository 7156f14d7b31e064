"""Signed webhooks at the server: the signature is the credential, and what is replayed has no effect."""

from __future__ import annotations

import base64
import gzip
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from bsm_remediate.adapters.sql.store import open_store
from bsm_remediate.adapters.webhooks.standard import StandardWebhooks
from bsm_remediate.adapters.webhooks.terms import Terms
from bsm_remediate.testing.store import MemoryStore
from tests.integration.standstill import GOOD, Site, body

KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
PATH = "/api/v1/webhooks/generic"
FIRING = '{"name": "Down"}'
TERMS = {name: Terms(signature=StandardWebhooks([SECRET])) for name in ("generic", "alertmanager")}


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site(MemoryStore(), terms=TERMS)
    yield made
    made.close()


def signed(content: bytes | str, delivery: str = "msg_1", *, off_s: int = 0) -> dict[str, str]:
    timestamp = str(int(datetime.now(UTC).timestamp()) + off_s)
    raw = content.encode() if isinstance(content, str) else content
    digest = hmac.new(KEY, f"{delivery}.{timestamp}.".encode() + raw, sha256).digest()
    return {
        "webhook-id": delivery,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


@pytest.mark.anyio
async def test_a_signature_is_the_credential_and_a_token_is_none(site: Site) -> None:
    firing = body()
    path = "/api/v1/webhooks/alertmanager"
    answer = await site.send("POST", path, content=firing, headers=signed(firing))
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    assert (await site.post(firing, path=path)).status_code == 401
    assert (await site.send("POST", path, content=firing, headers=signed(firing, off_s=-400))).status_code == 401
    assert (await site.send("POST", path, content=body(GOOD, GOOD), headers=signed(firing))).status_code == 401


@pytest.mark.anyio
async def test_a_replayed_start_does_not_start_anew_what_has_ended(site: Site) -> None:
    firing, ended = body(GOOD), body({**GOOD, "status": "resolved"})
    path = "/api/v1/webhooks/alertmanager"
    first = signed(firing, "msg_1")
    await site.send("POST", path, content=firing, headers=first)
    await site.send("POST", path, content=ended, headers=signed(ended, "msg_2"))
    replayed = await site.send("POST", path, content=firing, headers=first)
    assert (replayed.status_code, replayed.json()) == (202, {"accepted": 0})
    assert list(site.live.store.active()) == []


@pytest.mark.anyio
async def test_a_delivery_that_could_not_be_stored_may_come_again(site: Site) -> None:
    store = site.live.store
    assert isinstance(store, MemoryStore)
    firing = body()
    headers = signed(firing)
    path = "/api/v1/webhooks/alertmanager"
    store.is_away = True
    assert (await site.send("POST", path, content=firing, headers=headers)).status_code == 503
    store.is_away = False
    assert (await site.send("POST", path, content=firing, headers=headers)).json() == {"accepted": 1}


@pytest.mark.anyio
async def test_two_senders_may_use_the_same_id(site: Site) -> None:
    for path, content in (("/api/v1/webhooks/alertmanager", body()), (PATH, FIRING)):
        answer = await site.send("POST", path, content=content, headers=signed(content))
        assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    assert site.live.store.was_delivered("generic", "msg_1")


@pytest.mark.anyio
async def test_a_replica_knows_what_another_one_has_taken(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shared.sqlite"
    stores = [open_store(url), open_store(url)]
    one, other = (Site(store, terms=TERMS) for store in stores)
    firing = body()
    path = "/api/v1/webhooks/alertmanager"
    headers = signed(firing)
    assert (await one.send("POST", path, content=firing, headers=headers)).json() == {"accepted": 1}
    assert (await other.send("POST", path, content=firing, headers=headers)).json() == {"accepted": 0}
    for site, store in zip((one, other), stores, strict=True):
        site.close()
        store.close()


@pytest.mark.anyio
async def test_wrong_signatures_count_as_guesses(site: Site) -> None:
    for number in range(10):
        wrong = {**signed(body(), f"msg_{number}"), "webhook-signature": "v1,AAAA"}
        assert (await site.send("POST", PATH, content=FIRING, headers=wrong)).status_code == 401
    answer = await site.send("GET", "/api/v1/alerts", headers={"authorization": "Bearer secret-of-viewer"})
    assert answer.status_code == 429


# --- bodies ---


@pytest.mark.anyio
async def test_a_gzip_body_is_taken_and_what_is_signed_is_what_was_sent(site: Site) -> None:
    packed = gzip.compress(body().encode()[:20]) + gzip.compress(body().encode()[20:])  # two members
    path = "/api/v1/webhooks/alertmanager"
    headers = {**signed(packed), "content-encoding": "gzip", "content-type": "application/json"}
    answer = await site.send("POST", path, content=packed, headers=headers)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("packed", "encoding", "status"),
    [
        (gzip.compress(b" " * (11 * 1024 * 1024)), "gzip", 413),  # 10 kB on the wire
        (gzip.compress(b" " * (6 * 1024 * 1024)) * 2, "gzip", 413),
        (gzip.compress(body().encode())[:-6], "gzip", 400),
        (gzip.compress(body().encode()) + b"garbage", "gzip", 400),
        (b"", "gzip", 400),
        (body().encode(), "gzip", 400),
        (body().encode(), "br", 415),
        (gzip.compress(body().encode()), "gzip, gzip", 415),
        (body().encode(), "identity", 202),
    ],
)
async def test_what_is_packed_is_bounded_after_unpacking_too(packed: bytes, encoding: str, status: int) -> None:
    site = Site(MemoryStore())
    answer = await site.post(packed, **{"content-encoding": encoding})
    assert answer.status_code == status
    site.close()
