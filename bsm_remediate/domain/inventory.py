"""What the engine keeps of an Ansible inventory: names, groups and addresses; nothing else is stored or logged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """Hosts by exact name with their `ansible_host` (or the name itself), and groups with all their hosts."""

    addresses: Mapping[str, str]
    groups: Mapping[str, tuple[str, ...]]

    def joined(self, other: Inventory) -> Inventory:
        """All hosts and groups of both; a host that both know has the address that it has here."""
        names = dict.fromkeys((*self.groups, *other.groups))
        groups = {name: (*self.groups.get(name, ()), *other.groups.get(name, ())) for name in names}
        return Inventory(
            addresses={**other.addresses, **self.addresses},
            groups={name: tuple(dict.fromkeys(hosts)) for name, hosts in groups.items()},
        )

    def __contains__(self, host: object) -> bool:
        return host in self.addresses
