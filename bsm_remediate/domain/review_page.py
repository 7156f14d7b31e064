"""The page of a review: Markdown, written from its facts (`review_document`). All names and texts in it are data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.markdown import escaped, table

Row = Mapping[str, Any]
_NAME = 80
"""Characters of a name."""


def review_page(review: Row) -> str:
    """The whole of it."""
    sections = (
        ["# Incident review"],
        _head(review),
        ["## Summary", *(escaped(one, 1_000) for one in review["summary"])],
        ["## Impact", _impact(review)],
        ["## Timeline", _timeline(review)],
        ["## Causes", *_causes(review)],
        ["## What was done", *_runs(review)],
        ["## What the model got wrong", *_findings(review)],
        ["## Questions for people", *_questions(review)],
        ["## What this assumes", "\n".join(f"- {escaped(one)}" for one in review["assumptions"])],
    )
    return "\n\n".join(paragraph for section in sections for paragraph in section if paragraph) + "\n"


def _head(review: Row) -> list[str]:
    incident = review["incident"]
    begin, end = _moment(incident["alert_began_at"]), incident["ended_at"]
    lines = [
        f"- Incident {_name(incident['id'])}",
        f"- From {begin} to {_moment(end)} (UTC)" if end is not None else f"- Since {begin} (UTC); it lasts",
        f"- Written {_moment(review['written_at'])} from the journal, the alerts and the runs",
    ]
    return ["\n".join(lines)]


def _impact(review: Row) -> str:
    if not review["impact"]:
        return "No service was lost."
    rows = []
    for one in review["impact"]:
        used = f"{_share(one['budget_used'])} of {one['window']}" if one["budget_used"] is not None else ""
        title = f" ({escaped(one['title'], _NAME)})" if one["title"] else ""
        still = "" if one["is_over"] else ", still lost"
        rows.append(
            [
                f"{_name(one['service'])}{title}{still}",
                _length(one["down_s"]) if one["down_s"] else "",
                _length(one["degraded_s"]) if one["degraded_s"] else "",
                f"{one['lost']:,.2f}",
                f"{one['objective']:g} %" if one["objective"] is not None else "",
                used,
            ]
        )
    head = ["service", ">down", ">degraded", f">lost, {escaped(review['currency'], _NAME)}", ">objective"]
    lines = table([*head, ">error budget used"], rows)
    return "\n".join(lines) + _left_out(review["impact_left_out"], "services")


def _timeline(review: Row) -> str:
    began = datetime.fromisoformat(review["incident"]["alert_began_at"])
    days = {one[name][:10] for one in review["timeline"] for name in ("at", "until") if one[name] is not None}
    rows = []
    for one in review["timeline"]:
        when = _clock(one["at"], is_one_day=len(days) == 1)
        after = _after(one["after_s"])
        if one["until"] is not None and one["until"] != one["at"]:
            last = datetime.fromisoformat(one["until"])
            when = f"{when} to {_clock(one['until'], is_one_day=len(days) == 1)}"
            after = f"{after} to {_after((last - began).total_seconds())}"
        rows.append([when, after, escaped(one["told"])])
    text = "\n".join(table(["UTC", ">after", "what happened"], rows))
    if len(days) == 1:
        text = f"On {next(iter(days))}. The offsets count from the begin of the first alert.\n\n{text}"
    return text + _left_out(review["timeline_left_out"], "lines from its middle")


def _causes(review: Row) -> list[str]:
    if not review["causes"]:
        return ["No component was known to fail, and none was named as a cause."]
    rows = []
    for one in review["causes"]:
        place = f"{one['best_rank']} ({one['score']:.2f})" if one["best_rank"] is not None else ""
        rows.append(
            [
                _name(one["component"]),
                _clock(one["failed_at"], is_one_day=False) if one["failed_at"] else "not known to fail",
                _clock(one["restored_at"], is_one_day=False) if one["restored_at"] else "",
                place,
                "yes" if one["was_named"] else "no",
                _names(one["mended"]) or "nothing",
                f"{one['lost']:,.2f}",
            ]
        )
    head = ["component", "failed", "ok again", "best rank then (score)", "named as a cause", "what came back with it"]
    found = [
        "\n".join(table([*head, f">lost to it, {escaped(review['currency'], _NAME)}"], rows))
        + _left_out(review["causes_left_out"], "components")
    ]
    if review["affected"]:
        found.append(f"{review['affected']:,} more component(s) only shared the failure of what they require.")
    ranked = [_ranking(one) for one in review["rankings"]]
    found.append("\n".join(ranked) if ranked else "No ranking of causes was recorded.")
    return found


def _ranking(one: Row) -> str:
    causes = ", ".join(
        f"{_name(cause['component'])} {cause['score']:.2f}{' (suspect)' if cause['suspect'] else ''}"
        for cause in one["causes"]
    )
    return f"- Ranked at {_clock(one['at'], is_one_day=True)}: {causes}"


def _runs(review: Row) -> list[str]:
    if not review["runs"]:
        return ["Nothing: the engine ran no playbook, and asked for no approval."]
    found = [_run(number, one, review) for number, one in enumerate(review["runs"], start=1)]
    return ["\n".join(found) + _left_out(review["runs_left_out"], "runs")]


def _run(number: int, one: Row, review: Row) -> str:
    """An item of a numbered list."""
    began = datetime.fromisoformat(review["incident"]["alert_began_at"])
    after = _after((datetime.fromisoformat(one["planned_at"]) - began).total_seconds())
    what = f"{_name(one['playbook'])} on {_name(one['host'])} for {_name(one['component'])}"
    when = f"planned at {_clock(one['planned_at'], is_one_day=True)} ({after})"
    lines = [
        f"Run {_name(one['id'])}, {when}: {what}, under policy {_name(one['policy'])}",
        f"Why: {escaped(one['reason'])}",
    ]
    if one["order"] is not None:
        promised = _names(one["promised"])
        gain = f", {one['gain_per_minute']:,.2f} {escaped(review['currency'], _NAME)}/min" if promised else ""
        lines.append(f"Place {one['order']} in the plan; expected to bring back {promised or 'no service'}{gain}")
    if one["waited_s"] is not None:
        by = f"approved by {escaped(one['approved_by'], _NAME)}" if one["approved_by"] else "not approved"
        lines.append(f"Waited {_length(one['waited_s'])} for approval, {by}")
    took = f"took {_length(one['taken_s'])} until its checks passed" if one["taken_s"] is not None else "never passed"
    lines.append(f"Expected {_length(one['expected_s'])}, {took}{_attempts(one['attempts'])}")
    lines.append(f"Ended {escaped(one['state'])}{': ' if one['outcome'] else ''}{escaped(one['outcome'])}")
    if one["rollback"] is not None:
        lines.append(f"Rollback: {escaped(one['rollback'])}")
    first, *rest = lines
    return "\n".join([f"{number}. {first}", *(f"   - {line}" for line in rest)])


def _attempts(number: int) -> str:
    return f", in {number} attempts" if number > 1 else "" if number else ", its playbook was not begun"


def _findings(review: Row) -> list[str]:
    if not review["findings"]:
        return ["Nothing that could be computed from the record."]
    return ["\n".join(f"- **{_TITLES[one['kind']]}**: {escaped(one['told'], 800)}" for one in review["findings"])]


_TITLES = {
    "unexplained": "Lost without a known cause",
    "nothing_was_run": "Nothing was run",
    "ranked_wrongly": "Wrong cause ranked first",
    "services_not_restored": "Services that a repair didn't bring back",
    "checks_passed_wrongly": "Checks that passed wrongly",
    "symptom_needed_repair": "A symptom that was none",
    "expected_duration": "Expected duration",
    "approval_too_slow": "Approval that cost more than it protected",
    "slow_detection": "Slow monitoring",
    "unmapped_alerts": "Alerts that fit nothing",
    "alerts_without_policy": "Alerts that no policy names",
}


def _questions(review: Row) -> list[str]:
    people = []
    for one in review["people"]:
        duties = f" ({', '.join(escaped(duty, _NAME) for duty in one['duties'])})" if one["duties"] else ""
        then = f"; on call then: {escaped(one['on_call_then'], _NAME)}" if one["on_call_then"] else ""
        now = f", now: {escaped(one['on_call_now'], _NAME)}" if one["on_call_now"] else ""
        more = f" and {one['owns_more']} more" if one["owns_more"] else ""
        people.append(f"- Team {_name(one['team'])}{duties} looks after {_names(one['owns'])}{more}{then}{now}")
    asked = []
    for one in review["questions"]:
        whom = f" (team {_name(one['team'])})" if one["team"] is not None else ""
        asked.append(f"- [ ] {escaped(one['question'])}{whom} Action: … by: …")
    return ["\n".join(people) or "Nothing that failed has an owner in the bundle.", "\n".join(asked)]


# --- pieces ----------------------------------------------------------------------------------------------------------


def _name(name: str) -> str:
    return escaped(name, _NAME)


def _names(names: list[str]) -> str:
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    return ", ".join(_name(one) for one in names[:5]) + more


def _share(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"


def _left_out(number: int, what: str) -> str:
    return f"\n\n… and {number:,} {what} are left out." if number else ""


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _clock(text: str, *, is_one_day: bool) -> str:
    return _moment(text)[11:] if is_one_day else _moment(text)


def _after(seconds: float) -> str:
    return f"{'+' if seconds >= 0 else '-'}{_length(abs(seconds))}"


def _length(seconds: float) -> str:
    return format_duration(timedelta(seconds=round(seconds, 1) if seconds < 60 else round(seconds)))
