"""The report in brief: what a week came to, as plain text of at most forty lines, the impact first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from textwrap import wrap
from typing import Any

from bsm_remediate.domain.duration import format_duration

Row = Mapping[str, Any]
_SHOWN = 4
"""Lines of each list."""
_CAUSES = 3
_WIDTH = 100
_NO_CAUSE = "unexplained"


def report_brief(report: Row) -> str:
    """From the document of the report (`report -o json`) alone, so whoever sends it can make it anywhere."""
    lines = [f"Business services, {_moment(report['from'])} to {_moment(report['to'])} UTC"]
    if report["recorded_since"] is None:
        return "\n".join([*lines, "", "No ledger was kept in this time: nothing can be said of it."]) + "\n"
    if datetime.fromisoformat(report["recorded_since"]) > datetime.fromisoformat(report["from"]):
        lines.append(f"Recorded only since {_moment(report['recorded_since'])}.")
    for section in (_lost, _objectives, _avoided, _unpaid, _expectations):
        lines += ["", *(_printable(line) for line in section(report))]
    return "\n".join(lines) + "\n"


def _lost(report: Row) -> Iterator[str]:
    loss, currency = report["loss"], report["currency"]
    services, number = loss["by_service"], len(report["outages"])
    if not services:
        yield "Lost: nothing, no service failed."
        return
    yield f"Lost: {loss['total']:,.2f} {currency}, in {_count(number, 'outage')} of {_count(len(services), 'service')}."
    for one in services[:_SHOWN]:
        causes = [f"{cause['cause'] or _NO_CAUSE} {cause['lost']:,.2f}" for cause in one["causes"] if cause["lost"]]
        more = f" and {len(causes) - _CAUSES} more" if len(causes) > _CAUSES else ""
        to = f": {', '.join(causes[:_CAUSES])}{more}" if causes else ""
        states = [(state, one["minutes"].get(state, 0.0)) for state in ("down", "degraded")]
        stood = "".join(f", {state} {_length(minutes * 60)}" for state, minutes in states if minutes)
        yield f"  {one['service']} {one['lost']:,.2f}{stood}{to}"
    if len(services) > _SHOWN:
        rest = sum(one["lost"] for one in services[_SHOWN:])
        yield f"  and {_count(len(services) - _SHOWN, 'service')} more: {rest:,.2f}"


def _objectives(report: Row) -> Iterator[str]:
    known = [one for one in report["objectives"] if one["met"] is not None]
    missed = sorted((one for one in known if not one["met"]), key=lambda one: one["availability"] - one["objective"])
    if not known:
        yield "Objectives: none was measured."
        return
    yield f"Objectives missed: {len(missed) or 'none'} of {len(known)}."
    for one in missed[:_SHOWN]:
        left = one["budget_left"]
        used = f", {1 - left:.0%} of its error budget used" if left is not None else ""
        yield (
            f"  {one['service']}: {one['availability']:.3f} % where {one['objective']:g} % is promised in"
            f" {one['window']}{used}"
        )
    yield from _more(missed)
    goals = [one for one in report["goals"] if one["met"] is False]
    if goals:
        met = [f"{one['goal']} {one['met_share']:.0%}" for one in goals[:_SHOWN]]
        more = f" and {len(goals) - _SHOWN} more" if len(goals) > _SHOWN else ""
        yield f"  Of what goals weigh, met: {', '.join(met)}{more}"


def _avoided(report: Row) -> Iterator[str]:
    found = report["avoided"]
    length = _length(found["minutes"] * 60)
    yield f"Avoided: {found['money']:,.2f} {report['currency']}, {length}, in {_count(found['outages'], 'outage')}."
    if found["outages"]:
        yield from _wrapped(f"This assumes that {found['assumption']}.")


def _unpaid(report: Row) -> Iterator[str]:
    unpaid = sorted((one for one in report["playbooks"] if not one["pays"]), key=lambda one: -one["lost_meanwhile"])
    yield f"Playbooks that don't pay: {len(unpaid) or 'none'} of {len(report['playbooks'])}."
    for one in unpaid[:_SHOWN]:
        yield (
            f"  {one['policy']}, {one['playbook']}: {one['restored']} of {_count(one['runs'], 'run')} restored,"
            f" {one['lost_meanwhile']:,.2f} lost meanwhile, {one['avoided']:,.2f} avoided"
        )
    yield from _more(unpaid)


def _expectations(report: Row) -> Iterator[str]:
    wrong = [one for one in report["playbooks"] if one["expectation_is_wrong"]]
    yield f"Expectations that are wrong: {len(wrong) or 'none'}."
    for one in wrong[:_SHOWN]:
        taken, expected = _length(one["taken_s"]["mean"]), _length(one["expected_s"])
        yield f"  {one['policy']}, {one['playbook']}: takes {taken} where {expected} is expected"
    yield from _more(wrong)


def _more(found: Sequence[Row]) -> Iterator[str]:
    if len(found) > _SHOWN:
        yield f"  and {len(found) - _SHOWN} more"


def _wrapped(text: str) -> list[str]:
    return wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="  ")


def _printable(line: str) -> str:
    """Names are data: no line of theirs becomes another one."""
    return "".join(char if char.isprintable() else "�" for char in line)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M}"


def _length(seconds: float) -> str:
    return format_duration(timedelta(seconds=round(seconds)))
