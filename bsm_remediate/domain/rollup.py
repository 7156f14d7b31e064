"""Roll-up: from the own states of components to the effective state of everything (DESIGN 5.1).

All formulas are monotone, so an unknown child is settled by two evaluations (as ok and as down), and a cycle by its
greatest fixed point: nothing is down only because it waits for itself. What was worked out last is kept: the next
evaluation costs what has changed since, whatever fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bsm_remediate.domain.blame import Blame
from bsm_remediate.domain.compact import CompactMap
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.live_levels import LiveLevels, Wiring
from bsm_remediate.domain.service_map import ServiceMap
from bsm_remediate.domain.single_failures import SingleFailures
from bsm_remediate.domain.state import AT_BEST, AT_WORST, LEVELS, Level, State
from bsm_remediate.domain.topology import Adjacency

Levels = Mapping[NodeId, Level]
"""Nodes that are not ok; all others are at level 0."""


class RollUp:
    """The service map, compiled for evaluation. One thread at a time: it remembers what it was last asked."""

    def __init__(self, service_map: ServiceMap) -> None:
        self.service_map = service_map
        self._requirements: dict[NodeId, tuple[NodeId, ...]] = {}
        self._risks: tuple[Mapping[NodeId, State], tuple[NodeId, ...], dict[NodeId, tuple[NodeId, ...]]] | None = None
        """The last question to `single_failures`, and its answer."""

    @cached_property
    def compact(self) -> CompactMap:
        """The map as flat arrays."""
        return CompactMap(self.service_map)

    @cached_property
    def wiring(self) -> Wiring:
        """What any number of `LiveLevels` of this map share."""
        return Wiring(self.compact)

    # --- structure -------------------------------------------------------------------------------------------------

    def requirements(self, node: NodeId) -> tuple[NodeId, ...]:
        """The nodes that the formula of `node` counts."""
        known = self._requirements.get(node)
        if known is None:
            known = self._requirements[node] = self._read_requirements(node)
        return known

    def _read_requirements(self, node: NodeId) -> tuple[NodeId, ...]:
        """As they are written, nested ones where they stand."""
        compact = self.compact
        number = compact.number_of.get(node)
        if number is None:
            return ()
        starts, ends = compact.children.quick
        found: dict[NodeId, None] = {}
        opened = {number}
        walk = [iter(ends[starts[number] : starts[number + 1]])]
        while walk:
            child = next(walk[-1], None)
            if child is None:
                walk.pop()
            elif compact.names[child]:
                found[compact.names[child]] = None
            elif child not in opened:
                opened.add(child)
                walk.append(iter(ends[starts[child] : starts[child + 1]]))
        return tuple(found)

    def dependants(self, node: NodeId) -> tuple[NodeId, ...]:
        """The nodes whose formulas count `node` directly."""
        compact = self.compact
        number = compact.number_of.get(node)
        if number is None:
            return ()
        starts, ends = compact.parents.quick
        found: set[int] = set()
        waiting = [number]
        while waiting:
            vertex = waiting.pop()
            for parent in ends[starts[vertex] : starts[vertex + 1]]:
                if parent not in found:
                    found.add(parent)
                    if not compact.names[parent]:
                        waiting.append(parent)
        as_written = sorted(found, key=compact.order.vertices.__getitem__)
        return tuple(compact.names[vertex] for vertex in as_written if compact.names[vertex])

    def cone(self, nodes: Iterable[NodeId]) -> set[NodeId]:
        """`nodes` and everything that depends on them, directly or through others."""
        return self._reached(nodes, self.compact.parents)

    def foundation(self, nodes: Iterable[NodeId]) -> set[NodeId]:
        """`nodes` and everything that they depend on."""
        return self._reached(nodes, self.compact.children)

    def _reached(self, nodes: Iterable[NodeId], edges: Adjacency) -> set[NodeId]:
        asked = set(nodes)
        known = [self.compact.number_of[node] for node in asked if node in self.compact.number_of]
        return asked.union(self.compact.nodes(np.array(edges.reached(known), np.int32)))

    def siblings(self, node: NodeId) -> set[NodeId]:
        """The other nodes of the nearest gates that `node` is a redundant child of (`any`, `at_least`)."""
        compact = self.compact
        number = compact.number_of.get(node)
        found: set[NodeId] = set()
        if number is not None:
            starts, ends = compact.parents.starts, compact.parents.ends
            for gate in ends[starts[number] : starts[number + 1]].tolist():
                if compact.need[gate] < compact.totals[gate]:
                    members = compact.children.ends[compact.children.starts[gate] : compact.children.starts[gate + 1]]
                    found.update(compact.nodes(members))
        return found - {node}

    def cycle_of(self, node: NodeId) -> frozenset[NodeId]:
        """The nodes that wait for each other in a circle with `node`, itself included; empty when there is none."""
        return self._cycle_of.get(node, frozenset())

    @cached_property
    def _cycle_of(self) -> dict[NodeId, frozenset[NodeId]]:
        compact = self.compact
        circles = [compact.nodes(np.arange(first, end, dtype=np.int32)) for first, end in compact.order.circles]
        return {node: members for circle in circles for members in (frozenset(circle),) for node in circle}

    def cycles(self) -> list[frozenset[NodeId]]:
        """All groups of nodes that wait for each other."""
        return sorted(set(self._cycle_of.values()), key=min)

    def in_order(self, nodes: Iterable[NodeId]) -> list[NodeId]:
        """`nodes` with requirements before their dependants (members of a cycle side by side)."""
        number_of = self.compact.number_of
        return sorted(nodes, key=lambda one: (number_of.get(one, -1), one))

    # --- evaluation ------------------------------------------------------------------------------------------------

    def states(self, own: Mapping[NodeId, State]) -> dict[NodeId, State]:
        """Effective states of all components and services that are not ok.

        `own` holds own states of components, and reported states of services, that are not ok.
        """
        low, high, planned = self._ends(own)
        if low is high and not planned:
            return {node: LEVELS[level] for node, level in low.items()}
        return {node: _settled(node, low, high, planned) for node in (*high, *(planned.keys() - high.keys()))}

    def ends(self, own: Mapping[NodeId, State]) -> dict[NodeId, tuple[State, State]]:
        """What is unknown under `own`, with its states at best and at worst."""
        low, high, planned = self._ends(own)
        found = {}
        for node in high if low is not high else ():
            at_low, at_high = _at_both_ends(node, low, high, planned)
            if at_low is not at_high:
                found[node] = (at_low, at_high)
        return found

    def requires_level(self, node: NodeId, levels: Levels) -> Level:
        """The level of the formula of `node` alone when everything is at `levels`, the members of its own cycle taken
        as ok (DESIGN 5.3).
        """
        compact = self.compact
        number = compact.number_of.get(node)
        if number is None:
            return 0
        cycle = self.cycle_of(node)
        starts, ends = compact.children.quick
        reached: dict[int, Level] = {}
        stack = [number]
        while stack:
            vertex = stack[-1]
            edges = range(starts[vertex], starts[vertex + 1])
            inner = [ends[edge] for edge in edges if not compact.names[ends[edge]] and ends[edge] not in reached]
            if inner:
                stack += inner
                continue
            stack.pop()
            up = fine = 0
            for edge in edges:
                name = compact.names[ends[edge]]
                level = reached[ends[edge]] if not name else 0 if name in cycle else levels.get(name, 0)
                weight, *seen = compact.kinds[compact.quick_kinds[edge]]
                level = (0, *seen)[level]
                up += weight * (level < 2)
                fine += weight * (level < 1)
            reached[vertex] = 2 if up < compact.need[vertex] else int(fine < compact.comfortable[vertex])
        return reached[number]

    def levels(self, own: Mapping[NodeId, Level]) -> dict[NodeId, Level]:
        """Effective levels of all nodes that are not ok, from own levels, requirements before their dependants."""
        return self._levels(self._asked, own)

    def falling(self, own: Mapping[NodeId, Level], nodes: Iterable[NodeId]) -> list[NodeId]:
        """What would be down, and isn't under own levels `own`, if `nodes` were down too. Costs what that changes."""
        live, compact = self._asked, self.compact
        live.follow(own)
        before = {number: int(live.own[number]) for number in compact.numbers(nodes).tolist()}
        changed = live.change(dict.fromkeys(before, 2))
        fallen = np.sort(changed[live.level[changed] == 2])
        live.change(before)
        return compact.nodes(fallen)

    def at(self, own: Mapping[NodeId, Level]) -> LiveLevels:
        """The levels of all vertices under `own`: only to be read, and until the next question."""
        self._asked.follow(own)
        return self._asked

    def live(self) -> LiveLevels:
        """Levels of one's own to change step by step; everything in them is ok."""
        return LiveLevels(self.wiring)

    def mended(
        self, levels: Levels, own: Mapping[NodeId, Level], nodes: Iterable[NodeId]
    ) -> tuple[dict[NodeId, Level], set[NodeId]]:
        """The levels after the own states of `nodes` went back to ok, as `own` says now, given those before; and the
        nodes that may have changed.
        """
        affected = self.cone(nodes)
        now = self.levels(own)
        found = {node: level for node, level in levels.items() if node not in affected}
        found.update((node, level) for node, level in now.items() if node in affected)
        return found, affected

    def blame(self, own: Mapping[NodeId, State]) -> Blame:
        """Each node that isn't ok → everything below it that makes it so, directly or through others. What fails beside
        it without a part in it (behind redundancy, or a soft dependency) is left out. Unknown counts as down.
        """
        live = self._worst if State.UNKNOWN in own.values() else self._best
        live.follow({node: AT_WORST[state] for node, state in own.items()})
        return Blame(self.compact, live, self._is_component)

    def single_failures(
        self, services: Iterable[NodeId], own: Mapping[NodeId, State]
    ) -> dict[NodeId, tuple[NodeId, ...]]:
        """For each of `services` that isn't down: the components any one of whose failure would take it down now.

        Unknown components count as ok, those in maintenance as down.
        """
        compact, wanted = self.compact, tuple(services)
        if self._risks is not None and self._risks[:2] == (own, wanted):
            return dict(self._risks[2])
        self._best.follow({node: AT_BEST[state] for node, state in own.items()})
        found = SingleFailures(compact, self._best, self._is_component).of(compact.numbers(wanted).tolist())
        killers = {compact.names[one]: tuple(sorted(map(compact.names.__getitem__, found[one]))) for one in found}
        risks = {service: killers[service] for service in wanted if service in killers}
        self._risks = (dict(own), wanted, risks)
        return dict(risks)

    # --- what was worked out last ------------------------------------------------------------------------------------

    @cached_property
    def _asked(self) -> LiveLevels:
        return self.live()

    @cached_property
    def _best(self) -> LiveLevels:
        """With the unknown as ok."""
        return self.live()

    @cached_property
    def _worst(self) -> LiveLevels:
        """With the unknown as down."""
        return self.live()

    @cached_property
    def _planned(self) -> LiveLevels:
        """Under the maintenance alone."""
        return self.live()

    @cached_property
    def _is_component(self) -> NDArray[np.bool_]:
        compact = self.compact
        return compact.order.vertices < len(self.service_map.components)

    def _levels(self, live: LiveLevels, own: Mapping[NodeId, Level]) -> dict[NodeId, Level]:
        live.follow(own)
        number_of = self.compact.number_of
        strangers = {node: level for node, level in own.items() if level and node not in number_of}
        return {**strangers, **live.by_name()}

    def _ends(self, own: Mapping[NodeId, State]) -> tuple[Levels, Levels, Levels]:
        """Levels with the unknown as ok, with the unknown as down (the same object when nothing is unknown), and those
        of the maintenance alone.
        """
        low = self._levels(self._best, {node: AT_BEST[state] for node, state in own.items()})
        high = low
        if State.UNKNOWN in own.values():
            high = self._levels(self._worst, {node: AT_WORST[state] for node, state in own.items()})
        maintained: dict[NodeId, Level] = {node: 2 for node, state in own.items() if state is State.MAINTENANCE}
        return low, high, self._levels(self._planned, maintained) if maintained else {}


def _settled(node: NodeId, low: Levels, high: Levels, planned: Levels) -> State:
    at_low, at_high = _at_both_ends(node, low, high, planned)
    return at_low if at_low is at_high else State.UNKNOWN


def _at_both_ends(node: NodeId, low: Levels, high: Levels, planned: Levels) -> tuple[State, State]:
    maintained = planned.get(node, 0)
    return _planned_or_real(low.get(node, 0), maintained), _planned_or_real(high.get(node, 0), maintained)


def _planned_or_real(level: Level, planned: Level) -> State:
    return State.MAINTENANCE if planned and level == planned else LEVELS[level]
