"""Roll-up: from the own states of components to the effective state of everything (DESIGN 5.1).

All formulas are monotone, so an unknown child is settled by two evaluations (as ok and as down), and a cycle by its
greatest fixed point: nothing is down only because it waits for itself. Only the dependants of what isn't ok are
computed: the cost is that of the affected cone, not of the graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from math import lcm

from bsm_remediate.domain.formula import Gate
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.service_map import ServiceMap
from bsm_remediate.domain.state import AT_BEST, AT_WORST, LEVELS, Level, State

Levels = Mapping[NodeId, Level]
"""Nodes that are not ok; all others are at level 0."""

_CompiledEdge = tuple["NodeId | _CompiledGate", int, tuple[Level, Level, Level]]
_Worsening = Mapping[Level, Mapping[NodeId, frozenset[NodeId]]]
"""Level → node below it → the components any one of whose failure would lift the node to it."""
_NONE: frozenset[NodeId] = frozenset()


class _CompiledGate:
    """A gate in whole numbers: weights and thresholds times their least common denominator."""

    __slots__ = ("comfortable", "edges", "need")

    def __init__(self, gate: Gate) -> None:
        scale = lcm(
            gate.need.denominator, gate.comfortable.denominator, *(edge.weight.denominator for edge in gate.children)
        )
        self.need = int(gate.need * scale)
        self.comfortable = int(gate.comfortable * scale)
        self.edges: tuple[_CompiledEdge, ...] = tuple(
            (
                _CompiledGate(edge.child) if isinstance(edge.child, Gate) else edge.child,
                int(edge.weight * scale),
                (0, edge.impact.degraded, edge.impact.down),
            )
            for edge in gate.children
        )

    def level(self, levels: Levels) -> Level:
        up = fine = 0
        for child, weight, seen in self.edges:
            level = seen[child.level(levels) if isinstance(child, _CompiledGate) else levels.get(child, 0)]
            if level < 2:
                up += weight
                if level == 0:
                    fine += weight
        return 2 if up < self.need else 1 if fine < self.comfortable else 0

    def blamed(self, levels: Levels) -> Iterator[NodeId]:
        """The nodes that make this gate as bad as it is: those seen as that bad, and no bystanders."""
        bad = self.level(levels)
        if not bad:
            return
        for child, _, seen in self.edges:
            if isinstance(child, _CompiledGate):
                if seen[child.level(levels)] >= bad:
                    yield from child.blamed(levels)
            elif seen[levels.get(child, 0)] >= bad:
                yield child

    def takes_degraded_for_down(self) -> bool:
        return any(
            seen[1] == 2 or (isinstance(child, _CompiledGate) and child.takes_degraded_for_down())
            for child, _, seen in self.edges
        )

    def worsening(self, levels: Levels, limit: Level, found: _Worsening) -> frozenset[NodeId]:
        """Components any one of whose failure would lift this gate, below `limit` now, to it."""
        standing = 0
        lost: dict[NodeId, int] = {}
        for child, weight, seen in self.edges:
            level = child.level(levels) if isinstance(child, _CompiledGate) else levels.get(child, 0)
            if seen[level] >= limit:
                continue
            standing += weight
            for killer in self._lifting(child, levels, limit, seen, found):
                lost[killer] = lost.get(killer, 0) + weight
        enough = self.need if limit == 2 else self.comfortable
        lifting = frozenset(killer for killer, weight in lost.items() if standing - weight < enough)
        return lifting if limit == 2 else lifting | self.worsening(levels, 2, found)

    @staticmethod
    def _lifting(
        child: NodeId | _CompiledGate, levels: Levels, limit: Level, seen: tuple[Level, Level, Level], found: _Worsening
    ) -> set[NodeId]:
        """Components whose failure would make the gate see `child` at `limit`."""
        lifting: set[NodeId] = set()
        for reached, of_nodes in found.items():
            if seen[reached] >= limit:
                is_gate = isinstance(child, _CompiledGate)
                lifting |= child.worsening(levels, reached, found) if is_gate else of_nodes.get(child, _NONE)  # type: ignore[union-attr,arg-type]
        return lifting


class RollUp:
    """The service map, compiled for evaluation."""

    def __init__(self, service_map: ServiceMap) -> None:
        self.service_map = service_map
        self._gates: dict[NodeId, _CompiledGate] = {}
        self._children: dict[NodeId, tuple[NodeId, ...]] = {}
        self._dependants: dict[NodeId, list[NodeId]] = {}
        gates = [(one.id, one.requires) for one in service_map.components.values() if one.requires is not None]
        gates.extend((service.id, service.requires) for service in service_map.services.values())
        for node, gate in gates:
            self._gates[node] = _CompiledGate(gate)
            children = self._children[node] = tuple(dict.fromkeys(gate.nodes()))
            for child in children:
                self._dependants.setdefault(child, []).append(node)

    # --- structure -------------------------------------------------------------------------------------------------

    def requirements(self, node: NodeId) -> tuple[NodeId, ...]:
        """The nodes that the formula of `node` counts."""
        return self._children.get(node, ())

    def dependants(self, node: NodeId) -> tuple[NodeId, ...]:
        """The nodes whose formulas count `node` directly."""
        return tuple(self._dependants.get(node, ()))

    def cone(self, nodes: Iterable[NodeId]) -> set[NodeId]:
        """`nodes` and everything that depends on them, directly or through others."""
        return _reached(nodes, self._dependants)

    def foundation(self, nodes: Iterable[NodeId]) -> set[NodeId]:
        """`nodes` and everything that they depend on."""
        return _reached(nodes, self._children)

    def siblings(self, node: NodeId) -> set[NodeId]:
        """The other nodes of the nearest gates that `node` is a redundant child of (`any`, `at_least`)."""
        found: set[NodeId] = set()
        for dependant in self.dependants(node):
            for gate in _gates_within(self.service_map.requires(dependant)):
                members = {edge.child for edge in gate.children if not isinstance(edge.child, Gate)}
                if node in members and gate.need < sum(edge.weight for edge in gate.children):
                    found |= members
        return found - {node}

    def cycle_of(self, node: NodeId) -> frozenset[NodeId]:
        """The nodes that wait for each other in a circle with `node`, itself included; empty when there is none."""
        return self._cycle_of.get(node, frozenset())

    @cached_property
    def _groups(self) -> dict[NodeId, int]:
        """Strongly connected group of each node, numbered so that requirements come before their dependants."""
        return {node: number for number, group in enumerate(_components(self._children)) for node in group}

    @cached_property
    def _cycle_of(self) -> dict[NodeId, frozenset[NodeId]]:
        members: dict[int, list[NodeId]] = {}
        for node, number in self._groups.items():
            members.setdefault(number, []).append(node)
        return {
            node: frozenset(group)
            for group in members.values()
            if len(group) > 1 or group[0] in self._children.get(group[0], ())
            for node in group
        }

    def cycles(self) -> list[frozenset[NodeId]]:
        """All groups of nodes that wait for each other."""
        return sorted(set(self._cycle_of.values()), key=min)

    def in_order(self, nodes: Iterable[NodeId]) -> list[NodeId]:
        """`nodes` with requirements before their dependants (members of a cycle side by side)."""
        groups = self._groups
        return sorted(nodes, key=lambda one: (groups.get(one, -1), one))

    # --- evaluation ------------------------------------------------------------------------------------------------

    def states(self, own: Mapping[NodeId, State]) -> dict[NodeId, State]:
        """Effective states of all components and services that are not ok.

        `own` holds own states of components, and reported states of services, that are not ok.
        """
        low, high, planned = self._ends(own)
        if low is high and not planned:
            return {node: LEVELS[level] for node, level in low.items()}
        return {node: _settled(node, low, high, planned) for node in high.keys() | planned.keys()}

    def requires_level(self, node: NodeId, levels: Levels) -> Level:
        """The level of the formula of `node` alone when everything is at `levels`, the members of its own cycle taken
        as ok (DESIGN 5.3).
        """
        gate = self._gates.get(node)
        if gate is None:
            return 0
        cycle = self.cycle_of(node)
        return gate.level({child: levels.get(child, 0) for child in self.requirements(node) if child not in cycle})

    def levels(self, own: Mapping[NodeId, Level]) -> dict[NodeId, Level]:
        """Effective levels of all nodes that are not ok, from own levels."""
        failing = {node: level for node, level in own.items() if level}
        found: dict[NodeId, Level] = {}
        self._worsen(self.cone(failing), failing, found)
        return found

    def mended(
        self, levels: Levels, own: Mapping[NodeId, Level], nodes: Iterable[NodeId]
    ) -> tuple[dict[NodeId, Level], set[NodeId]]:
        """The levels after the own states of `nodes` went back to ok, as `own` says now, given those before; and the
        nodes that may have changed. Costs what depends on `nodes`, not what fails.
        """
        affected = self.cone(nodes)
        found = {node: level for node, level in levels.items() if node not in affected}
        self._worsen(affected, own, found)
        return found, affected

    def _worsen(self, nodes: Iterable[NodeId], failing: Levels, found: dict[NodeId, Level]) -> None:
        """Settle `nodes`, which stand at ok in `found`, with everything that they depend on settled there."""
        groups = self._groups
        waiting: list[NodeId] = []
        for node in self.in_order(nodes):
            if node in self._cycle_of:
                if waiting and groups[waiting[0]] != groups[node]:
                    self._settle_cycle(waiting, failing, found)
                    waiting = []
                waiting.append(node)
                continue
            if waiting:
                self._settle_cycle(waiting, failing, found)
                waiting = []
            self._settle(node, failing, found)
        if waiting:
            self._settle_cycle(waiting, failing, found)

    def blame(self, own: Mapping[NodeId, State]) -> dict[NodeId, frozenset[NodeId]]:
        """Each node that isn't ok → everything below it that makes it so, directly or through others. What fails beside
        it without a part in it (behind redundancy, or a soft dependency) is left out. Unknown counts as down.
        """
        levels = self._ends(own)[1]
        direct = {
            node: tuple(dict.fromkeys(gate.blamed(levels))) if (gate := self._gates.get(node)) is not None else ()
            for node in levels
        }
        return {node: frozenset(_reached([node], direct) - {node}) for node in levels}

    def single_failures(
        self, services: Iterable[NodeId], own: Mapping[NodeId, State]
    ) -> dict[NodeId, tuple[NodeId, ...]]:
        """For each of `services` that isn't down: the components any one of whose failure would take it down now.

        Unknown components count as ok, those in maintenance as down.
        """
        levels = self._ends(own)[0]
        wanted = [service for service in services if levels.get(service, 0) < 2]
        order = self.in_order(self.foundation(wanted))
        has_cycles = not self._cycle_of.keys().isdisjoint(order)
        found: dict[Level, dict[NodeId, frozenset[NodeId]]] = {limit: {} for limit in self._limits}
        changed = True
        while changed:
            changed = False
            for node in order:
                for limit, of_nodes in found.items():
                    killers = self._killers(node, levels, limit, found)
                    if killers != of_nodes.get(node, _NONE):
                        of_nodes[node] = killers
                        changed = has_cycles
        return {service: tuple(sorted(found[2][service])) for service in wanted if found[2].get(service)}

    def _killers(self, node: NodeId, levels: Levels, limit: Level, found: _Worsening) -> frozenset[NodeId]:
        if levels.get(node, 0) >= limit:
            return _NONE
        gate = self._gates.get(node)
        killers = gate.worsening(levels, limit, found) if gate is not None else _NONE
        return killers | {node} if node in self.service_map.components else killers

    @cached_property
    def _limits(self) -> tuple[Level, ...]:
        """What `single_failures` must follow: degradation only where some formula takes it for an outage."""
        return (1, 2) if any(gate.takes_degraded_for_down() for gate in self._gates.values()) else (2,)

    def _ends(self, own: Mapping[NodeId, State]) -> tuple[Levels, Levels, Levels]:
        """Levels with the unknown as ok, with the unknown as down (the same object when nothing is unknown), and those
        of the maintenance alone.
        """
        low = self.levels({node: AT_BEST[state] for node, state in own.items()})
        has_unknown = any(state is State.UNKNOWN for state in own.values())
        high = self.levels({node: AT_WORST[state] for node, state in own.items()}) if has_unknown else low
        maintained: dict[NodeId, Level] = {node: 2 for node, state in own.items() if state is State.MAINTENANCE}
        return low, high, self.levels(maintained) if maintained else {}

    def _settle(self, node: NodeId, own: Levels, found: dict[NodeId, Level]) -> bool:
        gate = self._gates.get(node)
        level = max(own.get(node, 0), gate.level(found) if gate is not None else 0)
        if level == found.get(node, 0):
            return False
        found[node] = level
        return True

    def _settle_cycle(self, members: list[NodeId], own: Levels, found: dict[NodeId, Level]) -> None:
        """Greatest fixed point: from ok, each step only worsens, so this ends."""
        changed = True
        while changed:
            changed = False
            for node in members:
                changed = self._settle(node, own, found) or changed


def _settled(node: NodeId, low: Levels, high: Levels, planned: Levels) -> State:
    at_low = _planned_or_real(low.get(node, 0), planned.get(node, 0))
    at_high = _planned_or_real(high.get(node, 0), planned.get(node, 0))
    return at_low if at_low is at_high else State.UNKNOWN


def _planned_or_real(level: Level, planned: Level) -> State:
    return State.MAINTENANCE if planned and level == planned else LEVELS[level]


def _gates_within(gate: Gate | None) -> Iterator[Gate]:
    if gate is not None:
        yield gate
        for edge in gate.children:
            if isinstance(edge.child, Gate):
                yield from _gates_within(edge.child)


def _reached(nodes: Iterable[NodeId], neighbours: Mapping[NodeId, Iterable[NodeId]]) -> set[NodeId]:
    reached = set(nodes)
    frontier = list(reached)
    while frontier:
        for neighbour in neighbours.get(frontier.pop(), ()):
            if neighbour not in reached:
                reached.add(neighbour)
                frontier.append(neighbour)
    return reached


def _components(children: Mapping[NodeId, tuple[NodeId, ...]]) -> Iterator[list[NodeId]]:
    """Strongly connected components, requirements first (Tarjan 1972, with an explicit stack)."""
    number: dict[NodeId, int] = {}
    low: dict[NodeId, int] = {}
    open_nodes: list[NodeId] = []
    is_open: set[NodeId] = set()
    for root in children:
        if root in number:
            continue
        number[root] = low[root] = len(number)
        open_nodes.append(root)
        is_open.add(root)
        walk = [(root, iter(children[root]))]
        while walk:
            node, rest = walk[-1]
            child = next(rest, None)
            if child is not None:
                if child not in number:
                    number[child] = low[child] = len(number)
                    open_nodes.append(child)
                    is_open.add(child)
                    walk.append((child, iter(children.get(child, ()))))
                elif child in is_open:
                    low[node] = min(low[node], number[child])
                continue
            walk.pop()
            if walk:
                low[walk[-1][0]] = min(low[walk[-1][0]], low[node])
            if low[node] == number[node]:
                group: list[NodeId] = []
                while True:
                    member = open_nodes.pop()
                    is_open.discard(member)
                    group.append(member)
                    if member == node:
                        break
                yield group
