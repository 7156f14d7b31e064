"""The shadow report in words and as a document (`report -o json`, `GET /api/v1/report`)."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from math import ceil

from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.event import Json
from bsm_remediate.domain.plan_document import time_text
from bsm_remediate.domain.shadow_report import Outcome, PolicyTotal, ShadowReport, Story

ASSUMPTIONS = (
    "each run would have started once nothing stood in its way, with an executor and its locks free, approved at once",
    "it would have taken as long as its policy expects, and restored its component with the expected chance",
    "its further alternatives aren't counted",
    "each minute saved is worth the loss per minute as assessed when it was decided, shared evenly among the causes",
    "an alert that ended by itself and one that a person ended look alike",
)


def shadow_document(report: ShadowReport, *, currency: str) -> dict[str, Json]:
    """The shadow section; minutes and money are expected values."""
    return {
        "assumptions": list(ASSUMPTIONS),
        "policies": [_policy(total, currency) for total in report.totals],
        "episodes": [_episode(story) for story in report.stories],
    }


def _policy(total: PolicyTotal, currency: str) -> dict[str, Json]:
    return {
        "policy": total.policy,
        "episodes": len(total.stories),
        **{outcome.value: total.number(outcome) for outcome in Outcome},
        "minutes_saved": _minutes(total.saved_s),
        "money_saved": round(total.saved_money, 2),
        "verdict": verdict_of(total, currency),
    }


def _episode(story: Story) -> dict[str, Json]:
    run, end = story.episode.run, story.episode.end
    return {
        "component": run.component,
        "host": run.host,
        "policy": run.policy,
        "playbook": run.playbook,
        "vars": dict(run.vars),
        "written_mode": run.written_mode,
        "began_at": time_text(story.episode.began_at),
        "decided_at": time_text(story.episode.decisive.at),
        "would_start_at": _time(story.would_start),
        "would_end_at": _time(story.would_end),
        "expected_duration_s": run.expected_duration_s,
        "success": run.success,
        "waited_for": list(story.waited_for),
        "ended_at": time_text(story.seen_until) if story.is_over else None,
        "restored_by": (end.restored_by if end is not None else "") or None,
        "outcome": story.outcome.value,
        "verdicts": [
            {"verdict": one.verdict.value, "from": time_text(begin), "to": time_text(finish), "reason": one.reason}
            for one, begin, finish in story.episode.spans(story.until)
        ],
        "services": list(run.services),
        "loss_per_minute": round(run.loss_per_minute, 4),
        "minutes_saved": _minutes(story.saved_s),
        "money_saved": round(story.saved_money, 2),
        "told": told(story),
    }


def told(story: Story) -> str:
    """One episode in a sentence."""
    lasted = _length((story.seen_until - story.episode.began_at).total_seconds())
    end = story.episode.end
    by = f", restored by {end.restored_by}" if end is not None and end.restored_by else ""
    ended = f"the alert ended after {lasted}{by}" if story.is_over else f"the alert was on for {lasted} and not over"
    if story.outcome is Outcome.BLOCKED:
        return f"{ended}; {_blocked(story)} stood in its way all the time"
    if story.would_end is None or story.would_start is None:
        waited = ", ".join(story.waited_for) or "its turn"
        return f"{ended}, while the run would have waited for {waited}"
    end_after = _length((story.would_end - story.episode.began_at).total_seconds())
    if story.outcome is Outcome.SAVED:
        return f"{ended}; the run would have ended after {end_after}"
    return f"{ended}, before the run would have ended (after {end_after})"


def verdict_of(total: PolicyTotal, currency: str) -> str:
    """What its episodes say about a policy, and what to think about, in plain words."""
    number = len(total.stories)
    if not number:
        return "had nothing to do in this time: no alert that it matches"
    saved = total.number(Outcome.SAVED)
    parts = []
    if saved:
        money = f" ({total.saved_money:,.2f} {currency})" if total.saved_money > 0 else ""
        parts.append(f"would have saved {_length(total.saved_s)}{money} in {saved} of {_episodes(number)}")
    else:
        parts.append(f"would have saved nothing in {_episodes(number)}")
    cleared = [story for story in total.stories if story.outcome is Outcome.CLEARED_FIRST]
    if cleared:
        others = sum(story.episode.end is not None and bool(story.episode.end.restored_by) for story in cleared)
        restored = f" ({others} restored by another policy)" if others else ""
        parts.append(f"{len(cleared)} ended before it would have{restored}")
    blocked = [story for story in total.stories if story.outcome is Outcome.BLOCKED]
    if blocked:
        parts.append(f"{len(blocked)} blocked all the time, most by {_most_blocking(blocked)}")
    if total.number(Outcome.UNFINISHED):
        parts.append(f"{total.number(Outcome.UNFINISHED)} not over yet")
    return f"{'; '.join(parts)}: {_advice(total, cleared, blocked)}"


def _advice(total: PolicyTotal, cleared: list[Story], blocked: list[Story]) -> str:
    saved = total.number(Outcome.SAVED)
    number = len(total.stories)
    if saved and not cleared and saved * 2 >= number:
        return "consider mode approve, then auto"
    if len(blocked) * 2 > number:
        return "look at what stood in its way before its mode is raised"
    if cleared:
        age = ceil(max((one.seen_until - one.episode.began_at).total_seconds() for one in cleared))
        outlasting = [
            one
            for one in total.stories
            if one.outcome is Outcome.SAVED and (one.seen_until - one.episode.began_at).total_seconds() > age
        ]
        if outlasting:
            return f"consider `when: signal.age > {age}`, so that it acts only on alerts that don't end by themselves"
        return "consider leaving it in shadow, or a faster playbook"
    return "wait for more episodes"


def _most_blocking(stories: list[Story]) -> str:
    seconds: Counter[str] = Counter()
    for story in stories:
        for verdict, length in story.blocked_s:
            seconds[verdict.value] += ceil(length * 1000)
    return max(sorted(seconds), key=lambda one: seconds[one]) if seconds else "its first moment"


def _blocked(story: Story) -> str:
    return ", ".join(f"{verdict} ({_length(seconds)})" for verdict, seconds in story.blocked_s) or "something"


def _episodes(number: int) -> str:
    return f"{number} episode{'s' if number != 1 else ''}"


def _length(seconds: float) -> str:
    """Minutes first: below one minute in seconds, to the minute above ten."""
    if seconds >= 600:
        return f"{round(seconds / 60):,} min"
    return format_duration(timedelta(seconds=round(seconds)))


def _minutes(seconds: float) -> float:
    return round(seconds / 60, 2)


def _time(moment: datetime | None) -> str | None:
    return time_text(moment) if moment is not None else None
