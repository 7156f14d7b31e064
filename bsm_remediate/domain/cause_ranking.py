"""The ranking of causes: who is likeliest to have begun it, with a score and what it explains (DESIGN 5.3).

Which components are causes and which symptoms is decided by states alone (`causes`): a run must not hang on a
likelihood. The order among the causes is by `suspicion`, which also weighs times and strengths; where those speak
clearly against a symptom being one, it is listed too, marked as such.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from bsm_remediate.domain.anomaly import is_about_itself, read_anomalies
from bsm_remediate.domain.causes import Failing, suspects, unexplained
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.impact import RootCause
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.signal import Signal
from bsm_remediate.domain.state import State
from bsm_remediate.domain.suspicion import Links, Scene, suspicion

_FAILS = frozenset({State.DOWN, State.DEGRADED})
_WORTH_NAMING = 0.1
"""A symptom with less than this share of the first one's score is left out."""
_MOST_SUSPECTS = 100
"""Suspects listed."""
_COINCIDENCE = 0.02
"""How much a silent component explains each of two that need it and fail by themselves, beside one known to fail; of
more, the square of those beyond the first times as much: that many coincidences are unlikely.
"""
_SIGNALS_READ = 8
"""Signals looked at for the words about a component."""
_OF_REPORTS = 0.1
"""All together the share of the suspects below services that only a report says fail, beside real causes."""
_HEARSAY = 0.2
"""How much a component with an alert that changes no state explains what needs it."""


def root_causes(
    rollup: RollUp,
    failing: Failing,
    symptomatic: Iterable[NodeId],
    *,
    skew: timedelta,
) -> tuple[RootCause, ...]:
    """The failing components that are no symptoms, symptoms that may be none, and suspects; the likeliest first.

    Scores are shares of 1 among all of them. Clocks may be wrong by `skew`.
    """
    known = [node for node in failing.own if node in rollup.service_map.components]
    suspected = _suspected(rollup, failing)
    excluded = set(symptomatic)
    beliefs = {node: _belief(failing, node, dependants, excluded) for node, dependants in suspected.items()}
    scores = _scores(failing, known, suspected, beliefs, skew_s=skew.total_seconds())
    real = [node for node in known if failing.own[node] in _FAILS]
    least = _WORTH_NAMING * max(scores.values(), default=0.0)
    listed = [node for node in real if node not in excluded or scores[node] > least]
    words = _Words(rollup, failing, real, skew)
    suspected = dict(sorted(suspected.items(), key=lambda one: (-scores[one[0]], one[0]))[:_MOST_SUSPECTS])
    explained = failing.blame.explained_by(listed)
    causes = [words.cause(node, explained[node], scores[node], is_symptom=node in excluded) for node in listed]
    causes += [words.suspect(node, scores[node]) for node in suspected]
    causes = _with_unexplained(causes, unexplained(rollup, failing))
    return tuple(sorted(causes, key=lambda cause: (-cause.score, cause.suspect, -len(cause.explains), cause.component)))


def _with_unexplained(causes: list[RootCause], of_reports: Mapping[NodeId, tuple[NodeId, ...]]) -> list[RootCause]:
    """`causes`, and as suspects whatever would alone take down services that only a report says fail."""
    named = {cause.component for cause in causes}
    services_of: dict[NodeId, list[NodeId]] = {}
    for service, alone in of_reports.items():
        for node in alone:
            if node not in named:
                services_of.setdefault(node, []).append(service)
    suspected = sorted(services_of, key=lambda node: (-len(services_of[node]), node))[:_MOST_SUSPECTS]
    if not suspected:
        return causes
    theirs = _OF_REPORTS if sum(cause.score for cause in causes) else 1.0
    return [replace(cause, score=round(cause.score * (1 - theirs), 4)) for cause in causes] + [
        RootCause(
            component=node,
            score=round(theirs / len(suspected), 4),
            explains=tuple(sorted(services_of[node])),
            reason=f"has no alert of its own, but would alone take down {', '.join(sorted(services_of[node])[:3])}, of"
            " which it isn't known why it fails",
            suspect=True,
        )
        for node in suspected
    ]


def _suspected(rollup: RollUp, failing: Failing) -> dict[NodeId, list[NodeId]]:
    """Components that are not known to fail but may be the cause → the failing ones that would come from it: silent
    ones all of whose dependants fail, and what an alert is about that changes no state.
    """
    silent = suspects(rollup, failing)
    found = {one: list(rollup.dependants(one)) for one in silent}
    for node in failing.own:
        for child in rollup.requirements(node) if node in rollup.service_map.components else ():
            if child not in silent and child not in failing.states and _is_mentioned(failing, child):
                found.setdefault(child, []).append(node)
    return found


