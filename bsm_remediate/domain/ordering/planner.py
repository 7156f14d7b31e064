"""The planner: a good order soon, a better one within a budget, always with what the best one loses at least."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations

from bsm_remediate.domain.ordering.bound import lower_bound
from bsm_remediate.domain.ordering.branches import JobSet, cheapest_sets, members_of
from bsm_remediate.domain.ordering.circuit import Circuit, Var
from bsm_remediate.domain.ordering.course import Courses
from bsm_remediate.domain.ordering.greedy import TASTES, greedy
from bsm_remediate.domain.ordering.job import Crew
from bsm_remediate.domain.ordering.search import improved
from bsm_remediate.domain.ordering.sidney import charges, pieces

_FEW = 5
"""Up to so many jobs all orders are tried."""
_WORK_OF_A_SEARCH = 100_000
"""Gates and jobs that a search looks at, all orders together: some 30 ms."""
_MOST_LOOKS = 3_000
_FEWEST_LOOKS = 100
"""With fewer a search finds nothing: large outages are planned by rule."""
_RESTARTS = 4
_MOST_CELLS = 4_000_000
"""Jobs times services from which on the marginal greedy order would take too much memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ordering:
    """The jobs of a circuit in the order in which they should start."""

    order: tuple[Var, ...]
    loss: float
    """Weighted, until everything that jobs bring back is back."""
    lower_bound: float
    is_proven: bool
    """Whether no order of these jobs loses less, as the executors take them."""


def best_order(circuit: Circuit, crew: Crew, *, standing: Sequence[Var] = (), effort: float = 1.0) -> Ordering:
    """The best order found. `standing`: the order that was in force, tried among the others. `effort` scales the
    search; 0 leaves it out. Work is counted, never time: the same input gives the same order.
    """
    courses = Courses(circuit, crew)
    if len(circuit.jobs) <= _FEW:
        least, first = min((courses.loss(one), one) for one in permutations(range(len(circuit.jobs))))
        return Ordering(order=first, loss=least, lower_bound=least, is_proven=True)
    useful = _useful(circuit)
    idle = sorted(set(range(len(circuit.jobs))) - set(useful), key=lambda job: (circuit.jobs[job].work_s, job))
    starts = [_whole(circuit, one, useful, idle) for one in _constructed(circuit, len(crew.executors), effort)]
    if standing:
        starts.append(_whole(circuit, standing, useful, idle))
    ranked = sorted((courses.loss(one), one) for one in starts)
    least, best = ranked[0]
    looks = min(int(effort * _WORK_OF_A_SEARCH / (len(circuit.jobs) + len(circuit.gates))), _MOST_LOOKS)
    for seed in range(_RESTARTS if looks >= _FEWEST_LOOKS else 0):
        # By turns on from the best, and from another start, which may lie in a deeper basin.
        start = best if seed % 2 == 0 else ranked[min(seed, len(ranked) - 1)][1]
        order, loss = improved(courses, start, looks=looks // _RESTARTS, seed=seed)
        if loss < least:
            best, least = order, loss
    bound = min(lower_bound(circuit, crew), least)
    return Ordering(order=tuple(best), loss=least, lower_bound=bound, is_proven=bound >= least * (1 - 1e-9))


def _constructed(circuit: Circuit, executors: int, effort: float) -> list[list[Var]]:
    """Orders by rule: marginal greedy by several tastes, and each by Sidney's pieces."""
    work = [job.work_s for job in circuit.jobs]
    rates = [curve.rate for _, curve in circuit.valued]
    sets = cheapest_sets(circuit, work)
    if len(work) * len(sets) > _MOST_CELLS:
        return [_by_density(sets, rates, work)]
    number = len(TASTES) if effort and len(work) <= 200 else 1
    orders = [greedy(circuit, work, taste, executors=executors) for taste in TASTES[:number]]
    return [*orders, pieces(charges(sets, rates, work), work, orders[0])]


def _by_density(sets: Sequence[JobSet], rates: Sequence[float], work: Sequence[float]) -> list[Var]:
    """Services by loss rate per second of work, each as if it were alone: for outages too large for more."""
    members = [members_of(one) for one in sets]
    seconds = [sum(work[job] for job in one) for one in members]
    ranked = sorted(range(len(sets)), key=lambda one: (-rates[one] / max(seconds[one], 1e-9), one))
    return list(dict.fromkeys(job for one in ranked for job in members[one]))


def _useful(circuit: Circuit) -> list[Var]:
    """Jobs under something of value: the circuit has no other gates."""
    used = {var for var, _ in circuit.valued}
    used.update(*(gate.children for gate in circuit.gates))
    return sorted(var for var in used if var < len(circuit.jobs))


def _whole(circuit: Circuit, order: Iterable[Var], useful: Sequence[Var], idle: Sequence[Var]) -> list[Var]:
    """`order` with the jobs that it lacks behind: other branches first, then those of no value."""
    first = list(dict.fromkeys(order))
    taken = set(first)
    rest = sorted(set(useful) - taken, key=lambda job: (circuit.jobs[job].work_s, job))
    return [*first, *rest, *(job for job in idle if job not in taken)]
