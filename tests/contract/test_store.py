"""Every store keeps the same promises: in memory, on SQLite, on PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsm_remediate.adapters.sql.store import open_store
from bsm_remediate.domain.alert import Alert, AlertStatus
from bsm_remediate.domain.bundle import Team
from bsm_remediate.domain.change import Change, ChangeOutcome, ChangeState, Result, Slot, Trial, Word
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.ids import ChangeId, Digest, Fingerprint, NodeId, PolicyId, RunId
from bsm_remediate.domain.matcher import Matcher, MatchOperator
from bsm_remediate.domain.on_call import OnCall
from bsm_remediate.domain.policy import Check, CheckKind
from bsm_remediate.domain.pool import ServiceWeight, Weights
from bsm_remediate.domain.run import NEXT_STATES, Run, RunEnd, RunState
from bsm_remediate.domain.seal import SealKey
from bsm_remediate.domain.service_map import Component
from bsm_remediate.domain.situation import Hold, Pause
from bsm_remediate.domain.work_order import Play, WorkOrder, Written
from bsm_remediate.errors import ChangeNotRecorded, RunNotRecorded
from bsm_remediate.records import Accepted, Control, Standing, Store
from bsm_remediate.testing.store import MemoryStore

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
KEY = SealKey("of the store's contract, 32 characters")


def alert(
    name: str = "a", *, minute: int = 0, seen: int = 0, status: AlertStatus = AlertStatus.FIRING, text: str = "x"
) -> Alert:
    return Alert(
        source="alertmanager",
        fingerprint=Fingerprint(name),
        status=status,
        labels={"alertname": name, "text": text},
        starts_at=NINE + timedelta(minutes=minute),
        received_at=NINE + timedelta(minutes=10, seconds=seen),
    )


def run(name: str = "r1", *, component: str = "db-1", state: RunState = RunState.QUEUED) -> Run:
    return Run(
        id=RunId(name),
        remediation="m1",
        component=NodeId(component),
        host=component,
        policy=PolicyId("restart"),
        playbook="restart.yml",
        alternative=0,
        state=state,
        reason="stops 300.00 EUR/min",
        expected_duration_s=20.0,
        planned_at=NINE,
        alerts=(alert().key,),
        bundle=Digest("sha256:1"),
        locks=(f"component:{component}", "host:shared"),
    )


def order(component: str = "db-1") -> WorkOrder:
    machine = Component(id=NodeId(component), host="shared", address="10.0.0.1", labels={"tier": "data"})
    team = Team(name="data", members=("ana",), on_call=OnCall(rotation=("ana",), every=timedelta(days=7), start=NINE))
    check = Check(
        kind=CheckKind.HTTP,
        target=Written("http://db-1/{{ x }}"),
        body=Matcher(label="body", operator=MatchOperator.REGEX, value="ok|fine"),
        hold=timedelta(hours=2),
    )
    return WorkOrder(
        play=Play(
            playbook="restart.yml", vars={"unit": "pg", "list": [1, {"a": None}]}, time_limit=timedelta(minutes=2)
        ),
        rollback=Play(playbook="undo.yml", time_limit=timedelta(seconds=1.5)),
        component=machine,
        hosts=("shared",),
        checks=(check, Check(kind=CheckKind.ALERT, target=None)),
        alerts=(alert(text="{{ 1 }}"),),
        services=("checkout",),
        loss_per_minute=300.0,
        resolve_within=timedelta(minutes=10),
        is_last=True,
        team=team,
        weights=Weights(
            members={"web-1": 62.5, "web-2": 37.5},
            by_service=(ServiceWeight(service="checkout", member="web-1", value=100.0),),
            shed={"search": 30.0},
        ),
    )


def event(kind: str, subject: str = "r1") -> Event:
    return Event(kind=kind, at=NINE, subject=subject, facts={"n": 1, "text": "ä", "list": [1, None]})


def test_an_alert_is_there_as_it_came(store: Store) -> None:
    given_alert = replace(alert(text="{{ 1 }} \u2028 'quoted'"), annotations={"summary": "ä"})
    assert store.record([given_alert]) == Accepted(new=1)
    assert list(store.active()) == [given_alert]


def test_an_alert_can_be_looked_up_by_its_key_after_its_end(store: Store) -> None:
    ended = alert("b", status=AlertStatus.RESOLVED, seen=1)
    store.record([alert("a"), alert("b"), ended])
    unknown = alert("c").key
    assert list(store.current([ended.key, unknown, alert("a").key])) == [ended, alert("a")]
    assert list(store.current([])) == []


def test_what_the_store_gave_can_be_recorded_again(store: Store) -> None:
    store.record([alert()])
    (known,) = store.active()
    assert store.record([known]) == Accepted(repeated=1)
    assert store.record([replace(known, status=AlertStatus.RESOLVED)]) == Accepted(new=1)
    assert list(store.active()) == []


def test_a_repeat_only_touches_when_it_was_last_seen(store: Store) -> None:
    store.record([alert()])
    assert store.record([alert(seen=30)]) == Accepted(repeated=1)
    assert list(store.active()) == [alert()]
    assert store.last_seen()[alert().key] == alert(seen=30).received_at
    assert store.changes(after=1)[0] == []


def test_what_was_heard_of_since_a_moment_is_known_resolved_or_not(store: Store) -> None:
    store.record([alert("one"), alert("two", seen=10, status=AlertStatus.RESOLVED), alert("three")])
    store.record([alert("three", seen=20)])
    since = alert(seen=10).received_at
    assert {key.fingerprint for key in store.heard_since(since)} == {"two", "three"}


def test_every_change_that_came_within_a_time_is_read_as_it_came_page_by_page(store: Store) -> None:
    came = [alert("one"), alert("two", seen=10), alert("one", seen=20, status=AlertStatus.RESOLVED)]
    late = alert("three", seen=31)
    store.record([*came, late])
    store.record([alert("two", seen=25)])  # a repeat is no change
    since, until = alert().received_at, alert(seen=30).received_at
    first, position = store.received(since, until, limit=2)
    rest, end = store.received(since, until, after=position, limit=2)
    assert [*first, *rest] == came
    assert (position > 0, end) == (True, 0)
    assert store.received(late.received_at, late.received_at) == ([late], 0)
    assert store.received(until, until) == ([], 0)


def test_a_late_delivery_of_an_earlier_start_is_ignored(store: Store) -> None:
    store.record([alert(minute=5)])
    assert store.record([alert(minute=1, status=AlertStatus.RESOLVED)]) == Accepted(outdated=1)
    assert list(store.active()) == [alert(minute=5)]


def test_of_equal_starts_the_last_received_counts(store: Store) -> None:
    store.record([alert()])
    assert store.record([alert(status=AlertStatus.RESOLVED, seen=5)]) == Accepted(new=1)
    assert list(store.active()) == []
    store.record([alert(seen=9)])
    assert list(store.active()) == [alert(seen=9)]


def test_a_resolve_of_an_unknown_alert_is_kept(store: Store) -> None:
    assert store.record([alert(status=AlertStatus.RESOLVED)]) == Accepted(new=1)
    changed, position = store.changes(after=0)
    assert ([one.status for one in changed], position) == ([AlertStatus.RESOLVED], 1)


def test_an_alert_whose_source_cannot_tell_is_not_over(store: Store) -> None:
    doubtful = alert(status=AlertStatus.UNKNOWN, seen=5)
    store.record([alert()])
    store.record([doubtful])
    assert list(store.active()) == [doubtful]
    store.record([alert(status=AlertStatus.UNKNOWN, seen=9)])
    assert list(store.last_seen()) == [doubtful.key]


def test_an_alert_without_a_start_of_its_own_keeps_that_of_its_first_receipt(store: Store) -> None:
    def received(second: int, status: AlertStatus = AlertStatus.FIRING) -> Alert:
        given_alert = alert(seen=second, status=status)
        return replace(given_alert, starts_at=given_alert.received_at)

    store.record([received(0)])
    assert store.record([received(30), received(60)]) == Accepted(repeated=2)
    assert [one.starts_at for one in store.active()] == [received(0).starts_at]
    assert store.record([received(90, AlertStatus.RESOLVED), received(95)]) == Accepted(new=2)
    assert [one.starts_at for one in store.active()] == [received(95).starts_at]


def test_only_what_was_repeated_has_a_last_repeat(store: Store) -> None:
    store.record([alert("one"), alert("two")])
    store.record([alert("two", seen=9)])
    assert store.last_seen() == {alert("two").key: alert("two", seen=9).received_at}


def test_several_deliveries_of_one_alert_in_one_batch_count_in_their_order(store: Store) -> None:
    store.record([alert(), alert(text="y"), alert(text="y", seen=3)])
    assert [one.labels["text"] for one in store.active()] == ["y"]


def test_changes_are_read_from_where_one_left_off(store: Store) -> None:
    store.record([alert("a"), alert("b"), alert("c")])
    first, position = store.changes(after=0, limit=2)
    second, end = store.changes(after=position)
    assert [one.name for one in (*first, *second)] == ["a", "b", "c"]
    assert store.changes(after=end) == ([], end)


def test_of_two_runs_that_need_the_same_lock_only_the_first_gets_it(store: Store) -> None:
    first = store.reserve(run("r1"), [event("run.queued")], order())
    assert first is not None
    assert store.reserve(run("r2", component="web-1"), [event("run.queued", "r2")], order()) is None
    assert store.run(RunId("r2")) is None
    store.seal(KEY, limit=10)
    assert [one.subject for one in store.events()] == ["r1"]
    store.update(replace(first, state=RunState.CANCELLED, ended_at=NINE), [])
    second = store.reserve(run("r2", component="web-1"), [], order())
    assert second is not None
    assert second.fence > first.fence


def test_a_run_comes_back_whole(store: Store) -> None:
    reserved = store.reserve(run(), [], order())
    assert reserved is not None
    ended = replace(
        reserved,
        state=RunState.RUNNING,
        attempt=1,
        started_at=NINE,
        outcome="ä",
        end=RunEnd.RESTORED,
        approved_by="ana",
        once=True,
    )
    store.update(ended, [])
    assert store.run(ended.id) == ended
    assert list(store.runs(since=NINE)) == [ended]


def test_only_the_newer_lease_may_go_on_with_a_run(store: Store) -> None:
    old = store.reserve(run(state=RunState.QUEUED), [], order())
    assert old is not None
    store.update(replace(old, state=RunState.RUNNING), [])
    newer = store.claim(old.id)
    assert newer is not None
    assert newer.fence > old.fence
    with pytest.raises(RunNotRecorded, match="taken over"):
        store.update(replace(old, state=RunState.RUNNING), [event("run.started")])
    assert store.seal(KEY, limit=10) is None


def test_who_means_to_end_a_run_before_it_begins_is_refused_once_it_has_begun(store: Store) -> None:
    reserved = store.reserve(run(state=RunState.QUEUED), [], order())
    assert reserved is not None
    store.update(replace(reserved, state=RunState.RUNNING), [])
    ended = replace(reserved, state=RunState.CANCELLED, ended_at=NINE)
    with pytest.raises(RunNotRecorded, match="is running"):
        store.update(ended, [], only_from=RunState.QUEUED)
    store.update(ended, [], only_from=RunState.RUNNING)


def test_what_a_run_is_to_do_comes_back_whole(store: Store) -> None:
    assert store.order(RunId("r1")) is None
    store.reserve(run(), [], order())
    assert store.order(RunId("r1")) == order()


def test_a_run_that_is_over_cannot_be_claimed(store: Store) -> None:
    assert store.claim(RunId("r1")) is None
    reserved = store.reserve(run(), [], order())
    assert reserved is not None
    store.update(replace(reserved, state=RunState.CANCELLED, ended_at=NINE), [])
    assert store.claim(RunId("r1")) is None


@pytest.mark.parametrize("state", list(RunState))
def test_a_run_never_takes_a_step_that_may_not_follow(store: Store, state: RunState) -> None:
    store.insert(run(state=state), [])
    for following in RunState:
        if following not in NEXT_STATES[state]:
            with pytest.raises(RunNotRecorded):
                store.update(run(state=following), [])


def test_runs_that_ended_long_ago_are_left_out(store: Store) -> None:
    store.insert(replace(run("old", state=RunState.FAILED), ended_at=NINE - timedelta(days=3)), [])
    store.insert(replace(run("new", state=RunState.FAILED), ended_at=NINE), [])
    store.insert(replace(run("open", state=RunState.AWAITING_APPROVAL), planned_at=NINE - timedelta(days=9)), [])
    assert [one.id for one in store.runs(since=NINE - timedelta(days=1))] == ["open", "new"]


def test_the_journal_is_in_order_and_by_subject(store: Store) -> None:
    store.append([event("one", "r1"), event("two", "r2")])
    store.append([event("three", "r1")])
    store.seal(KEY, limit=10)
    assert [one.kind for one in store.events(subject="r1")] == ["one", "three"]
    assert [one.kind for one in store.events(after=1)] == ["two", "three"]
    assert store.latest_position() == 3
    assert dict(store.events()[0].facts) == {"n": 1, "text": "ä", "list": [1, None]}


def test_a_wish_waits_until_it_is_answered_and_what_stands_comes_back_whole(store: Store) -> None:
    number = store.ask(Control(verb="pause", who="ana", asked_at=NINE, reason="ä", until=NINE))
    assert [(one.id, one.verb, one.until) for one in store.waiting()] == [(number, "pause", NINE)]
    standing = Standing(
        goal="default",
        holds=(Hold(target="db-1", who="ana", reason="", since=NINE, until=NINE),),
        pauses=(Pause(who="ana", reason="r", since=NINE),),
        released={NodeId("db-1"): NINE},
        adopted={PolicyId("p"): NINE},
        policy_active_since={PolicyId("p"): NINE},
    )
    store.answer(number, done=True, answer="paused", standing=standing, events=[event("control.pause")])
    assert list(store.waiting()) == []
    answered = store.control(number)
    assert answered is not None
    assert (answered.done, answered.answer) == (True, "paused")
    assert store.standing() == standing
    assert store.control(number + 1) is None


_DELIVERIES = st.lists(
    st.builds(
        alert,
        st.sampled_from("abc"),
        minute=st.integers(0, 2),
        seen=st.integers(0, 3),
        status=st.sampled_from(AlertStatus),
        text=st.sampled_from(["x", "y", "{{ x }}"]),
    ),
    max_size=5,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(_DELIVERIES, max_size=6))
def test_both_stores_agree_after_every_step_of_any_history(history: list[list[Alert]]) -> None:
    with TemporaryDirectory() as folder:
        memory, sqlite = MemoryStore(), open_store(f"sqlite:///{folder}/store.sqlite")
        for batch in history:
            assert memory.record(batch) == sqlite.record(batch)
            assert list(memory.active()) == list(sqlite.active())
            assert memory.changes(after=0) == sqlite.changes(after=0)
            assert memory.last_seen() == sqlite.last_seen()
        sqlite.close()


def test_the_order_of_deliveries_with_different_starts_does_not_matter(store: Store) -> None:
    newest, older = alert(minute=2), alert(minute=1, status=AlertStatus.RESOLVED)
    other = MemoryStore()
    store.record([newest])
    store.record([older])
    other.record([older])
    other.record([newest])
    assert list(store.active()) == list(other.active()) == [newest]


# --- planned changes -------------------------------------------------------------------------------------------------


def change(name: str = "c1", *, minute: int = 0) -> Change:
    written = Digest("sha256:written")
    return Change(
        id=ChangeId(name),
        name="upgrade",
        title="ä new version",
        state=ChangeState.PROPOSED,
        version=1,
        proposed=Word(who="ana", at=NINE + timedelta(minutes=minute), reason="it's due {{ 1 }}"),
        earliest=NINE,
        latest=NINE + timedelta(days=14),
        written=written,
        slot=Slot(
            begin=NINE + timedelta(hours=1),
            closes_at=NINE + timedelta(hours=3),
            needs_s=1800.0,
            duration_s=900.0,
            planned=12.5,
            risk=0.5,
            weighted=13.0,
            services=("checkout", "search"),
            down=("checkout",),
            budgets=("checkout promises 99.9%",),
        ),
        trial=Trial(is_sound=True, words="would change 1 task", at=NINE, digest=written),
    )


def applied(one: Change) -> Change:
    result = Result(
        outcome=ChangeOutcome.ROLLED_BACK, words="undone", started_at=NINE, ended_at=NINE, took_s=1.5, cost=3.0
    )
    begun = replace(one, state=ChangeState.SCHEDULED, approved=Word(who="li", at=NINE), run=RunId("c1-1"), tries=1)
    return replace(begun.to(ChangeState.AWAITING_REVIEW, result=result), version=one.version + 1)


def test_a_planned_change_is_there_as_it_was_written(store: Store) -> None:
    store.put_change(change(), [event("change.proposed", "c1")])
    assert store.change(ChangeId("c1")) == change()
    store.put_change(applied(change()), [event("change.ended", "c1")])
    assert store.change(ChangeId("c1")) == applied(change())
    assert store.change(ChangeId("c2")) is None
    store.seal(KEY, limit=10)
    assert [one.kind for one in store.events(subject="c1")] == ["change.proposed", "change.ended"]


def test_of_two_who_move_a_change_on_only_the_first_does(store: Store) -> None:
    store.put_change(change(), [])
    store.put_change(replace(change(), state=ChangeState.REJECTED, version=2), [])
    with pytest.raises(ChangeNotRecorded, match="version 2"):
        store.put_change(replace(change(), state=ChangeState.SCHEDULED, version=2), [event("change.approved", "c1")])
    with pytest.raises(ChangeNotRecorded):
        store.put_change(change(), [])
    known = store.change(ChangeId("c1"))
    assert known is not None
    assert known.state is ChangeState.REJECTED
    store.seal(KEY, limit=10)
    assert list(store.events(subject="c1")) == []


def test_changes_that_are_over_are_listed_as_long_as_they_are_asked_for(store: Store) -> None:
    over = replace(change("c2", minute=1), state=ChangeState.WITHDRAWN)
    missed = replace(change("c3", minute=2), state=ChangeState.MISSED, slot=None)
    for one in (change("c1", minute=3), over, missed):
        store.put_change(one, [])
    assert [one.id for one in store.planned(since=NINE)] == ["c2", "c3", "c1"]
    assert [one.id for one in store.planned(since=NINE + timedelta(minutes=2))] == ["c3", "c1"]
    assert [one.id for one in store.planned(since=NINE + timedelta(hours=1))] == ["c1"]
