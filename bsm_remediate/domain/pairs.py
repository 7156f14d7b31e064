"""Pairs: which two failures at once cost more than the two alone.

Not every two are tried. For one more service to suffer there must be a formula that bears either failure and not both:
the two *meet* there. So what each failure takes from the formulas that bear it is noted once, and only pairs that meet
are rolled up, those with most at stake above first. Components whose failures do the same (a chain) count as one until
they are written out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappush, heapreplace
from itertools import islice, product

from bsm_remediate.domain.failure_loss import FailureLoss, Harm, Progress, in_silence
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.stand_ins import stand_ins
from bsm_remediate.domain.state import Level

_KEPT = 300_000
"""Pairs of kinds kept in mind; more meet only in formulas of many hundred children."""
_MOST_EXAMINED = 100_000
"""Pairs that are rolled up, some seconds of them; of the others their bound is said."""
_NEGLIGIBLE = 1e-9

Limit = tuple[int, Level]
"""A formula, by its vertex, and the level that it does not yet reach: 1 or 2."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two components whose joint failure costs more than the two alone. Per minute."""

    components: tuple[NodeId, NodeId]
    loss_per_minute: float
    """Of both at once; money, unweighted."""
    extra_loss_per_minute: float
    """More than the sum of the two alone; money, unweighted."""
    weighted_extra: float
    services: tuple[NodeId, ...]
    """Those that suffer more from both than from either, costliest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairs:
    """The worst pairs, highest extra loss first, and what is not among them."""

    worst: tuple[Pair, ...]
    examined: int
    """Pairs that meet and were rolled up, those that do the same once."""
    left_out: int
    """Pairs of components that may cost extra too, or do; at most that many."""
    left_out_at_most: float
    """None of those costs more extra than that: weighted, per minute."""


def worst_pairs(losses: FailureLoss, *, most: int, progress: Progress = in_silence) -> Pairs:
    """At most `most` pairs (from 1) of components that are not down yet."""
    kinds = _kinds(losses)
    met = _Meetings(losses, kinds)
    best: list[float] = []
    """A heap of the `most` highest extra losses."""
    joints: list[_Joint] = []
    examined = 0
    for bound, (one, other) in met.by_bound:
        if examined == _MOST_EXAMINED or (len(best) == most and bound <= best[0] + _NEGLIGIBLE):
            break
        progress(examined, len(met.by_bound))
        examined += 1
        joint = _Joint.of(losses, kinds[one], kinds[other])
        if max(joint.extra, joint.extra_money) <= _NEGLIGIBLE:
            continue
        joints.append(joint)
        for _ in range(min(joint.number, most)):
            if len(best) < most:
                heappush(best, joint.extra)
            elif joint.extra > best[0]:
                heapreplace(best, joint.extra)
    joints.sort(key=lambda one: (-one.extra, -one.extra_money))
    worst: list[Pair] = []
    surplus = 0
    at_most = met.not_kept_bound
    for joint in joints:
        room = most - len(worst)
        worst += joint.pairs(losses, room)
        if joint.number > room:
            surplus += joint.number - room
            at_most = max(at_most, joint.extra)
    unread = met.by_bound[examined:]
    return Pairs(
        worst=tuple(worst),
        examined=examined,
        left_out=surplus + met.not_kept + sum(kinds[one].number * kinds[other].number for _, (one, other) in unread),
        left_out_at_most=max(at_most, unread[0][0] if unread else 0.0),
    )


# --- what each failure takes -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Kind:
    """Components whose failures do the same."""

    vertex: int
    harm: Harm
    taken: Mapping[Limit, frozenset[int]]
    """The edges to children lost to formulas that bear it; edges are places in `compact.parents.ends`."""
    members: list[NodeId] = field(default_factory=list)

    @property
    def number(self) -> int:
        return len(self.members)


def _kinds(losses: FailureLoss) -> list[_Kind]:
    """Those that any formula bears: the others meet nothing."""
    stands_for = stand_ins(losses)
    known: dict[int, _Kind] = {}
    by_effect: dict[object, _Kind] = {}
    for vertex in losses.components:
        asked = stands_for[vertex]
        if asked not in known:
            kind = _kind(losses, asked)
            effect = (frozenset(kind.harm.levels.items()), frozenset(kind.taken.items()))
            known[asked] = by_effect.setdefault(effect, kind)
        known[asked].members.append(losses.compact.names[vertex])
    return [kind for kind in by_effect.values() if kind.taken]


def _kind(losses: FailureLoss, vertex: int) -> _Kind:
    compact, level = losses.compact, losses.live.level
    starts, ends = compact.parents.quick
    fallen = losses.fail([vertex])
    now = {one: int(level[one]) for one in fallen.changed}
    places = [(one, place) for one in now for place in range(starts[one], starts[one + 1])]
    reached = {ends[place]: int(level[ends[place]]) for _, place in places}
    losses.restore(fallen)
    taken: dict[Limit, list[int]] = {}
    for one, place in places:
        parent = ends[place]
        weight, *rest = compact.kinds[compact.parent_edge_kind[place]]
        seen = (0, *rest)
        for limit in (1, 2):
            if weight and reached[parent] < limit and seen[level[one]] < limit <= seen[now[one]]:
                taken.setdefault((parent, limit), []).append(place)
    harm = losses.harm({one: now[one] for one in now if losses.is_service(one)})
    return _Kind(vertex, harm, {limit: frozenset(edges) for limit, edges in taken.items()})


# --- where they meet -------------------------------------------------------------------------------------------------


class _Meetings:
    """All pairs of kinds (by number) that meet, with what they may cost extra at most, highest first."""

    def __init__(self, losses: FailureLoss, kinds: Sequence[_Kind]) -> None:
        self._losses = losses
        self._kinds = kinds
        self._above: dict[int, frozenset[int]] = {}
        self._bounds: dict[frozenset[int], float] = {}
        self.not_kept = 0
        """Pairs of components beyond those kept, as often as they meet."""
        self.not_kept_bound = 0.0
        at: dict[Limit, list[int]] = {}
        for number, kind in enumerate(kinds):
            for limit in kind.taken:
                at.setdefault(limit, []).append(number)
        pairs: dict[tuple[int, int], float] = {}
        not_read: set[int] = set()
        done: set[object] = set()
        for limit in sorted(at, key=lambda one: (-self._bound(frozenset({one[0]})), one)):
            weights = sorted((-self._weight(kinds[one].taken[limit]), one) for one in at[limit])
            taken = tuple((one, kinds[one].taken[limit]) for one in at[limit])
            same = (limit[0], self._losses.margin(*limit), taken)
            if same in done:  # where its children are lost for both limits alike they are one question
                continue
            done.add(same)
            room = _KEPT - len(pairs)
            met = list(islice(self._meeting(limit, weights), room))
            for one, other in met:
                if (one, other) not in pairs:
                    shared = kinds[one].taken.keys() & kinds[other].taken.keys()
                    pairs[one, other] = self._bound(frozenset(vertex for vertex, _ in shared))
            if len(met) == room:
                number = sum(kinds[one].number * kinds[other].number for one, other in met)
                self.not_kept += max(self._number(limit, weights) - number, 0)
                not_read.add(limit[0])
        if self.not_kept:
            self.not_kept_bound = self._bound(frozenset(not_read))
        self.by_bound = sorted(((bound, pair) for pair, bound in pairs.items()), key=lambda one: (-one[0], one[1]))

    def _meeting(self, limit: Limit, weights: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """Those that take more together than the formula bears; `weights` are minus what each takes, largest first."""
        margin = self._losses.margin(*limit)
        for place, (minus, one) in enumerate(weights):
            taken = self._kinds[one].taken[limit]
            for other_minus, other in islice(weights, place + 1, None):
                if -minus - other_minus <= margin:
                    break
                common = taken & self._kinds[other].taken[limit]
                if not common or -minus - other_minus - self._weight(common) > margin:
                    yield min(one, other), max(one, other)

    def _number(self, limit: Limit, weights: Sequence[tuple[int, int]]) -> int:
        """How many pairs of components that are at most; in one pass, since there are too many to look at."""
        margin = self._losses.margin(*limit)
        members = [self._kinds[one].number for _, one in weights]
        found, partners, last = 0, 0, 0
        for place in range(len(weights) - 1, -1, -1):  # the lightest first: the heavier it is, the more go with it
            while last < len(weights) and -weights[place][0] - weights[last][0] > margin:
                partners += members[last]
                last += 1
            alike = members[place] if last > place else 0
            found += members[place] * (partners - alike)
        return found // 2

    def _weight(self, edges: Iterable[int]) -> int:
        compact = self._losses.compact
        return sum(compact.kinds[compact.parent_edge_kind[edge]][0] for edge in edges)

    def _bound(self, vertices: frozenset[int]) -> float:
        """What services above `vertices` have to lose, weighted."""
        known = self._bounds.get(vertices)
        if known is None:
            services = frozenset[int]().union(*(self._services_above(vertex) for vertex in vertices))
            known = self._bounds[vertices] = self._losses.at_stake(sorted(services))
        return known

    def _services_above(self, vertex: int) -> frozenset[int]:
        known = self._above.get(vertex)
        if known is None:
            reached = self._losses.compact.parents.reached([vertex])
            known = self._above[vertex] = frozenset(one for one in reached if self._losses.is_service(one))
        return known


@dataclass(frozen=True, slots=True)
class _Joint:
    """Two kinds that fail together."""

    kinds: tuple[_Kind, _Kind]
    both: Harm
    extra: float
    extra_money: float

    @classmethod
    def of(cls, losses: FailureLoss, one: _Kind, other: _Kind) -> _Joint:
        both = losses.of([one.vertex, other.vertex])
        alone = (one.harm, other.harm)
        extra = both.weighted - sum(harm.weighted for harm in alone)
        return cls((one, other), both, extra, both.money - sum(harm.money for harm in alone))

    @property
    def number(self) -> int:
        """Of pairs of components."""
        return self.kinds[0].number * self.kinds[1].number

    def pairs(self, losses: FailureLoss, most: int) -> list[Pair]:
        one, other = self.kinds
        worse = {
            vertex: level
            for vertex, level in self.both.levels.items()
            if level > max(one.harm.levels.get(vertex, 0), other.harm.levels.get(vertex, 0))
        }
        services = losses.services_by_loss(losses.harm(worse))
        return [
            Pair(
                components=(min(names), max(names)),
                loss_per_minute=self.both.money,
                extra_loss_per_minute=self.extra_money,
                weighted_extra=self.extra,
                services=services,
            )
            for names in islice(product(one.members, other.members), most)
        ]
