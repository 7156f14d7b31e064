"""Services, components and component sets: from their sections to the service map."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from bsm_remediate.config.calendars import read_zone
from bsm_remediate.config.draft import Draft, Entry
from bsm_remediate.config.fields import money_per_minute
from bsm_remediate.config.formulas import FormulaReader
from bsm_remediate.config.matching import read_matchers
from bsm_remediate.config.schema import ComponentSection, ServiceSection
from bsm_remediate.domain.formula import Gate
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.inventory import Inventory
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.service_map import USUAL_WINDOW, Component, Deadline, LossRates, Service, ServiceMap
from bsm_remediate.errors import InventoryUnreadable

TIERS: Mapping[str, float] = {"critical": 1000.0, "high": 100.0, "medium": 10.0, "low": 1.0}
"""Points per minute, where the settings say nothing."""


@dataclass(kw_only=True)
class MapReader:
    """Builds the service map of a draft."""

    draft: Draft
    inventory: Callable[[], Inventory] | None
    check_hosts: bool
    tiers: Mapping[str, float]
    components: dict[NodeId, Component] = field(default_factory=dict)
    sets: dict[str, tuple[NodeId, ...]] = field(default_factory=dict)
    _written: list[tuple[Component, ComponentSection, Entry, str | None]] = field(default_factory=list)
    _read: Inventory | None = None

    def read(self) -> ServiceMap:
        """The service map of everything that could be read; the rest is among the findings."""
        self._shared_names()
        for name, entry in self.draft.entries("components"):
            section = self.draft.validated(ComponentSection, entry)
            if section is not None:
                self._component(name, section, entry)
        nodes: dict[str, object] = {**dict.fromkeys(self.draft.names("services")), **dict.fromkeys(self._all_ids())}
        names = sorted({*nodes, *self.sets})
        for component, section, entry, host in self._written:
            gate = self._requires(section.requires, entry, nodes, names, host)
            self.components[component.id] = replace(component, requires=gate)
        services = {}
        for name, entry in self.draft.entries("services"):
            service = self._service(name, entry, nodes, names)
            if service is not None:
                services[service.id] = service
        service_map = ServiceMap(components=self.components, services=services)
        self._warn_of_cycles(service_map)
        return service_map

    @property
    def members(self) -> Mapping[str, Sequence[NodeId]]:
        """Component sets, and their members."""
        return self.sets

    @property
    def inventory_read(self) -> Inventory | None:
        """The inventory, where something needed it."""
        return self._read

    # --- components ------------------------------------------------------------------------------------------------

    def _all_ids(self) -> list[str]:
        """Ids of components, those of entries with errors too, so that one error doesn't make others."""
        made = {member for members in self.sets.values() for member in members}
        return [*(name for name in self.draft.names("components") if name not in self.sets), *made]

    def _shared_names(self) -> None:
        services = self.draft.names("services")
        for name, entry in self.draft.entries("components"):
            if name in services:
                first = self.draft.named["services"][name].place(of_key=True)
                hint = f"it is a service at {first.file}:{first.line}:{first.column}"
                self.draft.add(entry.place(of_key=True).error("duplicate-id", f"'{name}' is a component too", hint))

    def _component(self, name: str, section: ComponentSection, entry: Entry) -> None:
        matchers = read_matchers(self.draft, entry, section.match, "match") if section.match is not None else ()
        if section.owner is not None:
            self.draft.known(entry.place("owner"), section.owner, self.draft.names("teams"), "team")
        base = Component(
            id=NodeId(name),
            host=section.host or name,
            title=section.title,
            owner=section.owner,
            aliases=tuple(section.aliases),
            match=matchers or (),
            labels=section.labels,
            host_level=section.host_level,
        )
        if section.hosts is None:
            self._add(self._placed(base, section, entry), section, entry, None)
            return
        members = []
        for host in self._hosts_of_set(section, entry):
            address = self._read.addresses.get(host, host) if self._read is not None else host
            member = replace(
                base,
                id=NodeId(f"{name}@{host}"),
                host=host,
                set=NodeId(name),
                aliases=tuple(alias.replace("{host}", host).replace("{address}", address) for alias in base.aliases),
                labels={key: value.replace("{host}", host) for key, value in base.labels.items()},
            )
            members.append(member.id)
            self._add(self._placed(member, section, entry), section, entry, host)
        self.sets[name] = tuple(members)

    def _add(self, component: Component, section: ComponentSection, entry: Entry, host: str | None) -> None:
        self.components[component.id] = component
        self._written.append((component, section, entry, host))

    def _placed(self, component: Component, section: ComponentSection, entry: Entry) -> Component:
        """With its address and lock, its host checked against the inventory."""
        is_local = component.host == "localhost"
        lock_host = section.lock != "component" if section.lock is not None else not is_local
        inventory = self._inventory(entry) if self.check_hosts else None
        if inventory is None:
            return replace(component, lock_host=lock_host)
        if component.host not in inventory and not is_local:
            place = entry.place("host") if section.host is not None else entry.place(of_key=True)
            hint = self.draft.nearest(component.host, inventory.addresses)
            self.draft.add(place.error("unknown-host", f"host '{component.host}' is not in the inventory", hint))
        if component.host in inventory.groups:
            place = entry.place("host") if section.host is not None else entry.place(of_key=True)
            message = f"'{component.host}' is a group of the inventory too; a limit would mean all of it"
            self.draft.add(place.error("host-is-group", message, "rename one of them"))
        address = inventory.addresses.get(component.host, component.host)
        return replace(component, lock_host=lock_host, address=address)

    def _hosts_of_set(self, section: ComponentSection, entry: Entry) -> Sequence[str]:
        place = entry.place("hosts")
        inventory = self._inventory(entry)
        if inventory is None:
            return ()
        wanted = section.hosts if isinstance(section.hosts, list) else [section.hosts]
        found: dict[str, None] = {}
        for one in wanted:
            if not isinstance(one, str):
                self.draft.add(place.error("bad-value", f"{one!r} is no group, host or pattern"))
            elif one in inventory.groups:
                found.update(dict.fromkeys(inventory.groups[one]))
            elif one in inventory:
                found[one] = None
            elif "*" in one:
                found.update(dict.fromkeys(fnmatch.filter(inventory.addresses, one)))
            else:
                hint = self.draft.nearest(one, [*inventory.groups, *inventory.addresses])
                self.draft.add(place.error("unknown-host", f"'{one}' is no group or host of the inventory", hint))
        if not found:
            self.draft.add(place.error("empty-set", "this component set has no members"))
        return tuple(found)

    def _inventory(self, entry: Entry) -> Inventory | None:
        if self._read is None and self.inventory is not None:
            try:
                self._read = self.inventory()
            except InventoryUnreadable as error:
                self.draft.add(entry.place().error("inventory", str(error.args[0]), error.hint))
                self.inventory = None
        if self._read is None and not any(one.code in {"inventory", "no-inventory"} for one in self.draft.findings):
            message = "component sets need an inventory, and there is none"
            self.draft.add(entry.place().error("no-inventory", message, "give one with --inventory"))
        return self._read

    # --- services --------------------------------------------------------------------------------------------------

    def _service(self, name: str, entry: Entry, nodes: Mapping[str, object], names: list[str]) -> Service | None:
        section = self.draft.validated(ServiceSection, entry)
        if section is None:
            return None
        if section.owner is not None:
            self.draft.known(entry.place("owner"), section.owner, self.draft.names("teams"), "team")
        gate = self._requires(section.requires, entry, nodes, names, None)
        loss = self._loss(section, entry)
        if gate is None or loss is None:
            return None
        return Service(
            id=NodeId(name),
            title=section.title,
            function=section.function,
            owner=section.owner,
            loss_per_minute=loss,
            degraded=section.degraded,
            grace=section.grace,
            per_outage=section.per_outage,
            deadline=self._deadline(section, entry),
            availability=section.objective.availability if section.objective is not None else None,
            window=(section.objective.window if section.objective is not None else None) or USUAL_WINDOW,
            requires=gate,
        )

    def _requires(
        self, written: object, entry: Entry, nodes: Mapping[str, object], names: list[str], host: str | None
    ) -> Gate | None:
        if written is None:
            if "requires" in (entry.value if isinstance(entry.value, dict) else ()):
                self.draft.add(entry.place("requires").error("bad-formula", "an empty formula would always be ok"))
            return None
        reader = FormulaReader(
            draft=self.draft, entry=entry, nodes=nodes, sets=self.sets, placeholder=host, names=names
        )
        return reader.read(written, "requires")  # type: ignore[arg-type]

    def _deadline(self, section: ServiceSection, entry: Entry) -> Deadline | None:
        if section.deadline is None:
            return None
        zone = read_zone(self.draft, entry, section.deadline.timezone, "deadline")
        if zone is None:
            return None
        if section.deadline.needs >= timedelta(days=1):
            place = entry.place("deadline", "needs")
            self.draft.add(place.error("bad-value", "what is due each day can't need a day or more"))
        return Deadline(by=section.deadline.by, needs=section.deadline.needs, timezone=zone)

    def _loss(self, section: ServiceSection, entry: Entry) -> LossRates | None:
        written = entry.value if isinstance(entry.value, dict) else {}
        if (section.loss_per_minute is None) == (section.tier is None):
            if any(written.get(key) is not None for key in ("loss_per_minute", "tier")) and section.tier is None:
                return None  # it is there, and already complained of
            message = "a service needs loss_per_minute or a tier" if section.tier is None else "give money or a tier"
            self.draft.add(entry.place().error("no-loss", message))
            return None
        if section.tier is not None:
            if not self.draft.known(entry.place("tier"), section.tier, self.tiers, "tier"):
                return None
            return LossRates(default=self.tiers[section.tier])
        if not isinstance(section.loss_per_minute, dict):
            return LossRates(default=section.loss_per_minute or 0.0)
        rates = dict(section.loss_per_minute)
        default = rates.pop("default", money_per_minute(0))
        known = [
            self.draft.known(
                entry.place("loss_per_minute", name, of_key=True), name, self.draft.names("calendars"), "calendar"
            )
            for name in rates
        ]
        return LossRates(default=default, by_calendar=tuple(rates.items())) if all(known) else None

    def _warn_of_cycles(self, service_map: ServiceMap) -> None:
        if any(one.severity == "error" for one in self.draft.findings):
            return  # half a map may have other cycles than the whole one
        rollup = RollUp(service_map)
        for cycle in rollup.cycles():
            path = _way_round(rollup, cycle)
            section = "components" if path[0] in service_map.components else "services"
            component = service_map.components.get(path[0])
            entry = self.draft.named[section][component.set if component is not None and component.set else path[0]]
            shown = " → ".join(path)
            more = (
                f" (and {len(cycle) - len(set(path))} more in the same circle)" if len(cycle) > len(set(path)) else ""
            )
            message = f"requirements go in a circle: {shown}{more}"
            hint = "allowed: nothing is down only because it waits for itself"
            self.draft.add(entry.place(of_key=True).warning("cycle", message, hint))


def _way_round(rollup: RollUp, cycle: frozenset[NodeId]) -> tuple[NodeId, ...]:
    """One way round through `cycle`, which begins and ends at the same node."""
    import networkx as nx

    graph = nx.DiGraph((node, child) for node in sorted(cycle) for child in rollup.requirements(node))
    edges = nx.find_cycle(graph.subgraph(cycle), min(cycle))
    return (*(start for start, _ in edges), edges[0][0])
