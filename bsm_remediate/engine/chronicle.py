"""What every look of the leading engine writes into the journal: decisions that changed, who is suspected in which
order, what policies in shadow would do, and how services and components stand.
"""

from __future__ import annotations

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.decision import Decision, Verdict
from bsm_remediate.domain.evaluation import Evaluation
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.ids import NodeId, PolicyId
from bsm_remediate.domain.ranking import Names, Ranking, ranking_event
from bsm_remediate.engine.ledger import LedgerJournal
from bsm_remediate.engine.shadow import ShadowJournal
from bsm_remediate.records import Store


class Chronicle:
    """Remembers what was told, so that only changes are."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.forget()

    def forget(self) -> None:
        """Another engine has led meanwhile: what the journal says now counts."""
        self._told: dict[tuple[NodeId | None, PolicyId | None], Verdict] = {}
        self._ranked: Names = ()
        self._shadow = ShadowJournal(self._store)
        self._ledger = LedgerJournal(self._store)

    def tell(self, evaluation: Evaluation, bundle: Bundle) -> None:
        """Journal every decision whose verdict changed, and every change of state, loss rate, causes or their order."""
        verdicts = {(one.component, one.policy): one for one in evaluation.decisions}
        changed = [one for key, one in verdicts.items() if self._told.get(key) is not one.verdict]
        events = [_decided(one, evaluation) for one in changed]
        ranking = Ranking.of(evaluation.impact)
        if ranking.names != self._ranked:
            events.append(ranking_event(ranking, evaluation.plan.at))
        events += self._shadow.events(evaluation, bundle)
        events += self._ledger.events(evaluation, bundle)
        if events:
            self._store.append(events)
        self._told = {key: one.verdict for key, one in verdicts.items()}
        self._ranked = ranking.names
        self._shadow.written()
        self._ledger.written()


def _decided(decision: Decision, evaluation: Evaluation) -> Event:
    facts = {"policy": decision.policy, "verdict": decision.verdict.value, "reason": decision.reason}
    return Event(kind="decision.made", at=evaluation.plan.at, subject=decision.component or "", facts=facts)