def _is_mentioned(failing: Failing, node: NodeId) -> bool:
    """Whether alerts are about `node` though none says that it fails. Those of a mended one, slow to end, do say so."""
    said = failing.signals.get(node, ())
    return bool(said) and all(signal.sets is State.OK for signal in said)


def _belief(failing: Failing, node: NodeId, dependants: Sequence[NodeId], explained: Collection[NodeId]) -> float:
    if node in failing.signals:
        return _HEARSAY
    by_themselves = sum(one not in explained for one in dependants)
    return min(_COINCIDENCE * max(by_themselves - 1, 0) ** 2, 1.0)


def _scores(
    failing: Failing,
    known: Sequence[NodeId],
    suspected: Mapping[NodeId, Sequence[NodeId]],
    beliefs: Mapping[NodeId, float],
    *,
    skew_s: float,
) -> dict[NodeId, float]:
    blame, links = failing.blame, failing.blame.links
    speakers = {node: place for node in known if (place := blame.place(node)) is not None}
    suspect_of: list[tuple[int, int, float]] = []
    for extra, (node, dependants) in enumerate(suspected.items()):
        speakers[node] = links.number + extra
        suspect_of += [(speakers[one], speakers[node], beliefs[node]) for one in dependants if one in speakers]
    owners, ends, shares = zip(*suspect_of, strict=True) if suspect_of else ((), (), ())
    number = links.number + len(suspected)
    loss = np.zeros(number)
    for service, rate in failing.loss.items():
        place = blame.place(service)
        if place is not None:
            loss[place] = rate
    found = suspicion(
        Scene(
            links=Links(
                number=number,
                owners=np.append(links.owners, np.array(owners, np.int32)),
                ends=np.append(links.ends, np.array(ends, np.int32)),
                share=np.append(links.share, np.array(shares, np.float64)),
                is_component=np.append(links.is_component, np.ones(len(suspected), np.bool_)),
            ),
            speakers=np.fromiter(speakers.values(), np.int32),
            anomalies=read_anomalies(list(speakers), failing.signals),
            claim=np.array([float(failing.own.get(node, State.UNKNOWN) is not State.UNKNOWN) for node in speakers]),
            loss=loss,
            skew_s=skew_s,
        )
    )
    return {**dict.fromkeys(known, 0.0), **dict(zip(speakers, found.tolist(), strict=True))}


class _Words:
    """Causes with what they explain and why, for people."""

    def __init__(self, rollup: RollUp, failing: Failing, real: Sequence[NodeId], skew: timedelta) -> None:
        self._rollup = rollup
        self._failing = failing
        self._down = {node for node, state in failing.states.items() if state in _FAILS}
        self._loss_of_all = sum(failing.loss.values())
        self._skew = skew
        onsets = (_onset(failing.signals.get(node, ())) for node in real)
        self._first = min((onset for onset in onsets if onset is not None), default=None)

    def cause(self, node: NodeId, explains: tuple[NodeId, ...], score: float, *, is_symptom: bool) -> RootCause:
        failing = self._failing
        parts = [f"is {failing.own[node]}", f"explains {len(explains)} of {len(self._down)} failing"]
        if self._loss_of_all:
            share = sum(failing.loss[one] for one in explains if one in failing.loss) / self._loss_of_all
            parts.append(f"{share:.0%} of the loss")
        onset = _onset(failing.signals.get(node, ()))
        if onset is not None and self._first is not None and onset - self._first <= self._skew:
            parts.append("was among the first")
        if any(is_about_itself(signal) for signal in failing.signals.get(node, ())[:_SIGNALS_READ]):
            parts.append("signals about itself")
        if is_symptom:
            parts.append("and what it requires fails too, but hardly explains it")
        reason = ", ".join(parts)
        return RootCause(component=node, score=round(score, 4), explains=explains, reason=reason, symptom=is_symptom)

    def suspect(self, node: NodeId, score: float) -> RootCause:
        dependants = self._rollup.dependants(node)
        reason = f"has no alert of its own, but all {len(dependants)} that need it fail"
        if node in self._failing.signals:
            reason = "has an alert that changes no state, but what needs it fails"
        return RootCause(
            component=node,
            score=round(score, 4),
            explains=tuple(sorted(self._down & (self._rollup.cone([node]) - {node}))),
            reason=reason,
            suspect=True,
        )


def _onset(signals: Sequence[Signal]) -> datetime | None:
    return signals[0].since if signals else None
