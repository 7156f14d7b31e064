"""The worst failures: which few components at once cost most.

Whatever takes another component down with it costs at least as much, so only components that no other takes down are
tried. They are tried by branch and bound, those first with most at stake above them: what a further failure adds is at
most what the services above it still have to lose.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field

from bsm_remediate.domain.failure_loss import FailureLoss, Harm, Progress, in_silence
from bsm_remediate.domain.ids import NodeId

_NEGLIGIBLE = 1e-9
_MOST_LOOKS = 10_000
"""Sets that are rolled up: some seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failures:
    """Components that fail at once; each of them makes it worse."""

    components: tuple[NodeId, ...]
    loss_per_minute: float
    """Beyond what is lost already; money, unweighted."""
    weighted: float
    services: tuple[NodeId, ...]
    """Those that suffer, costliest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorstFailures:
    """The costliest sets of up to so many components, highest first."""

    worst: tuple[Failures, ...]
    examined: int
    is_proven: bool
    """Whether there are no worse ones."""
    at_most: float
    """No set costs more than that: weighted, per minute."""


def worst_failures(
    losses: FailureLoss, up_to: int, *, most: int = 10, looks: int = _MOST_LOOKS, progress: Progress = in_silence
) -> WorstFailures:
    """At most `most` sets of at most `up_to` components (both from 1), at most `looks` sets rolled up."""
    search = _Search(losses, _masters(losses), most, looks, progress)
    search.go_on((), 0, up_to, 0.0)
    found = [
        Failures(
            components=tuple(sorted(losses.compact.names[vertex] for vertex in one.vertices)),
            loss_per_minute=one.harm.money,
            weighted=one.harm.weighted,
            services=losses.services_by_loss(one.harm),
        )
        for one in search.best
    ]
    worst = found[0].weighted if found else 0.0
    return WorstFailures(
        worst=tuple(found),
        examined=search.looked,
        is_proven=search.left_out <= worst + _NEGLIGIBLE,
        at_most=max(worst, search.left_out),
    )


def _masters(losses: FailureLoss) -> list[int]:
    """Components that no other one takes down; of those that take each other down the first."""
    mastered: set[int] = set()
    components = set(losses.components)
    for vertex in losses.components:
        if vertex in mastered:
            continue
        fallen = losses.fail([vertex])
        level = losses.live.level
        mastered.update(one for one in fallen.changed if one != vertex and one in components and level[one] == 2)
        losses.restore(fallen)
    return [vertex for vertex in losses.components if vertex not in mastered]


@dataclass(frozen=True, slots=True)
class _Found:
    vertices: tuple[int, ...]
    harm: Harm

    @property
    def rank(self) -> tuple[float, float, int, tuple[int, ...]]:
        return -self.harm.weighted, -self.harm.money, len(self.vertices), self.vertices


@dataclass(slots=True)
class _Search:
    losses: FailureLoss
    masters: list[int]
    most: int
    looks: int
    progress: Progress
    best: list[_Found] = field(default_factory=list)
    """The worst so far, the worst of all first."""
    looked: int = 0
    left_out: float = 0.0
    """What the sets that were not looked at any more cost at most."""
    stakes: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        at_stake = {vertex: self._above(vertex) for vertex in self.masters}
        self.masters.sort(key=lambda vertex: (-at_stake[vertex], vertex))
        self.stakes = [at_stake[vertex] for vertex in self.masters]

    def _above(self, vertex: int) -> float:
        """What all services above `vertex` have to lose, weighted."""
        return self.losses.at_stake(self.losses.compact.parents.reached([vertex]))

    def go_on(self, down: tuple[int, ...], start: int, more: int, lost: float) -> None:
        """Try all with `down` and up to `more` of the components from place `start` on."""
        for place in range(start, len(self.masters)):
            bound = lost + sum(self.stakes[place : place + more])
            if bound <= self._threshold() + _NEGLIGIBLE:
                return
            if self.looked >= self.looks:
                self.left_out = max(self.left_out, bound)
                return
            self.looked += 1
            self.progress(self.looked, self.looks)
            vertices = (*down, self.masters[place])
            harm = self.losses.of(vertices)
            self._take(vertices, harm, lost)
            if more > 1:
                self.go_on(vertices, place + 1, more - 1, harm.weighted)

    def _threshold(self) -> float:
        return self.best[-1].harm.weighted if len(self.best) >= self.most else 0.0

    def _take(self, vertices: tuple[int, ...], harm: Harm, lost: float) -> None:
        if harm.weighted <= max(lost, self._threshold()) + _NEGLIGIBLE:
            return
        found = _Found(vertices, harm)
        if len(vertices) == 1 or self._each_counts(vertices, harm):
            insort(self.best, found, key=lambda one: one.rank)
            del self.best[self.most :]

    def _each_counts(self, vertices: Sequence[int], harm: Harm) -> bool:
        """Whether every one of them makes it worse. The last one does already."""
        for left_out in vertices[:-1]:
            rest = [vertex for vertex in vertices if vertex != left_out]
            if self.losses.of(rest).weighted >= harm.weighted - _NEGLIGIBLE:
                return False
        return True
