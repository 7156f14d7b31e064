"""The statistics of a time as sections of a document (`report -o json`, `GET /api/v1/report`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bsm_remediate.domain.attempts import BY_A_PERSON
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.event import Json
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.ledger import ServiceEntry
from bsm_remediate.domain.plan_document import time_text
from bsm_remediate.domain.run import Run
from bsm_remediate.domain.state import State
from bsm_remediate.domain.statistics import (
    History,
    Outage,
    attainment,
    availability,
    lost,
    lost_by_cause,
    outages,
    seconds_by_state,
)
from bsm_remediate.domain.statistics_goals import goal_rows
from bsm_remediate.domain.statistics_runs import (
    Avoided,
    PlaybookRecord,
    all_avoided,
    percentiles,
    playbook_records,
    responses,
)

_BINS = 56
"""Of the curve of losses: eight a day in a week."""

ASSUMPTIONS = (
    "money counts from when the engine saw an outage, at the prices then in force, whatever the goal weighs",
    "while no engine looked, everything stood as it stood last",
    "what a service lost is shared evenly among the causes that were named at the time",
    "down is unavailable, degraded isn't; maintenance and what is unknown are left out of availability",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Told:
    """What the sections of one report share."""

    bundle: Bundle
    history: History
    since: datetime
    until: datetime
    recorded_since: datetime
    avoided: Sequence[Avoided]


def statistics_document(
    history: History, runs: Sequence[Run], bundle: Bundle, *, since: datetime, until: datetime
) -> dict[str, Json]:
    """All sections on the time after `since` up to `until`; `runs` are all that ended in it or that restored something
    whose outage ended in it.
    """
    person = bundle.settings.person or BY_A_PERSON
    recorded = history.recorded_since if history.recorded_since is not None else until
    ended = [one for one in all_avoided(history, runs, person) if since < (one.outage.end or until) <= until]
    told = _Told(
        bundle=bundle, history=history, since=since, until=until, recorded_since=min(recorded, until), avoided=ended
    )
    objectives = _objectives(told)
    return {
        "recorded_since": time_text(history.recorded_since) if history.recorded_since is not None else None,
        "assumptions": list(ASSUMPTIONS),
        "loss": _loss(told),
        "objectives": objectives,
        "goals": goal_rows(objectives, bundle),
        "outages": _outages(told),
        "components": _components(told),
        "response": _response(told, runs),
        "avoided": _avoided(ended, person, is_said=bundle.settings.person is not None),
        "playbooks": [_playbook(one, bundle.currency) for one in playbook_records(history, runs, ended, since, until)],
    }


def _loss(told: _Told) -> dict[str, Json]:
    services: list[tuple[float, dict[str, Json]]] = []
    by_cause: defaultdict[NodeId, float] = defaultdict(float)
    for service, spans in told.history.services.items():
        states = seconds_by_state(spans, told.since, told.until)
        causes = lost_by_cause(spans, told.since, told.until)
        if not states and not causes:
            continue
        for cause, money in causes.items():
            by_cause[cause] += money
        money = sum(causes.values())
        minutes: Json = {state.value: _minutes(seconds) for state, seconds in sorted(states.items())}
        services.append((money, {"service": service, "lost": _money(money), "minutes": minutes, "causes": _by(causes)}))
    services.sort(key=lambda one: (-one[0], str(one[1]["service"])))
    return {
        "total": _money(sum(money for money, _ in services)),
        "by_service": [one for _, one in services],
        "by_cause": _by(by_cause),
        "over_time": _over_time(told),
    }


def _by(causes: Mapping[NodeId, float]) -> list[Json]:
    """The worst first."""
    ranked = sorted(causes.items(), key=lambda one: (-one[1], one[0]))
    return [{"cause": cause or None, "lost": _money(money)} for cause, money in ranked]


def _over_time(told: _Told) -> list[Json]:
    step = (told.until - told.since) / _BINS
    edges = [*(told.since + step * number for number in range(_BINS)), told.until]
    bins = [0.0] * _BINS
    for spans in told.history.services.values():
        for span in spans:
            first = max(int((span.begin - told.since) / step) - 1, 0)
            last = min(int((span.end_by(told.until) - told.since) / step) + 1, _BINS)
            for number in range(first, last):
                bins[number] += lost(span, edges[number], edges[number + 1])
    return [{"from": time_text(edges[number]), "lost": _money(money)} for number, money in enumerate(bins)]


def _objectives(told: _Told) -> list[dict[str, Json]]:
    found: list[dict[str, Json]] = []
    for service in told.bundle.service_map.services.values():
        if service.availability is None:
            continue
        spans = told.history.services.get(service.id, ())
        recorded = told.recorded_since
        stands = attainment(
            spans, objective=service.availability, window=service.window, until=told.until, recorded_since=recorded
        )
        here = availability(spans, told.since, told.until, recorded_since=recorded)
        found.append(
            {
                "service": service.id,
                "objective": service.availability,
                "window": format_duration(service.window),
                "availability": _number(stands.measured.percent, 4),
                "met": stands.is_met,
                "observed_s": round(stands.measured.observed_s, 3),
                "down_minutes": _minutes(stands.measured.down_s),
                "budget_left": _number(stands.budget_left, 4),
                "burn_rates": {name: _number(rate, 3) for name, rate in stands.burn_rates.items()},
                "availability_in_period": _number(here.percent, 4),
            }
        )
    return found


def _outages(told: _Told) -> list[Json]:
    """Of services, oldest first, with how they stood when, cut off at the report's ends."""
    money = {(one.outage.spans[0].entry.service, one.outage.begin): one for one in told.avoided}
    found: list[tuple[datetime, Json]] = []
    for service, spans in told.history.services.items():
        for outage in outages(spans):
            if outage.begin > told.until or (outage.end is not None and outage.end <= told.since):
                continue
            found.append((outage.begin, _outage(outage, money.get((service, outage.begin)), told)))
    return [one for _, one in sorted(found, key=lambda one: one[0])]


