"""Pools: members that share load, and how their weights get into force; from their sections to domain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bsm_remediate.config.draft import Draft, Entry
from bsm_remediate.config.pool_schema import PoolMemberSection, PoolSection
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.pool import LOAD_EVERY, Apply, Member, Pool, Replicas
from bsm_remediate.domain.service_map import ServiceMap


@dataclass(frozen=True, kw_only=True)
class Written:
    """A pool as it is written, for the policies that rebalance it."""

    section: PoolSection
    entry: Entry
    pool: Pool | None
    """None where capacities are missing: then it is a group of components and nothing more."""


@dataclass(kw_only=True)
class PoolReader:
    """Builds the pools of a draft."""

    draft: Draft
    service_map: ServiceMap
    sets: Mapping[str, Sequence[NodeId]]
    """Component sets; one as a member stands for all of its own."""
    groups: dict[str, tuple[NodeId, ...]] = field(default_factory=dict)
    """The members of each pool."""

    def read(self) -> dict[str, Written]:
        found = {}
        for name, entry in self.draft.entries("pools"):
            self.groups[name] = ()
            section = self.draft.validated(PoolSection, entry)
            if section is not None:
                found[name] = self._pool(name, section, entry)
        return found

    def _pool(self, name: str, section: PoolSection, entry: Entry) -> Written:
        services = self.draft.names("services")
        for number, service in enumerate(section.serves):
            self.draft.known(entry.place("serves", number), service, services, "service")
        members = dict(self._members(section, entry))
        self.groups[name] = tuple(NodeId(one) for one in members)
        if section.clear > section.comfortable:
            message = f"clear ({section.clear:g}) is above comfortable ({section.comfortable:g}): weights would flutter"
            key = "clear" if "clear" in section.model_fields_set else "comfortable"
            self.draft.add(entry.place(key).error("bad-value", message, "write both"))
        apply, load = self._apply(section, entry), section.load
        without = [one for one, (member, _) in members.items() if member.capacity is None]
        if without and (load is not None or section.apply is not None):
            place = entry.place("members", members[without[0]][1])
            self.draft.add(
                place.error("missing-key", f"'capacity' of {without[0]} is missing", "in the unit of `load`")
            )
        replicas = self._replicas(section, entry)
        pool = None
        if (members or replicas is not None) and not without:
            pool = Pool(
                id=name,
                members=tuple(sorted((_member(one, of) for one, (of, _) in members.items()), key=lambda one: one.id)),
                replicas=replicas,
                serves=tuple(dict.fromkeys(NodeId(one) for one in section.serves)),
                query=load.query if load is not None else "",
                every=load.every if load is not None else LOAD_EVERY,
                apply=apply,
                comfortable=section.comfortable,
                clear=section.clear,
                hold=section.hold,
                window=section.window,
            )
        return Written(section=section, entry=entry, pool=pool)

    def _replicas(self, section: PoolSection, entry: Entry) -> Replicas | None:
        written = section.replicas
        if written is None:
            if isinstance(entry.value, dict) and not {"members", "replicas"} & entry.value.keys():
                self.draft.add(
                    entry.place().error("missing-key", "a pool has `members`, or `replicas` that are all alike")
                )
            return None
        if section.members:
            place = entry.place("replicas", of_key=True)
            self.draft.add(place.error("bad-value", "a pool has either `members` or `replicas`", "make two pools"))
        if written.at_least > written.at_most:
            message = f"at_least ({written.at_least}) is more than at_most ({written.at_most})"
            self.draft.add(entry.place("replicas", "at_most").error("bad-value", message))
        if section.load is not None and not written.running:
            message = "nobody says how many run: `running: QUERY` is missing"
            self.draft.add(entry.place("replicas", of_key=True).error("missing-key", message, "like count(up == 1)"))
        return Replicas(
            least=written.at_least,
            most=written.at_most,
            capacity=written.capacity,
            running=written.running,
            cost_per_minute=written.cost_per_minute,
        )

    def _members(self, section: PoolSection, entry: Entry) -> Iterator[tuple[str, tuple[PoolMemberSection, str]]]:
        """Component → what is written about it, and under which name."""
        components = {*self.service_map.components, *self.draft.names("components")}
        for name, member in section.members.items():
            place = entry.place("members", name, of_key=True)
            if not self.draft.known(place, name, components, "component"):
                continue
            for number, service in enumerate(member.serves or ()):
                if service not in section.serves:
                    where = entry.place("members", name, "serves", number)
                    self.draft.known(where, service, section.serves, "service of this pool")
            for one in self.sets.get(name, (name,)):
                yield one, (member, name)

    def _apply(self, section: PoolSection, entry: Entry) -> Apply | None:
        if section.apply is None:
            return None
        name, components = section.apply.component, self.service_map.components
        place = entry.place("apply", "component")
        if name in self.sets:
            self.draft.add(place.error("unknown-component", f"'{name}' is more than one component"))
        elif name in components:
            component = components[NodeId(name)]
            return Apply(component=component.id, host=component.host, playbook=section.apply.playbook)
        else:
            self.draft.known(place, name, {*components, *self.draft.names("components")}, "component")
        return None


def _member(name: str, section: PoolMemberSection) -> Member:
    return Member(
        id=NodeId(name),
        capacity=section.capacity or 1.0,
        serves=frozenset(NodeId(one) for one in section.serves) if section.serves is not None else None,
    )
