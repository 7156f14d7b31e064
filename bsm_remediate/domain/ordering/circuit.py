"""The circuit: an outage reduced to what the order of repairs can change.

Every formula is monotone, so "not down" and "ok" of each node are true from some second on, and a formula is a gate:
true once children of enough weight are (`all`: the last, `any`: the first, `at_least`: the k-th). What is true already,
what no job can mend, and gates with one child left drop out; equal gates are one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.loss_curve import LossCurve
from bsm_remediate.domain.ordering.job import RepairJob

Var = int
ALWAYS: Var = -1
NEVER_TRUE: Var = -2


class Threshold(NamedTuple):
    """True once children that weigh `need` together are. Without `weights` each weighs one: `all` needs as many as
    there are, `any` one.
    """

    need: int
    children: tuple[Var, ...]
    weights: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Circuit:
    """Variables are numbered: first the jobs, then the runs under way, then the gates, children before parents."""

    jobs: tuple[RepairJob, ...]
    """Variable i is true when job i ends."""
    under_way: tuple[float, ...]
    """Seconds until each run under way has mended its component."""
    gates: tuple[Threshold, ...]
    valued: tuple[tuple[Var, LossCurve], ...]
    """What is lost until that variable is true."""
    services: tuple[NodeId, ...]
    """The failing ones."""
    not_down: tuple[Var, ...]
    """By service: the variable that it is no longer down (`ALWAYS` when it isn't, `NEVER_TRUE` if nothing helps)."""
    ok: tuple[Var, ...]

    @property
    def first_gate(self) -> Var:
        return len(self.jobs) + len(self.under_way)

    @cached_property
    def straight(self) -> tuple[tuple[Var, ...], tuple[float, ...]]:
        """The valued variables that lose the same in every second, and how much: nearly all, and quick to add up."""
        pairs = [(var, curve.rate) for var, curve in self.valued if curve.is_straight]
        return tuple(var for var, _ in pairs), tuple(rate for _, rate in pairs)

    @cached_property
    def bent(self) -> tuple[tuple[Var, LossCurve], ...]:
        """The other ones."""
        return tuple((var, curve) for var, curve in self.valued if not curve.is_straight)

    @property
    def has_choice(self) -> bool:
        """Whether redundancy leaves a choice of what to repair."""
        return any(gate.weights or gate.need < len(gate.children) for gate in self.gates)
