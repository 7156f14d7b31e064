"""Planned changes: from their sections to domain values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from json import dumps
from pathlib import Path

from bsm_remediate.config.change_schema import ChangeSection
from bsm_remediate.config.checks import CheckReader
from bsm_remediate.config.draft import Draft, Entry
from bsm_remediate.config.variables import read_vars
from bsm_remediate.domain.bundle import APPROVER, Team
from bsm_remediate.domain.duties import approving_teams
from bsm_remediate.domain.ids import Digest, NodeId
from bsm_remediate.domain.inventory import Inventory
from bsm_remediate.domain.planned_change import ChangeTimes, PlannedChange
from bsm_remediate.domain.policy import Alternative
from bsm_remediate.domain.service_map import ServiceMap

_EXPECTED = timedelta(seconds=60)
_LIKELY = 0.9


@dataclass(kw_only=True)
class ChangeReader:
    """Builds the changes of a draft."""

    draft: Draft
    checks: CheckReader
    service_map: ServiceMap
    groups: Mapping[str, Sequence[NodeId]]
    """Component sets and pools, and their members."""
    teams: Mapping[str, Team]
    inventory: Inventory | None
    playbooks: Path | None
    """Where their contents are; whether all are there is for `checks` to say."""

    def read(self) -> dict[str, PlannedChange]:
        found = {}
        for name, entry in self.draft.entries("changes"):
            section = self.draft.validated(ChangeSection, entry)
            change = self._change(name, section, entry) if section is not None else None
            if change is not None:
                found[name] = change
        return found

    def _change(self, name: str, section: ChangeSection, entry: Entry) -> PlannedChange | None:
        components = tuple(dict.fromkeys(self._components(section, entry)))
        is_placed = section.on is None or self._is_component(section.on, entry, "on")
        for number, calendar in enumerate(section.window.calendars):
            place = entry.place("window", "calendars", number)
            self.draft.known(place, calendar, self.draft.names("calendars"), "calendar")
        for number, host in enumerate(section.hosts):
            if self.inventory is not None and host not in self.inventory:
                hint = self.draft.nearest(host, self.inventory.addresses)
                message = f"host '{host}' is not in the inventory"
                self.draft.add(entry.place("hosts", number).error("unknown-host", message, hint))
        for number, check in enumerate(section.verify):
            if check.alert is not None:
                message = "a planned change has no alert that could end"
                self.draft.add(entry.place("verify", number, "alert").error("bad-check", message))
        self._know_number(section.max_unavailable, entry)
        verify = self.checks.read([one for one in section.verify if one.alert is None], entry)
        do = self._alternative(section, components, entry)
        if not (components and is_placed and verify):
            return None
        change = PlannedChange(
            name=name,
            title=section.title,
            owner=section.owner,
            components=components,
            on=NodeId(section.on) if section.on is not None else components[0],
            do=do,
            verify=verify,
            times=ChangeTimes(
                calendars=tuple(section.window.calendars), lead=section.window.lead, within=section.window.within
            ),
            approvers=tuple(section.approvers),
            four_eyes_above=section.four_eyes_above,
            dry_run=section.dry_run,
            max_unavailable=section.max_unavailable,
            digest=Digest(""),
        )
        self._know_approvers(change, entry)
        if change.needs > change.times.within:
            message = "takes longer, with undoing it, than it may after its proposal (`window: within`)"
            self.draft.add(entry.place(of_key=True).error("no-window", message))
        return self._with_digest(change, entry)

    def _components(self, section: ChangeSection, entry: Entry) -> Iterable[NodeId]:
        for number, name in enumerate(section.components):
            if name in self.groups:
                yield from self.groups[name]
            elif self._is_component(name, entry, "components", number):
                yield NodeId(name)

    def _is_component(self, name: str, entry: Entry, *path: str | int) -> bool:
        known = {*self.service_map.components, *self.draft.names("components")} - self.groups.keys()
        return self.draft.known(entry.place(*path), name, known, "component") and name in self.service_map.components

    def _alternative(self, section: ChangeSection, components: Sequence[NodeId], entry: Entry) -> Alternative:
        self.checks.know_playbook(section.playbook, entry.place("playbook"))
        duration = section.expect.duration if section.expect.duration is not None else _EXPECTED
        rollback = None
        if section.rollback is not None:
            self.checks.know_playbook(section.rollback.playbook, entry.place("rollback", "playbook"))
            rollback = Alternative(
                playbook=section.rollback.playbook,
                vars=read_vars(self.draft, section.rollback.vars, entry, ("rollback", "vars")),
                duration=section.rollback.duration or duration,
            )
        own = [] if section.on is not None else [self.service_map.components[one].host for one in components]
        return Alternative(
            playbook=section.playbook,
            vars=read_vars(self.draft, section.vars, entry, ("vars",)),
            duration=duration,
            success=section.expect.success if section.expect.success is not None else _LIKELY,
            timeout=section.timeout,
            once=section.once,
            hosts=tuple(dict.fromkeys([*(own or ["self"]), *section.hosts])),
            rollback=rollback,
        )

    def _know_number(self, written: str | None, entry: Entry) -> None:
        if written is not None and not re.fullmatch(r"[1-9]\d{0,5}|\d{1,3}%", written, re.ASCII):
            message = f"'{written}' is no number like 1 and no share like 25%"
            self.draft.add(entry.place("max_unavailable").error("bad-value", message))

    def _know_approvers(self, change: PlannedChange, entry: Entry) -> None:
        """Somebody must be able to approve it, and whoever is named must have the duty."""
        known = self.draft.names("teams")
        is_owned = change.owner is None or self.draft.known(entry.place("owner"), change.owner, known, "team")
        is_known = [
            is_owned,
            *(
                self.draft.known(entry.place("approvers", number), team, known, "team")
                for number, team in enumerate(change.approvers)
            ),
        ]
        without = [name for name in change.approvers if name in self.teams and APPROVER not in self.teams[name].duties]
        for name in without:
            place, message = entry.place("approvers", change.approvers.index(name)), f"team '{name}' hasn't the duty"
            self.draft.add(place.error("no-duty", message, "duties: [approver]"))
        if not all(is_known) or without:
            return
        if not any(team.members for team in approving_teams(change, self.teams.values())):
            message = "nobody may approve it: name `approvers`, or an owner with the duty approver, that has members"
            self.draft.add(entry.place(of_key=True).error("no-approver", message))

    def _with_digest(self, change: PlannedChange, entry: Entry) -> PlannedChange:
        """An approval doesn't outlive a change of what is written, of its playbooks, or of what names stand for."""
        whole = sha256(dumps([entry.value, change.components, change.do.hosts], sort_keys=True, default=str).encode())
        for name in sorted(set(change.playbooks())):
            whole.update(f"\0{name}\0{_contents(self.playbooks, name)}".encode())
        return replace(change, digest=Digest(f"sha256:{whole.hexdigest()}"))


def _contents(folder: Path | None, name: str) -> str:
    try:
        return sha256((folder / name).read_bytes()).hexdigest() if folder is not None else ""
    except (OSError, ValueError):
        return "unreadable"
