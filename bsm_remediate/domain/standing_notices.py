"""Which notices stand at one moment: worked out anew from what is the case, never remembered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from bsm_remediate.domain.approval import approvers_of
from bsm_remediate.domain.breaker_state import open_breakers
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.change import Change
from bsm_remediate.domain.change_notices import change_notices
from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.evaluation import Evaluation
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.metric import FORECAST_LABEL
from bsm_remediate.domain.notice import Notice, NoticeKind, NoticeSeverity
from bsm_remediate.domain.quarantine import leaves_unknown
from bsm_remediate.domain.run import Run, RunState
from bsm_remediate.domain.situation import Hold
from bsm_remediate.domain.standing_orders import in_force
from bsm_remediate.domain.state import State

FAILED_FOR = timedelta(hours=1)
"""So long a run that failed is news."""
_FAILED = frozenset({RunState.FAILED, RunState.ROLLED_BACK})
_WITH_A_PERSON = frozenset({RunState.ESCALATED, RunState.OUTCOME_UNKNOWN})
_BURN_SEVERITY = {"1h": NoticeSeverity.CRITICAL, "6h": NoticeSeverity.WARNING, "3d": NoticeSeverity.INFO}
_FEW = 3

Burns = Mapping[NodeId, Mapping[str, float | None]]
"""By service, how many times faster than allowed its budget is used up, by window."""


def notices_of(
    evaluation: Evaluation, bundle: Bundle, burns: Burns, changes: Iterable[Change] = ()
) -> tuple[Notice, ...]:
    """All that stand now. It costs what fails and what runs there were, not what alerts there are."""
    scene = _Scene(evaluation, bundle)
    return (
        *scene.loss(),
        *scene.burning(burns),
        *scene.performance(),
        *scene.runs(),
        *scene.breakers(),
        *scene.brakes(),
        *change_notices(changes, bundle),
    )


class _Scene:
    """What the notices of one moment share."""

    def __init__(self, evaluation: Evaluation, bundle: Bundle) -> None:
        self._evaluation = evaluation
        self._bundle = bundle
        self._situation = evaluation.situation
        self._now: datetime = evaluation.situation.at
        self._loss_of: dict[NodeId, float] = {}
        self._hit_by: dict[NodeId, list[str]] = {}
        for one in evaluation.impact.services.values():
            if one.state is State.OK:
                continue
            for cause in (one.service, *one.causes):
                self._loss_of[cause] = self._loss_of.get(cause, 0.0) + one.loss_per_minute
                self._hit_by.setdefault(cause, []).append(f"{one.service} {one.state}")

    # --- services --------------------------------------------------------------------------------------------------

    def loss(self) -> Iterator[Notice]:
        impact, limit = self._evaluation.impact, self._bundle.settings.notify.loss_over
        if impact.loss_per_minute <= limit:
            return
        losing = sorted(
            (one for one in impact.services.values() if one.loss_per_minute > 0), key=lambda one: -one.loss_per_minute
        )
        causes = list(dict.fromkeys(cause for one in losing for cause in one.causes))
        of_causes = _listed(f"{one}" for one in causes)
        yield Notice(
            kind=NoticeKind.LOSS_OVER,
            severity=NoticeSeverity.CRITICAL,
            teams=self._owners([*(one.service for one in losing), *causes]),
            since=min((one.since for one in losing if one.since is not None), default=self._now),
            impact=self._money(impact.loss_per_minute),
            what="the business loses "
            + (f"more than {self._money(limit)}" if limit else "money")
            + (f"; cause: {of_causes}" if causes else ""),
            do=f"bsm-remediate why {losing[0].service}",
            figure=impact.loss_per_minute,
        )

    def burning(self, burns: Burns) -> Iterator[Notice]:
        limits = self._bundle.settings.notify.burn
        for node, rates in sorted(burns.items()):
            service = self._bundle.service_map.services.get(node)
            over = [
                (_BURN_SEVERITY[window], window, rate)
                for window, rate in rates.items()
                if rate is not None and window in limits and rate > limits[window]
            ]
            if service is None or not over:
                continue
            severity, window, rate = max(over)
            yield Notice(
                kind=NoticeKind.OBJECTIVE_BURNING,
                subject=node,
                severity=severity,
                teams=self._owners([node]),
                since=self._now,
                impact=self._impact(node),
                what=f"the objective of {node} burns: over {window} its budget is used up {rate:.1f} times too fast",
                do=f"bsm-remediate why {node}",
            )

    def performance(self) -> Iterator[Notice]:
        for signal in self._evaluation.figures:
            alert = signal.alert
            component = signal.component
            is_expected = FORECAST_LABEL in alert.labels
            summary = alert.annotations.get("summary", "")
            what = "is expected to leave its limit" if is_expected else "is beyond its limit"
            yield Notice(
                kind=NoticeKind.PERFORMANCE,
                subject=f"{signal.name} {component} {alert.fingerprint}",
                severity=NoticeSeverity.INFO if is_expected else NoticeSeverity.WARNING,
                teams=self._owners([component]),
                since=signal.since,
                impact=self._impact(component),
                what=f"{signal.name} of {component} {what}" + (f": {summary}" if summary else ""),
                do=f"bsm-remediate why {component}",
            )

    # --- runs ------------------------------------------------------------------------------------------------------

    def runs(self) -> Iterator[Notice]:
        latest: dict[tuple[str, str], Run] = {}
        for run in self._situation.runs:
            if run.state is RunState.AWAITING_APPROVAL and run.approved_by is None:
                yield self._approval(run)
            if run.state in _FAILED and run.ended_at is not None and self._now - run.ended_at < FAILED_FOR:
                yield self._failed(run)
            latest[run.component, run.policy] = run
        for run in self._situation.runs:
            if run.state in _WITH_A_PERSON or leaves_unknown(run, self._situation.released):
                is_latest = latest[run.component, run.policy] is run
                if self._is_with_a_person(run, is_latest=is_latest):
                    yield self._handed_over(run)

    def _approval(self, run: Run) -> Notice:
        return Notice(
            kind=NoticeKind.APPROVAL_NEEDED,
            subject=run.id,
            severity=self._severity(run.component, NoticeSeverity.WARNING),
            teams=frozenset(approvers_of(run, self._bundle)) & self._bundle.teams.keys()
            or self._owners([run.component]),
            since=run.planned_at,
            impact=self._impact(run.component),
            what=f"{run.playbook} on {run.component} ({run.policy}): {run.reason}",
            do=f"bsm-remediate approve {run.id} (or reject {run.id})",
            figure=self._loss_of.get(run.component, 0.0),
            needs_person=True,
            answered_at=self._held_since(run),
        )

    def _failed(self, run: Run) -> Notice:
        return Notice(
            kind=NoticeKind.RUN_FAILED,
            subject=run.id,
            severity=NoticeSeverity.WARNING,
            teams=self._owners([run.component]),
            since=run.ended_at or self._now,
            impact=self._impact(run.component),
            what=f"{run.playbook} on {run.component} failed ({run.policy}): {run.outcome}",
            do=f"bsm-remediate runs {run.id}",
        )

    def _is_with_a_person(self, run: Run, *, is_latest: bool) -> bool:
        """Whether it is still up to a person: what it was about still fails, and nobody has given it back since."""
        if leaves_unknown(run, self._situation.released):
            return True
        released_at = self._situation.released.get(run.component)
        if run.ended_at is None or not is_latest or (released_at is not None and released_at >= run.ended_at):
            return False
        return run.component in self._evaluation.signals_on

    def _handed_over(self, run: Run) -> Notice:
        knows = "nobody knows how it ended" if run.state is RunState.OUTCOME_UNKNOWN else "a person must take over"
        return Notice(
            kind=NoticeKind.HANDED_OVER,
            subject=run.id,
            severity=NoticeSeverity.CRITICAL,
            teams=self._owners([run.component]),
            since=run.ended_at or self._now,
            impact=self._impact(run.component),
            what=f"{run.component} after {run.playbook}, {knows}: {run.outcome}",
            do=f"bsm-remediate hold {run.component} while you work, then release {run.component}",
            figure=self._loss_of.get(run.component, 0.0),
            needs_person=True,
            answered_at=self._held_since(run),
        )

    def _held_since(self, run: Run) -> datetime | None:
        """Since when a person works there."""
        found = [one.since for one in self._situation.holds if self._is_on(one, run)]
        return min(found, default=None)

    def _is_on(self, hold: Hold, run: Run) -> bool:
        return hold.target in {run.component, run.host} and in_force(hold.until, self._now)

    # --- brakes ----------------------------------------------------------------------------------------------------

    def breakers(self) -> Iterator[Notice]:
        found = open_breakers(self._situation.runs, self._now, self._situation.closed)
        for policy, breaker in sorted(found.items()):
            components = [run.component for run in self._situation.runs if run.policy == policy]
            rest = format_duration(max(breaker.rests_until - self._now, timedelta(0)))
            left = f"for another {rest}" if breaker.rests_until > self._now else "until one run has worked"
            yield Notice(
                kind=NoticeKind.BREAKER_OPEN,
                subject=policy,
                severity=NoticeSeverity.WARNING,
                teams=self._owners(components),
                since=breaker.failed_at,
                impact=self._impact(components[-1]) if components else "",
                what=f"{policy} is not run {left}: its last {breaker.failures} runs failed",
                do=f"bsm-remediate release {policy} once its playbook works",
            )

    def brakes(self) -> Iterator[Notice]:
        storms = {"": self._evaluation.storm, **self._evaluation.storms}
        for name, seen in storms.items():
            if seen:
                members = self._bundle.sets.get(name, ())
                yield Notice(
                    kind=NoticeKind.STORM,
                    subject=name,
                    severity=NoticeSeverity.CRITICAL,
                    teams=self._owners(members),
                    since=self._now,
                    what=f"storm{f' in {name}' if name else ''}: {seen}; a person approves what is run",
                    do="bsm-remediate status",
                )
        if self._situation.doubt:
            yield Notice(
                kind=NoticeKind.DOUBT,
                severity=NoticeSeverity.CRITICAL,
                since=self._now,
                what=f"monitoring is in doubt: {self._situation.doubt}; a person approves what is run",
                do="bsm-remediate doctor --no-hosts",
            )

    # --- words -----------------------------------------------------------------------------------------------------

    def _severity(self, node: NodeId, least: NoticeSeverity) -> NoticeSeverity:
        """Critical where a loss over the limit hangs on it."""
        is_costly = self._loss_of.get(node, 0.0) > self._bundle.settings.notify.loss_over
        return NoticeSeverity.CRITICAL if is_costly else least

    def _impact(self, node: NodeId) -> str:
        hit = self._hit_by.get(node, [])
        return f"{self._money(self._loss_of[node])}: {_listed(hit)}" if hit else "no service is hit"

    def _money(self, money: float) -> str:
        return f"{money:,.2f} {self._bundle.currency}/min"

    def _owners(self, nodes: Iterable[NodeId]) -> frozenset[str]:
        found = set()
        for node in nodes:
            one = self._bundle.service_map.components.get(node) or self._bundle.service_map.services.get(node)
            if one is not None and one.owner is not None and one.owner in self._bundle.teams:
                found.add(one.owner)
        return frozenset(found)


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    more = f" and {len(found) - _FEW} more" if len(found) > _FEW else ""
    return ", ".join(found[:_FEW]) + more
