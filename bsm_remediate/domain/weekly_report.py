"""The weekly report: when it is due, and the statistics of a week as a short text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bsm_remediate.domain.bundle import WeeklyReport
from bsm_remediate.domain.notice_text import plain_text

WEEK = timedelta(days=7)
TOLD_WITHIN = timedelta(days=1)
"""Who starts the engine later gets the next one."""
_SHOWN = 5


def latest_due(report: WeeklyReport, now: datetime) -> datetime | None:
    """When the latest report was due, by the zone's wall clock; None when that was too long ago to be told still."""
    zone = ZoneInfo(report.timezone)
    there = now.astimezone(zone)
    day = there.date() - timedelta(days=(there.weekday() - report.weekday) % 7)
    found = datetime.combine(day, report.at, tzinfo=zone).astimezone(UTC)
    if found > now:
        found = datetime.combine(day - WEEK, report.at, tzinfo=zone).astimezone(UTC)
    return found if now - found < TOLD_WITHIN else None


def weekly_title(document: Mapping[str, Any], currency: str) -> str:
    """What the week cost, and what was avoided."""
    lost, avoided = document["loss"]["total"], document["avoided"]["money"]
    return plain_text(f"The week: {lost:,.2f} {currency} lost, {avoided:,.2f} avoided", 120)


def weekly_body(document: Mapping[str, Any], currency: str, *, since: datetime, until: datetime) -> str:
    """Losses, objectives and what to think about, in a few lines."""
    lines = [f"{since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC"]
    services = document["loss"]["by_service"][:_SHOWN]
    for one in services:
        down = one["minutes"].get("down", 0.0)
        causes = ", ".join(f"{cause['cause'] or 'unexplained'}" for cause in one["causes"][:3])
        lines.append(
            f"• {one['service']} lost {one['lost']:,.2f} {currency}, down {down:,.1f} min, by {causes or 'none'}"
        )
    if not services:
        lines.append("Nothing failed, nothing was lost.")
    lines += [
        f"• {one['service']} missed its objective of {one['objective']:g} % in {one['window']}"
        for one in document["objectives"]
        if one["met"] is False
    ]
    found = document["response"]
    if found["failures"]:
        lines.append(f"{found['failures']} failures of components, {found['answered']} of them answered by a run")
    avoided = document["avoided"]
    lines.append(
        f"Avoided {avoided['money']:,.2f} {currency} in {avoided['outages']} outages. {avoided['assumption']}."
    )
    lines += [f"• {one['policy']}, {one['playbook']}: {one['told']}" for one in document["playbooks"] if one["told"]]
    return "\n".join(plain_text(line, 600) for line in lines)[:3_000]
