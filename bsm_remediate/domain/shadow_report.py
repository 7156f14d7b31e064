"""What policies in shadow would have saved: minutes first, money second, with what that assumes (DESIGN 5.7).

The counterfactual is one run per episode: it starts when nothing stands in its way and the queue lets it, takes as long
as expected, and restores with the expected chance. What it saves is the time from its end to the end of the alert.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from bsm_remediate.domain.decision import Verdict
from bsm_remediate.domain.ids import PolicyId
from bsm_remediate.domain.run import Run
from bsm_remediate.domain.shadow import ShadowEpisode
from bsm_remediate.domain.shadow_queue import FOREVER, Busy, ShadowJob, turns

LOOK_BACK = timedelta(days=1)
"""Episodes from so long before a report still count for its cooldowns and budgets."""


class Outcome(StrEnum):
    """How an episode would have gone."""

    SAVED = "saved"
    """The alert outlasted the run."""
    CLEARED_FIRST = "cleared_first"
    """The alert ended before the run would have."""
    BLOCKED = "blocked"
    """Something stood in its way all the time."""
    UNFINISHED = "unfinished"
    """At the end of the report, or when the policy left the shadow, the run would have been waiting or under way."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Story:
    """One episode and the run that would have been."""

    episode: ShadowEpisode
    outcome: Outcome
    seen_until: datetime
    """When its alert ended, the policy left the shadow, or the report ends."""
    until: datetime
    """Of the report."""
    would_start: datetime | None
    would_end: datetime | None
    waited_for: tuple[str, ...]
    """What kept it in the queue: `executor`, locks, `cooling_down`, `budget_spent`."""
    blocked_s: tuple[tuple[Verdict, float], ...]
    """What stood in its way, for how many seconds; in order of appearance."""
    saved_s: float
    """Expected: with the chance of success."""

    @property
    def is_over(self) -> bool:
        """Whether its alert has ended."""
        return self.episode.end is not None and self.episode.end.cleared_at is not None

    @property
    def saved_money(self) -> float:
        return self.saved_s / 60 * self.episode.run.loss_per_minute


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyTotal:
    """All episodes of one policy; those of policies that match the same alerts claim the same minutes."""

    policy: PolicyId
    stories: tuple[Story, ...]

    def number(self, outcome: Outcome) -> int:
        return sum(story.outcome is outcome for story in self.stories)

    @property
    def saved_s(self) -> float:
        return sum(story.saved_s for story in self.stories)

    @property
    def saved_money(self) -> float:
        return sum(story.saved_money for story in self.stories)


@dataclass(frozen=True, kw_only=True, slots=True)
class ShadowReport:
    """`stories` of the episodes between `since` and `until`, oldest first."""

    since: datetime
    until: datetime
    stories: tuple[Story, ...]
    totals: tuple[PolicyTotal, ...]
    """Who would have saved most comes first; policies that had nothing to do come last."""


def shadow_report(
    episodes: Sequence[ShadowEpisode],
    runs: Iterable[Run],
    *,
    since: datetime,
    until: datetime,
    policies: Iterable[PolicyId] = (),
) -> ShadowReport:
    """The report on what `episodes` have between `since` and `until`; `runs` are the real ones of that time, and
    `policies` those in shadow, for they may have had nothing to do.
    """
    cut = (one.up_to(until) for one in episodes)
    known = [one for one in cut if one is not None and _seen_until(one, until) >= since - LOOK_BACK]
    jobs = [_job(one, until) for one in known]
    busy = [found for run in runs if (found := _busy(run)) is not None]
    told = [_story(one, turn.span, turn.waited_for, until) for one, turn in zip(known, turns(jobs, busy), strict=True)]
    stories = tuple(story for story in told if story.seen_until >= since)
    names = {*policies, *(story.episode.run.policy for story in stories)}
    totals = (_total(name, stories) for name in names)
    return ShadowReport(
        since=since,
        until=until,
        stories=stories,
        totals=tuple(sorted(totals, key=lambda one: (not one.stories, -one.saved_s, one.policy))),
    )


def _total(policy: PolicyId, stories: Iterable[Story]) -> PolicyTotal:
    return PolicyTotal(policy=policy, stories=tuple(one for one in stories if one.episode.run.policy == policy))


def _seen_until(episode: ShadowEpisode, until: datetime) -> datetime:
    end = episode.end
    if end is None:
        return until
    return end.cleared_at if end.cleared_at is not None else end.at


def _job(episode: ShadowEpisode, until: datetime) -> ShadowJob:
    run = episode.run
    spans = [(begin, end) for one, begin, end in episode.spans(until) if one.verdict is Verdict.SHADOW]
    return ShadowJob(
        ready=_joined([(begin.timestamp(), end.timestamp()) for begin, end in spans]),
        duration_s=run.expected_duration_s,
        locks=frozenset(run.locks),
        executors=run.executors,
        rank=(-run.weighted_loss_per_minute / max(run.expected_duration_s, 1.0), episode.began_at),
        pair=f"{run.policy} on {run.component}",
        group=run.group,
        cooldown_s=run.cooldown_s,
        budgets=run.budgets,
    )


def _joined(spans: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    found: list[tuple[float, float]] = []
    for begin, end in spans:
        if found and found[-1][1] >= begin:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return tuple(found)


def _busy(run: Run) -> Busy | None:
    """The executor and locks of a real run: from the start of its playbook to its end, holding included."""
    if run.started_at is None:
        return None
    until = run.ended_at.timestamp() if run.ended_at is not None else FOREVER
    return Busy(since=run.started_at.timestamp(), until=until, locks=frozenset(run.locks))


def _story(
    episode: ShadowEpisode, span: tuple[float, float] | None, waited_for: tuple[str, ...], until: datetime
) -> Story:
    seen_until = _seen_until(episode, until)
    start, end = (datetime.fromtimestamp(one, UTC) for one in span) if span is not None else (None, None)
    blocked: dict[Verdict, float] = {}
    for decision, begin, finish in episode.spans(until):
        if decision.verdict is not Verdict.SHADOW and begin < seen_until:
            seconds = (min(finish, seen_until) - begin).total_seconds()
            blocked[decision.verdict] = blocked.get(decision.verdict, 0.0) + seconds
    is_over = episode.end is not None and episode.end.cleared_at is not None
    was_free = any(one.verdict is Verdict.SHADOW for one, _, _ in episode.spans(until))
    outlasts_s = max((seen_until - end).total_seconds(), 0.0) if end is not None else 0.0
    if outlasts_s > 0:
        outcome = Outcome.SAVED
    elif not was_free:
        outcome = Outcome.BLOCKED
    else:
        outcome = Outcome.CLEARED_FIRST if is_over else Outcome.UNFINISHED
    return Story(
        episode=episode,
        outcome=outcome,
        seen_until=seen_until,
        until=until,
        would_start=start,
        would_end=end,
        waited_for=waited_for,
        blocked_s=tuple(blocked.items()),
        saved_s=outlasts_s * episode.run.success,
    )
