"""Every store keeps the outbox's promises: nothing is lost, nothing is written twice, what has arrived stays so."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bsm_remediate.adapters.sql.store import open_store
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.message import Message, MessageKind, MessageState, Told
from bsm_remediate.domain.notice import NoticeSeverity
from bsm_remediate.domain.seal import SealKey
from bsm_remediate.records import Store

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
KEY = SealKey("of the outbox's contract, 32 characters")


def message(
    name: str = "m1", *, route: str = "ops", minute: int = 0, kind: MessageKind = MessageKind.NOTICES
) -> Message:
    at = NINE + timedelta(minutes=minute)
    return Message(
        id=name,
        kind=kind,
        route=route,
        to="mailto://ops.example",
        title="Losing 300.00 EUR/min: ä",
        body="one\ntwo \u2028 'quoted'",
        severity=NoticeSeverity.CRITICAL,
        at=at,
        told={"loss_over:": Told(severity=NoticeSeverity.CRITICAL, figure=300.0, what="the business loses money")},
        allowance=1.0,
        next_try=at,
    )


def ids(store: Store) -> list[str]:
    return [one.id for one in store.messages()]


def test_a_message_comes_back_whole(store: Store) -> None:
    store.post([message()])
    assert list(store.messages()) == [message()]


def test_a_message_that_is_known_stays_as_it_is(store: Store) -> None:
    store.post([message()])
    store.settle(message().sent(NINE), [])
    store.post([message(), message("m2", minute=1)])
    assert [(one.id, one.state) for one in store.messages()] == [("m2", MessageState.WAITING)]


def test_the_latest_of_each_route_and_kind_and_all_that_wait_are_there(store: Store) -> None:
    report = message("r1", minute=0, kind=MessageKind.REPORT)
    store.post([message(f"m{number}", minute=number) for number in range(4)])
    store.post([report, message("x1", route="other", minute=2)])
    for number in range(4):
        store.settle(message(f"m{number}", minute=number).sent(NINE), [])
    store.settle(report.sent(NINE), [])
    assert sorted(ids(store)) == ["m3", "r1", "x1"]
    store.post([message("m9", minute=9)])
    assert sorted(ids(store)) == ["m9", "r1", "x1"]


def test_a_failed_attempt_waits_for_the_next_and_its_event_is_in_the_journal(store: Store) -> None:
    store.post([message()])
    failed = message().failed("nobody answers", NINE)
    store.settle(failed, [Event(kind="notice.failed", at=NINE, subject="m1")])
    assert list(store.messages()) == [failed]
    store.seal(KEY, limit=10)
    assert [one.kind for one in store.events()] == ["notice.failed"]


def test_what_has_arrived_is_not_sent_again_by_who_thinks_that_it_failed(store: Store) -> None:
    store.post([message()])
    store.settle(message().sent(NINE), [Event(kind="notice.told", at=NINE, subject="m1")])
    store.settle(message().failed("too late", NINE), [Event(kind="notice.failed", at=NINE, subject="m1")])
    assert [one.state for one in store.messages()] == [MessageState.SENT]
    store.seal(KEY, limit=10)
    assert [one.kind for one in store.events()] == ["notice.told"]


def test_attempts_are_made_less_and_less_often_and_given_up_after_a_day() -> None:
    one, now, pauses = message(), NINE, []
    while one.waits:
        one = one.failed("nobody answers", now)
        pauses.append((one.next_try - now).total_seconds())
        now = one.next_try
    assert pauses[:5] == [15, 30, 60, 120, 240]
    assert max(pauses) == 3600
    assert one.settled_at is not None
    assert timedelta(days=1) <= one.settled_at - NINE < timedelta(days=1, hours=1)
    assert 25 <= one.attempts <= 40


def test_messages_that_were_sent_long_ago_go_save_the_latest(tmp_path: Path) -> None:
    made = open_store(f"sqlite:///{tmp_path}/store.sqlite")
    old = [message(f"m{number}", minute=number) for number in range(3)]
    made.post([*old, message("other", route="other")])
    for one in (*old[:2], message("other", route="other")):
        made.settle(one.sent(NINE), [])
    made.post([replace(message("new"), at=NINE + timedelta(days=40))])
    with made._database.read() as connection:
        left = {name for (name,) in connection.exec_driver_sql("SELECT id FROM bsm_message")}
    assert left == {"m2", "other", "new"}
    made.close()