def _outage(outage: Outage[ServiceEntry], credit: Avoided | None, told: _Told) -> Json:
    end = outage.end if outage.end is not None and outage.end <= told.until else None
    return {
        "service": outage.spans[0].entry.service,
        "alert_began_at": time_text(outage.alert_began),
        "began_at": time_text(outage.begin),
        "ended_at": time_text(end) if end is not None else None,
        "restored_after_s": round((end - outage.alert_began).total_seconds(), 3) if end is not None else None,
        "lost": _money(sum(lost(span, told.since, told.until) for span in outage.spans)),
        "causes": sorted(Outage(spans=tuple(one for one in outage.spans if one.begin <= told.until)).causes),
        "restored_by": [run.id for run in credit.runs] if credit is not None else [],
        "avoided": _money(credit.money) if credit is not None else None,
        "states": [
            {
                "state": span.entry.state.value,
                "from": time_text(max(span.begin, told.since)),
                "to": time_text(span.end_by(told.until)),
            }
            for span in outage.spans
            if span.seconds(told.since, told.until) > 0
        ],
    }


def _components(told: _Told) -> list[Json]:
    found: list[tuple[float, str, Json]] = []
    for component, spans in told.history.components.items():
        states = seconds_by_state(spans, told.since, told.until)
        if not states:
            continue
        here = availability(spans, told.since, told.until, recorded_since=told.recorded_since)
        began = sum(told.since < one.begin <= told.until and one.is_failure for one in outages(spans))
        row: Json = {
            "component": component,
            "failures": began,
            "availability": _number(here.percent, 4),
            "minutes": {state.value: _minutes(seconds) for state, seconds in sorted(states.items())},
        }
        found.append((-states.get(State.DOWN, 0.0), component, row))
    return [row for _, _, row in sorted(found, key=lambda one: one[:2])]


def _response(told: _Told, runs: Sequence[Run]) -> dict[str, Json]:
    found = responses(told.history, runs, told.since, told.until)
    return {
        "failures": len(found),
        "answered": sum(one.decide_s is not None for one in found),
        "detect_s": _spread([one.detect_s for one in found]),
        "decide_s": _spread(one.decide_s for one in found),
        "restore_s": _spread(one.restore_s for one in found),
    }


def _spread(seconds: Iterable[float | None]) -> Json:
    found = percentiles([one for one in seconds if one is not None])
    return {name: round(one, 3) for name, one in found.items()} if found is not None else None


def _avoided(found: Sequence[Avoided], person: timedelta, *, is_said: bool) -> dict[str, Json]:
    source = "settings: person" if is_said else "the usual; `settings: person` says otherwise"
    return {
        "assumption": (
            f"without the engine a person would have mended each outage {format_duration(person)} after its alert came"
            f" ({source}), and until then, or until it failed again, it would have gone on as it stood last; counted"
            " are outages of which a run restored a cause, by when they ended; one that took the engine longer counts"
            " against it"
        ),
        "person_s": person.total_seconds(),
        "outages": len(found),
        "money": _money(sum(one.money for one in found)),
        "minutes": _minutes(sum(one.seconds for one in found)),
        "money_against": _money(-sum(min(one.money, 0.0) for one in found)),
    }


def _playbook(one: PlaybookRecord, currency: str) -> Json:
    return {
        "policy": one.policy,
        "playbook": one.playbook,
        "runs": one.runs,
        "restored": one.restored,
        "ends": dict(sorted(one.ends.items())),
        "expected_s": round(one.expected_s, 3),
        "taken_s": _spread(one.taken_s),
        "learned_s": _number(one.learned_s, 3),
        "wasted_minutes": _minutes(one.wasted_s),
        "lost_meanwhile": _money(one.lost_meanwhile),
        "avoided": _money(one.avoided),
        "pays": one.pays,
        "expectation_is_wrong": one.is_far_off,
        "told": playbook_told(one, currency),
    }


def playbook_told(one: PlaybookRecord, currency: str) -> str:
    """What to think about, in plain words; empty when all is as expected."""
    parts = []
    if not one.pays:
        parts.append(
            f"doesn't pay: {one.runs - one.restored} of {one.runs} runs restored nothing, {one.lost_meanwhile:,.2f}"
            f" {currency} were lost meanwhile, {one.avoided:,.2f} avoided"
        )
    if one.is_far_off and one.mean_s is not None:
        parts.append(f"takes {_length(one.mean_s)} where {_length(one.expected_s)} is expected: correct `expect`")
    return "; ".join(parts)


def _length(seconds: float) -> str:
    return format_duration(timedelta(seconds=round(seconds)))


def _money(money: float) -> float:
    return round(money, 2) + 0.0


def _minutes(seconds: float) -> float:
    return round(seconds / 60, 2)


def _number(number: float | None, digits: int) -> float | None:
    return round(number, digits) if number is not None else None
