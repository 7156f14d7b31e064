"""The shadow report against sums over every second, and what must hold of any two reports on the same episodes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bsm_remediate.domain.decision import Verdict
from bsm_remediate.domain.ids import NodeId, PolicyId
from bsm_remediate.domain.shadow import (
    ShadowDecision,
    ShadowEnd,
    ShadowEpisode,
    ShadowRun,
    decided_event,
    ended_event,
    episodes_of,
)
from bsm_remediate.domain.shadow_report import Outcome, shadow_report

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
_HORIZON_S = 200


def at(second: int) -> datetime:
    return NINE + timedelta(seconds=second)


def shadow_run(component: str, duration_s: int, success: float, loss: float) -> ShadowRun:
    return ShadowRun(
        component=NodeId(component),
        host=component,
        policy=PolicyId("restart"),
        playbook="restart.yml",
        vars={},
        expected_duration_s=duration_s,
        success=success,
        written_mode="auto",
        services=(),
        loss_per_minute=loss,
        weighted_loss_per_minute=loss,
        locks=(f"component:{component}",),
        group=f"restart on {component}",
        executors=1,
        cooldown_s=5,
        budgets=(),
    )


@st.composite
def histories(draw: st.DrawFn) -> tuple[ShadowEpisode, ...]:
    """One episode for each of a few components, of decisions that differ; some still last."""
    found = []
    for component in draw(st.sets(st.sampled_from("abcd"))):
        moments = sorted(draw(st.sets(st.integers(0, 100), min_size=2, max_size=5)))
        success = draw(st.sampled_from([0.25, 0.5, 1.0]))
        run = shadow_run(component, draw(st.integers(1, 30)), success, float(draw(st.integers(0, 9))))
        verdicts = draw(st.lists(st.sampled_from([Verdict.SHADOW, Verdict.SYMPTOM]), min_size=4, max_size=4))
        decisions = [
            ShadowDecision(at=at(moment), verdict=verdict, reason="", began_at=at(moments[0]), alerts=(), run=run)
            for moment, verdict in zip(moments[:-1], verdicts, strict=False)
        ]
        heard_s = draw(st.integers(0, 20))
        cleared = at(max(moments[0], moments[-1] - heard_s))
        end = ShadowEnd(at=at(moments[-1]), component=run.component, policy=run.policy, cleared_at=cleared)
        found.append(ShadowEpisode(decisions=tuple(decisions), end=end if draw(st.booleans()) else None))
    return tuple(sorted(found, key=lambda one: (one.decisions[0].at, one.decisions[0].pair)))


@given(histories(), st.integers(1, _HORIZON_S))
def test_what_is_saved_is_every_second_between_the_run_s_end_and_the_alert_s(
    episodes: tuple[ShadowEpisode, ...], until: int
) -> None:
    report = shadow_report(episodes, [], since=NINE, until=at(until))
    for story in report.stories:
        end, would_end = story.episode.end, story.would_end
        is_on = [
            second
            for second in range(until)
            if would_end is not None
            and at(second) >= would_end
            and (end is None or end.cleared_at is None or at(second) < end.cleared_at)
        ]
        assert story.saved_s == len(is_on) * story.episode.run.success
        assert (story.outcome is Outcome.SAVED) == bool(is_on)
        assert story.saved_money == story.saved_s / 60 * story.episode.run.loss_per_minute
    for total in report.totals:
        assert sum(total.number(outcome) for outcome in Outcome) == len(total.stories)
        assert total.saved_s == sum(story.saved_s for story in total.stories)


@given(histories(), st.integers(1, _HORIZON_S), st.integers(0, 50))
def test_a_report_that_looks_further_never_saves_less(
    episodes: tuple[ShadowEpisode, ...], until: int, more: int
) -> None:
    earlier = shadow_report(episodes, [], since=NINE, until=at(until))
    later = shadow_report(episodes, [], since=NINE, until=at(until + more))
    saved = {story.episode.run.component: story.saved_s for story in later.stories}
    for story in earlier.stories:
        assert saved[story.episode.run.component] >= story.saved_s


@given(histories())
def test_the_journal_gives_back_what_was_put_in(episodes: tuple[ShadowEpisode, ...]) -> None:
    events = [decided_event(decision) for episode in episodes for decision in episode.decisions]
    events += [ended_event(episode.end) for episode in episodes if episode.end is not None]
    assert episodes_of(events) == episodes
