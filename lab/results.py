"""The demo's last table: what was lost in the order chosen, and what first come, first served would have lost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.table import Table

from bsm_remediate.domain.bundle import Bundle
from lab.account import Account, Repair
from lab.screen import Screen
from lab.shop import DISK_FAULT
from lab.story import Story

_PAUSE_S = 2.0


def account_of(story: Story, bundle: Bundle, goal: str, breaks: Sequence[str]) -> Account:
    """The durations of the real runs."""
    repairs = {}
    starts = []
    for component in (_component(fault) for fault in breaks):
        runs = [run for run in story.runs if run["component"] == component and run["started_at"]]
        starts += [run["planned_at"] for run in runs[:1]]
        repairs[component] = _repair(component, runs, story)
    first = min((_time(start) for start in starts), default=story.began_at)
    lag = max(0.0, (first - story.began_at).total_seconds())
    return Account(bundle=bundle, repairs=repairs, goal=goal, lag_s=lag, at=story.began_at)


def _repair(component: str, runs: Sequence[dict[str, Any]], story: Story) -> Repair:
    """All alternatives together; the last is the one that helped."""
    busy = restored = 0.0
    for run in runs:
        begin, ended = run["planned_at"], story.playbook_ended_at.get(run["id"], run["ended_at"])
        restored = busy + _seconds(begin, story.changed_at.get(run["id"], ended))
        # What the engine needs until the next run begins is part of it: every order has that pause.
        following = min(
            (one["planned_at"] for one in story.runs if _is_soon_after(one["planned_at"], ended)), default=None
        )
        busy += _seconds(begin, following or ended)
    locks = frozenset(f"host:{run['host']}" for run in runs)
    return Repair(component=component, restored_s=restored, busy_s=busy, locks=locks)


def show_results(screen: Screen, account: Account, story: Story, breaks: Sequence[str]) -> None:
    """Orders and losses as a table, and what they mean in a sentence."""
    currency = account.bundle.currency
    come = [_component(fault) for fault in breaks]
    chosen = [one for one in story.chosen if one in come]
    chosen += [one for one in come if one not in chosen]
    measured, computed = story.outages(), account.outages(come)
    lost, would_lose = account.loss(measured), account.loss(computed)
    table = Table(title="What the outage cost, by what customers met")
    table.add_column("service")
    come_first = "first come (computed)"
    for title in ("minutes", f"{currency} lost", f"minutes, {come_first}", f"{currency}, {come_first}"):
        table.add_column(title, justify="right")
    for service in sorted(measured, key=lambda one: -would_lose[one]):
        minutes, others = measured[service] / 60, computed[service] / 60
        table.add_row(service, f"{minutes:.2f}", f"{lost[service]:.2f}", f"{others:.2f}", f"{would_lose[service]:.2f}")
    table.add_section()
    table.add_row("together", "", f"{sum(lost.values()):.2f}", "", f"{sum(would_lose.values()):.2f}", style="bold")
    if account.is_weighted:
        weighted, others_weighted = account.total(lost), account.total(would_lose)
        table.add_row(f"weighted by {account.goal}", "", f"{weighted:.2f}", "", f"{others_weighted:.2f}", style="bold")
    screen.table(table)
    screen.say(f"Order chosen:                {', '.join(chosen)}")
    screen.say(f"First come, first served:    {', '.join(come)}")
    screen.say(_in_words(account, chosen, come, account.total(lost)))


def _in_words(account: Account, chosen: Sequence[str], come: Sequence[str], measured: float) -> str:
    """The same computation for both orders, so that its error shows too."""
    unit = account.bundle.currency + (f" weighted by goal {account.goal}" if account.is_weighted else "")
    mean = account.mean_total()
    average = f", the mean of all orders {mean:.2f}" if mean is not None else ""
    return (
        f"Computed from the durations seen, the order chosen loses {account.computed_total(chosen):.2f} {unit} "
        f"(measured: {measured:.2f}), first come {account.computed_total(come):.2f}{average}."
    )


def _component(fault: str) -> str:
    return "database" if fault == DISK_FAULT else fault


def _is_soon_after(begin: str, ended: str | None) -> bool:
    return ended is not None and 0 <= (_time(begin) - _time(ended)).total_seconds() < _PAUSE_S


def _seconds(begin: str | None, end: str | None) -> float:
    if begin is None or end is None:
        return 0.0
    return max(0.0, (_time(end) - _time(begin)).total_seconds())


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
