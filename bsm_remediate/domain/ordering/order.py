"""An order as the planner gives it."""

from __future__ import annotations

from dataclasses import dataclass

from bsm_remediate.domain.ordering.circuit import Var


@dataclass(frozen=True, kw_only=True, slots=True)
class Ordering:
    """The jobs of a circuit in the order in which they should start."""

    order: tuple[Var, ...]
    loss: float
    """Weighted, until everything that jobs bring back is back."""
    lower_bound: float
    is_proven: bool
    """Whether no order of these jobs loses less, as the executors take them."""
    would_save: float = 0.0
    """What a better order that was found would save: too little to change the standing one."""
