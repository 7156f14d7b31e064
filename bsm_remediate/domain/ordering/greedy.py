"""The marginal greedy order: again and again what stops the most loss per second of work that is still missing.

Work that others need too is worth more: what they would pay for it counts as a credit. And where redundancy leaves a
choice, shared work is cheaper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bsm_remediate.domain.loss_curve import LossCurve
from bsm_remediate.domain.ordering.branches import JobSet, cheapest_sets, incidences
from bsm_remediate.domain.ordering.circuit import Circuit, Var

Numbers = NDArray[np.float64]
_EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class Taste:
    """How the greedy order weighs what others need."""

    sharing: float
    """Each further user makes a job cheaper by this part, when branches are chosen."""
    credit: float
    """Part of what other services would pay for a job that counts for the one that brings it."""


TASTES = (Taste(0.05, 0.4), Taste(0.05, 0.7), Taste(0.0, 0.25), Taste(0.3, 0.5), Taste(0.05, 0.0), Taste(0.05, 1.0))


def greedy(circuit: Circuit, work: Sequence[float], taste: Taste, *, executors: int = 1) -> list[Var]:
    """All jobs that bring back something of value, the most worth first. `work` is seconds by job."""
    return _Greedy(circuit, work, taste, executors).order()


class _Greedy:
    def __init__(self, circuit: Circuit, work: Sequence[float], taste: Taste, executors: int) -> None:
        self._circuit = circuit
        self._taste = taste
        self._executors = executors
        self._work = np.maximum(np.array(work, np.float64), _EPSILON)
        self._is_done = np.zeros(len(work), np.bool_)
        self._choose()

    def order(self) -> list[Var]:
        number = len(self._work)
        patience = 1 if number <= 30 else number // 8 if number <= 200 else number // 2
        found: list[Var] = []
        since_choice = since_credit = 0
        while True:
            if since_choice >= patience:
                self._choose()
                since_choice = since_credit = 0
            elif since_credit > number // 40 + len(self._groups.members) // 20_000:
                self._credit_anew()
                since_credit = 0
            best = self._best()
            if best < 0:
                return found
            taken = self._take(best)
            found += taken
            since_choice += len(taken)
            since_credit += len(taken)

    def _choose(self) -> None:
        """Branches by what is left: which jobs each valued variable still needs. Where two need the same they are one
        group.
        """
        price = np.where(self._is_done, 0.0, self._work)
        sets = cheapest_sets(self._circuit, price.tolist())
        if self._taste.sharing:
            users = np.bincount(incidences(sets, len(price))[1], minlength=len(price))
            price = price / (1 + self._taste.sharing * users)
            sets = cheapest_sets(self._circuit, price.tolist())
        self._groups = _Groups(self._circuit, sets, self._work)
        self._left = self._groups.sums(self._work)
        self._credit_anew()

    def _credit_anew(self) -> None:
        groups = self._groups
        groups.rate_anew(self._left, float(self._work[self._is_done].sum()) / self._executors)
        pays = np.divide(groups.rates, self._left, out=np.zeros_like(self._left), where=self._left > _EPSILON)
        self._paid: Numbers = self._work * np.bincount(groups.members, pays[groups.rows], len(self._work))
        """By job: what all services together would pay for it."""
        self._paid[self._is_done] = 0.0
        self._value = groups.rates
        if self._taste.credit:
            self._value = groups.rates + self._taste.credit * (groups.sums(self._paid) - groups.rates)

    def _best(self) -> int:
        value = np.divide(self._value, self._left, out=np.full_like(self._left, -1.0), where=self._left > _EPSILON)
        best = int(value.argmax()) if len(value) else -1
        return best if best >= 0 and value[best] >= 0 else -1

    def _take(self, number: int) -> list[Var]:
        groups = self._groups
        jobs = [job for job in groups.jobs_of(number) if not self._is_done[job]]
        for job in jobs:
            self._left[groups.needing(job)] -= self._work[job]
        self._left[number] = 0.0
        self._is_done[jobs] = True
        return sorted(jobs, key=lambda job: (-self._paid[job] / self._work[job], self._work[job], job))


class _Groups:
    """What is of value, by the jobs that bring it back."""

    def __init__(self, circuit: Circuit, sets: Sequence[JobSet], work: Numbers) -> None:
        grouped: dict[tuple[JobSet, Var], float] = {}
        curves: list[tuple[int, LossCurve]] = []
        for one, (var, curve) in zip(sets, circuit.valued, strict=True):
            if not one:
                continue
            if curve.is_straight:
                grouped[one, 0] = grouped.get((one, 0), 0.0) + curve.rate
            else:
                curves.append((len(grouped), curve))
                grouped[one, var + 1] = curve.rate
        self._curves = curves
        self.rates = np.array(list(grouped.values()), np.float64)
        self.rows, self.members = incidences([one for one, _ in grouped], len(work))
        self._begins = np.searchsorted(self.rows, np.arange(len(self.rates) + 1)).tolist()
        by_job = np.argsort(self.members, kind="stable")
        self._needing = self.rows[by_job]
        self._begins_by_job = np.searchsorted(self.members[by_job], np.arange(len(work) + 1)).tolist()

    def jobs_of(self, number: int) -> list[int]:
        found: list[int] = self.members[self._begins[number] : self._begins[number + 1]].tolist()
        return found

    def needing(self, job: int) -> NDArray[np.int64]:
        """The groups that need `job`."""
        return self._needing[self._begins_by_job[job] : self._begins_by_job[job + 1]]

    def sums(self, by_job: Numbers) -> Numbers:
        """By group, what its jobs have together."""
        return np.bincount(self.rows, by_job[self.members], len(self.rates)).astype(np.float64)

    def rate_anew(self, left: Numbers, past: float) -> None:
        """Of losses that change with time: the mean until they would end, after `past` seconds and the work left."""
        for number, curve in self._curves:
            end = past + max(float(left[number]), _EPSILON)
            self.rates[number] = curve.until(end) / end
