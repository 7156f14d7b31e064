"""The planner: a good order soon, a better one within a budget, always with what the best one loses at least."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain, permutations
from operator import itemgetter

from bsm_remediate.domain.ordering.bound import lower_bound
from bsm_remediate.domain.ordering.branches import JobSet, cheapest_sets, earliest_sets, grouped, members_of, sums
from bsm_remediate.domain.ordering.circuit import Circuit, Var
from bsm_remediate.domain.ordering.course import Courses
from bsm_remediate.domain.ordering.greedy import TASTES, greedy
from bsm_remediate.domain.ordering.job import Crew
from bsm_remediate.domain.ordering.one_by_one import OneByOne
from bsm_remediate.domain.ordering.order import Ordering
from bsm_remediate.domain.ordering.search import improved
from bsm_remediate.domain.ordering.sidney import charges, in_pieces
from bsm_remediate.domain.ordering.together import Together
from bsm_remediate.domain.ordering.ways import ways_of

_FEW = 5
"""Up to so many jobs all orders are tried."""
_WORK_OF_A_SEARCH = 100_000
"""Gates and jobs that a search looks at, all orders together: some 30 ms."""
_MOST_LOOKS = 3_000
_PROVEN = 40
"""Up to so many jobs the best order for one executor is looked for: proven, it is one; else it is a good start."""
_LOOKS_OF_A_PROOF = 1_000
_FEWEST_LOOKS = 100
"""With fewer a search finds nothing: large outages are planned by rule."""
_RESTARTS = 4
_ALTERNATIONS = 3
"""How often the branches that come first in the best order are taken as given, and the rest is ordered anew."""
_SMALL = 200
"""Up to so many jobs several rules are tried; for more, the one that is best nearly always."""
_MOST_MEMBERS = 100_000
"""Jobs that services need, summed over services, up to which the marginal greedy order takes less than 50 ms."""

_MOST_PLACES = 400
"""New jobs times places that are tried for them in a standing order."""
WORTH_CHANGING = 0.01
"""Part of the remaining loss that a new order must save to replace the standing one."""


def best_order(circuit: Circuit, crew: Crew, *, standing: Sequence[Var] = (), effort: float = 1.0) -> Ordering:
    """The best order found. `effort` scales the search; 0 leaves it out. Work is counted, never time: the same input
    gives the same order.

    `standing` is the order that was in force, as far as its jobs are still there. It is among those that are tried, and
    it stays unless a better one saves more than a hundredth: people and hosts prepare for what was announced.
    """
    found = _searched(circuit, crew, standing, effort)
    if not standing or found.order[: len(standing)] == tuple(standing):
        return found
    loss, kept = _woven(Courses(circuit, crew), standing, found.order)
    if loss - found.loss > WORTH_CHANGING * found.loss:
        return found
    is_as_good = loss <= found.loss * (1 + 1e-9)
    return replace(
        found, order=kept, loss=loss, is_proven=found.is_proven and is_as_good, would_save=max(loss - found.loss, 0.0)
    )


def _woven(courses: Courses, standing: Sequence[Var], order: Sequence[Var]) -> tuple[float, tuple[Var, ...]]:
    """`standing` with each further job of `order` at its best place, where there are few; else behind."""
    woven = list(standing)
    new = [job for job in order if job not in set(standing)]
    if len(new) * len(order) > _MOST_PLACES:
        woven += new
    else:
        for job in new:
            places = range(len(woven), -1, -1)  # of equal ones the last: what stands stays first
            _, place = min((courses.loss([*woven[:one], job, *woven[one:]]), -one) for one in places)
            woven.insert(-place, job)
    return courses.loss(woven), tuple(woven)


def proven_order(circuit: Circuit, crew: Crew, found: Ordering, *, looks: int) -> Ordering:
    """The exact mode: the best order of all, proven, if at most `looks` states have to be looked at. `found` is what is
    to be beaten; where they don't suffice the best that came up, with the bound that they proved.
    """
    if found.is_proven or not circuit.valued:
        return found
    ways = ways_of(circuit)
    if ways is not None and _is_one_by_one(circuit, crew):
        return OneByOne(circuit, crew, ways).improved(found, looks)
    return Together(circuit, crew, ways).improved(found, looks)


def _is_one_by_one(circuit: Circuit, crew: Crew) -> bool:
    return len(crew.executors) == 1 and not crew.locked and not circuit.under_way


def _searched(circuit: Circuit, crew: Crew, standing: Sequence[Var], effort: float) -> Ordering:
    courses = Courses(circuit, crew)
    if len(circuit.jobs) <= _FEW:
        # With an executor for each there is no order; still what stops the most begins, and is told, first.
        alone = Courses(circuit, Crew(executors={0: 0.0}))
        orders = list(permutations(range(len(circuit.jobs))))
        least = min(map(courses.loss, orders))
        first = min((alone.loss(one), one) for one in orders if courses.loss(one) <= least)[1]
        return Ordering(order=first, loss=least, lower_bound=least, is_proven=True)
    starts = _Starts(courses, len(crew.executors)).found(effort, standing)
    least, best = starts[0]
    found = Ordering(order=tuple(best), loss=least, lower_bound=min(lower_bound(courses, crew), least), is_proven=False)
    if effort and len(circuit.jobs) <= _PROVEN:
        found = _one_by_one(courses, crew, found, looks=int(effort * _LOOKS_OF_A_PROOF))
        if found.is_proven:
            return found
        starts.insert(0, (found.loss, list(found.order)))
    looks = min(int(effort * _WORK_OF_A_SEARCH / (len(circuit.jobs) + len(circuit.gates))), _MOST_LOOKS)
    for seed in range(_RESTARTS if looks >= _FEWEST_LOOKS else 0):
        # By turns on from the best, and from another start, which may lie in a deeper basin.
        start = found.order if seed % 2 == 0 else starts[min(seed, len(starts) - 1)][1]
        order, loss = improved(courses, start, looks=looks // _RESTARTS, seed=seed)
        if loss < found.loss:
            found = replace(found, order=tuple(order), loss=loss)
    return replace(found, is_proven=found.lower_bound >= found.loss * (1 - 1e-9))


def _one_by_one(courses: Courses, crew: Crew, found: Ordering, *, looks: int) -> Ordering:
    """`found`, or the best order for one executor that nothing holds up, if that is better for this crew."""
    circuit = courses.circuit
    ways = ways_of(circuit)
    if ways is None:
        return found
    if _is_one_by_one(circuit, crew):
        return OneByOne(circuit, crew, ways).improved(found, looks)
    alone = Crew(executors={0: min(crew.executors.values())})
    to_beat = replace(found, loss=Courses(circuit, alone).loss(found.order), lower_bound=0.0)
    best = OneByOne(circuit, alone, ways).improved(to_beat, looks)
    loss = courses.loss(best.order)
    if loss < found.loss:
        found = replace(found, order=best.order, loss=loss)
    is_straight = all(curve.is_straight for _, curve in circuit.valued)
    if best.is_proven and is_straight and not circuit.under_way and not any(crew.executors.values()):
        # One executor that works as fast as all of them together can imitate them.
        return replace(found, lower_bound=min(max(found.lower_bound, best.loss / len(crew.executors)), found.loss))
    return found


class _Starts:
    """Orders by rule."""

    def __init__(self, courses: Courses, executors: int) -> None:
        self._courses = courses
        self._circuit = circuit = courses.circuit
        self._executors = executors
        self._work = [job.work_s for job in circuit.jobs]
        used = {var for var, _ in circuit.valued}
        used.update(chain.from_iterable([gate[1] for gate in circuit.gates]))  # the circuit has no other gates
        jobs = sorted(range(len(circuit.jobs)), key=lambda job: (self._work[job], job))
        self._useful = [job for job in jobs if job in used]
        self._idle = [job for job in jobs if job not in used]

    def found(self, effort: float, standing: Sequence[Var]) -> list[tuple[float, list[Var]]]:
        """With what they lose, the best first."""
        circuit, work = self._circuit, self._work
        is_small = len(work) <= _SMALL
        groups = self._groups(cheapest_sets(circuit, work))
        if _members(groups) <= _MOST_MEMBERS and (effort or is_small):
            tastes = TASTES if effort and is_small else TASTES[:1]
            orders = [greedy(circuit, work, taste, executors=self._executors) for taste in tastes]
        else:
            orders = [_by_density(groups, work)]
        found = [self._judged(one) for one in [*orders, *([standing] if standing else [])]]
        found.append(self._judged(self._in_pieces(groups, found[0][1])))
        rounds = _ALTERNATIONS if is_small else int(effort > 0)
        for _ in range(rounds if circuit.has_choice else 0):
            least, best = min(found, key=itemgetter(0))
            groups = self._groups(earliest_sets(circuit, self._courses.times(best)))
            found.append(self._judged(self._in_pieces(groups, best)))
            if found[-1][0] >= least:
                break
        return sorted(found, key=itemgetter(0))  # of equal ones the first: by what stops the most

    def _groups(self, sets: Sequence[JobSet]) -> dict[JobSet, float]:
        return grouped(sets, [curve.rate for _, curve in self._circuit.valued])

    def _in_pieces(self, groups: Mapping[JobSet, float], ranked: Sequence[Var]) -> Sequence[Var]:
        if not 0 < _members(groups) <= 25 * _MOST_MEMBERS:
            return ranked
        return in_pieces(charges(groups, self._work), groups, self._work, ranked)

    def _judged(self, order: Iterable[Var]) -> tuple[float, list[Var]]:
        """With the jobs that it lacks behind: other branches first, then those of no value."""
        first = dict.fromkeys(order)
        whole = [*first, *(job for job in [*self._useful, *self._idle] if job not in first)]
        return self._courses.loss(whole), whole


def _members(groups: Mapping[JobSet, float]) -> int:
    return sum(one.bit_count() for one in groups)


def _by_density(groups: Mapping[JobSet, float], work: Sequence[float]) -> list[Var]:
    """By loss rate per second of work, each group as if it were alone."""
    seconds = dict(zip(groups, sums(list(groups), work), strict=True))
    order: list[Var] = []
    done: JobSet = 0
    for one in sorted(groups, key=lambda one: (-groups[one] / max(seconds[one], 1e-9), one)):
        if missing := one & ~done:
            order += members_of(missing)
            done |= missing
    return order
