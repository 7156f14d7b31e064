"""The board that is kept up alert by alert says what one made anew would say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bsm_remediate.domain.alert import Alert, AlertKey, AlertStatus
from bsm_remediate.domain.board import Board, Heard
from bsm_remediate.domain.ids import Fingerprint, NodeId
from bsm_remediate.domain.matcher import Matcher, MatchOperator
from bsm_remediate.domain.policy import Mode
from bsm_remediate.domain.state import State
from bsm_remediate.testing.builders import bundle, component, policy, service

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
SHOP = bundle(
    component("a"),
    component("b", requires="a"),
    service("shop", requires="b"),
    policy("restart", match=(Matcher(label="alertname", operator=MatchOperator.EQUAL, value="Down"),), mode=Mode.AUTO),
)
PLACES = ["a", "b", "shop", "elsewhere"]


@st.composite
def alerts(draw: st.DrawFn) -> Alert:
    return Alert(
        source="test",
        fingerprint=Fingerprint(draw(st.sampled_from("pqrst"))),
        status=draw(st.sampled_from([AlertStatus.FIRING, AlertStatus.UNKNOWN])),
        labels={
            "alertname": draw(st.sampled_from(["Down", "Odd"])),
            "instance": draw(st.sampled_from(PLACES)),
            "severity": draw(st.sampled_from(["critical", "warning", "info"])),
        },
        starts_at=NINE - timedelta(minutes=draw(st.integers(0, 3))),
        received_at=NINE,
    )


@st.composite
def moments(draw: st.DrawFn) -> tuple[tuple[Alert, ...], Mapping[AlertKey, datetime], datetime]:
    """Alerts that fire, when each was last seen, and what time it is (which may go back)."""
    firing = {alert.key: alert for alert in draw(st.lists(alerts(), max_size=6))}
    seen = {key: NINE + timedelta(hours=draw(st.integers(0, 40))) for key in firing if draw(st.booleans())}
    return tuple(firing.values()), seen, NINE + timedelta(hours=draw(st.integers(0, 60)))


def said(heard: Mapping[NodeId, Heard]) -> dict[str, object]:
    return {node: (one.signals, one.worst, one.onset) for node, one in heard.items()}


@given(st.lists(moments(), min_size=1, max_size=6))
def test_what_it_says_depends_on_the_alerts_alone_not_on_what_came_before(
    history: list[tuple[tuple[Alert, ...], Mapping[AlertKey, datetime], datetime]],
) -> None:
    kept = Board(SHOP)
    for firing, seen, now in history:
        fresh = Board(SHOP)
        assert said(kept.read(firing, seen, now)) == said(fresh.read(firing, seen, now))
        assert kept.unmapped == fresh.unmapped
        assert kept.reports == fresh.reports


def test_an_alert_that_neither_repeats_nor_resolves_becomes_unknown_and_a_repeat_brings_it_back() -> None:
    down = Alert(
        source="test",
        fingerprint=Fingerprint("p"),
        status=AlertStatus.FIRING,
        labels={"alertname": "Down", "instance": "a", "severity": "critical"},
        starts_at=NINE,
        received_at=NINE,
    )
    board, firing = Board(SHOP), (down,)
    day, hour = timedelta(days=1), timedelta(hours=1)
    assert board.read(firing, {}, NINE + day)[NodeId("a")].worst is State.DOWN
    assert board.read(firing, {}, NINE + day + hour)[NodeId("a")].worst is State.UNKNOWN
    repeated = {down.key: NINE + day}
    assert board.read(firing, repeated, NINE + day + hour)[NodeId("a")].worst is State.DOWN
    assert board.read(firing, repeated, NINE + 2 * day + hour)[NodeId("a")].worst is State.UNKNOWN
