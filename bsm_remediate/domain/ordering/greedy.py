"""The marginal greedy order: again and again what stops the most loss per second of work that is still missing.

Work that others need too is worth more: what they would pay for it counts as a credit. And where redundancy leaves a
choice, shared work is cheaper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bsm_remediate.domain.ordering.branches import JobSet, as_table, cheapest_sets
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
        self._curved = [n for n, (_, curve) in enumerate(circuit.valued) if len(curve.seconds) > 1]
        self._rates = np.array([curve.rate for _, curve in circuit.valued], np.float64)
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
            elif since_credit > number // 40:
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
        """Branches by what is left: table by job and valued variable, and the work that each still needs."""
        price = np.where(self._is_done, 0.0, self._work)
        sets = cheapest_sets(self._circuit, price.tolist())
        if self._taste.sharing:
            users = self._table(sets).sum(axis=1)
            price = price / (1 + self._taste.sharing * users)
            sets = cheapest_sets(self._circuit, price.tolist())
        self._needs = self._table(sets).astype(np.float64)
        self._left: Numbers = self._work @ self._needs
        self._credit_anew()

    def _table(self, sets: Sequence[JobSet]) -> NDArray[np.bool_]:
        return np.ascontiguousarray(as_table(sets, len(self._work)).T)

    def _credit_anew(self) -> None:
        self._rate_anew()
        is_open = self._left > _EPSILON
        pays = np.where(is_open, self._rates / np.where(is_open, self._left, 1.0), 0.0)
        self._paid = self._work * (self._needs @ pays)
        """By job: what all services together would pay for it."""
        self._bonus = self._taste.credit * (self._paid @ self._needs - self._rates) if self._taste.credit else 0.0

    def _rate_anew(self) -> None:
        """Of losses that change with time: the mean until it would be back."""
        past = float(self._work[self._is_done].sum()) / self._executors
        for number in self._curved:
            end = past + max(float(self._left[number]), _EPSILON)
            self._rates[number] = self._circuit.valued[number][1].until(end) / end

    def _best(self) -> int:
        is_open = self._left > _EPSILON
        if not is_open.any():
            return -1
        value = np.where(is_open, (self._rates + self._bonus) / np.where(is_open, self._left, 1.0), -1.0)
        return int(value.argmax())

    def _take(self, number: int) -> list[Var]:
        jobs = np.flatnonzero(self._needs[:, number])
        self._left -= self._work[jobs] @ self._needs[jobs]
        self._left[number] = 0.0
        self._needs[jobs] = 0.0
        self._is_done[jobs] = True
        return sorted(jobs.tolist(), key=lambda job: (-self._paid[job] / self._work[job], self._work[job], job))
