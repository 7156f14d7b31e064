"""The graph of services and components."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from bsm_remediate.domain.formula import Gate
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.matcher import Matcher

if TYPE_CHECKING:
    import networkx as nx

USUAL_WINDOW = timedelta(days=30)
"""Of an objective that names none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Component:
    """Something that can fail and be restored."""

    id: NodeId
    host: str
    """Exact inventory host that playbooks are limited to; default: the id."""
    address: str = ""
    """The inventory's `ansible_host`, else the host's name; what `{{ component.address }}` gives."""
    title: str = ""
    owner: str | None = None
    requires: Gate | None = None
    aliases: tuple[str, ...] = ()
    match: tuple[Matcher, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    host_level: bool = False
    set: NodeId | None = None
    """The component set that made it."""
    lock_host: bool = True
    """False with `lock: component`: its host is only a place to run from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LossRates:
    """Money (or points) per minute while down: `default`, or the highest of the calendars in force."""

    default: float
    by_calendar: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Deadline:
    """Work that must be done each day by a time of the wall clock."""

    by: time
    needs: timedelta
    """How long that work takes."""
    timezone: ZoneInfo

    def next_after(self, moment: datetime) -> datetime:
        """The next time that it is due, `moment` (aware) itself not among them. A time that the clock skips is as long
        after midnight as it would be (RFC 5545, 3.3.5), one that comes twice the first.
        """
        day = moment.astimezone(self.timezone).date()
        while True:
            due = datetime.combine(day, self.by, tzinfo=self.timezone).astimezone(UTC)
            if due > moment:
                return due
            day += timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """Something that the business values."""

    id: NodeId
    title: str = ""
    function: str | None = None
    owner: str | None = None
    loss_per_minute: LossRates
    degraded: float = 0.5
    """Share of the loss while degraded."""
    grace: timedelta = timedelta(0)
    """An outage shorter than that costs nothing."""
    per_outage: float = 0.0
    """Money (or points) once for each outage that outlasts the grace."""
    deadline: Deadline | None = None
    """An outage costs only once what is due no longer fits."""
    availability: float | None = None
    """Objective in percent."""
    window: timedelta = USUAL_WINDOW
    """Over which time it is meant."""
    requires: Gate

    @property
    def costs_by_onset(self) -> bool:
        """Whether what an outage costs depends on when it began."""
        return bool(self.grace) or self.deadline is not None


@dataclass(frozen=True, kw_only=True)
class ServiceMap:
    """Components and services by id; the two share one namespace, and every id in a formula is one of them."""

    components: Mapping[NodeId, Component]
    services: Mapping[NodeId, Service]

    def __contains__(self, node: object) -> bool:
        return node in self.components or node in self.services

    def requires(self, node: NodeId) -> Gate | None:
        component = self.components.get(node)
        return component.requires if component is not None else self.services[node].requires

    def graph(self) -> nx.DiGraph:
        """The map for networkx and its many algorithms: an edge from each node to each that its formula counts, nested
        or not. Nodes have a `kind`, `component` or `service`, and the component or service itself as `value`.

        A copy: changes don't reach the map. What fails with a node are its ancestors here, unless redundancy holds
        them; what it needs, its descendants. States are for `RollUp`, which knows what the formulas mean.
        """
        import networkx as nx  # takes a tenth of a second, which most commands don't need

        graph = nx.DiGraph()
        for kind, nodes in (("component", self.components), ("service", self.services)):
            graph.add_nodes_from((node, {"kind": kind, "value": value}) for node, value in nodes.items())
        for node in graph:
            gate = self.requires(node)
            if gate is not None:
                graph.add_edges_from((node, child) for child in gate.nodes())
        return graph
