"""Which component an alert is about (DESIGN 4, "Which component is an alert about")."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from sys import intern
from typing import NamedTuple

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.match_index import MatchIndex
from bsm_remediate.domain.policy import Policy


class Target(NamedTuple):
    """What an alert names, and how that was found, for people."""

    node: NodeId
    how: str


class Mapped(NamedTuple):
    """The components (or one service) that an alert is about; without any, `reason` says why."""

    components: tuple[Target, ...] = ()
    service: Target | None = None
    reason: str = ""


class Rule(StrEnum):
    """The ways of naming a component, in the order in which they are tried."""

    POLICY = "the component that its policy names"
    MATCH = "components whose match fits"
    ID = "a label whose value is an id"
    ALIAS = "a label whose value is an alias"
    HOST = "a label whose value is a host"
    NONE = "nothing was found"


Attempt = tuple[Rule, str, str, "Mapped | None"]
"""One thing that was looked at: by which rule; where its text comes from (a label, or the policy with `POLICY`); the
text (none with `MATCH`); and the answer. A plain tuple, since each alert makes some.
"""

_LookUp = Callable[[str, str, str], Mapped | None]
"""Label, its value, a spelling of that value."""


class Mapper:
    """Answers from dictionaries; nothing is scanned per alert."""

    def __init__(self, bundle: Bundle) -> None:
        self._components = bundle.service_map.components
        self._services = bundle.service_map.services
        self._settings = bundle.settings
        self._by_match = MatchIndex((one.id, one.match) for one in self._components.values() if one.match)
        self.labels = frozenset({*bundle.settings.component_labels, *bundle.settings.not_about, *self._by_match.labels})
        """All labels that it looks at, beside those in a policy's own template."""
        self._by_alias: dict[str, list[NodeId]] = {}
        self._by_host: dict[str, list[NodeId]] = {}
        for one in self._components.values():
            self._by_host.setdefault(one.host, []).append(one.id)
            for alias in one.aliases:
                self._by_alias.setdefault(alias, []).append(one.id)
        self._look_ups: tuple[tuple[Rule, _LookUp], ...] = (
            (Rule.ID, self._with_id),
            (Rule.ALIAS, self._with_alias),
            (Rule.HOST, self._on_host),
        )

    def map(self, labels: Mapping[str, str], policies: tuple[Policy, ...]) -> Mapped:
        """The components that an alert with `labels` is about, `policies` being those that match it."""
        for _, _, _, answer in self.attempts(labels, policies):
            if answer is not None:
                return answer
        raise AssertionError("the last attempt always answers")

    def attempts(self, labels: Mapping[str, str], policies: tuple[Policy, ...]) -> Iterator[Attempt]:
        """Everything there is to look at, in order. The first that has an answer is what `map` says; who goes on
        learns what the others would have said.
        """
        for policy in policies:
            if policy.component is not None:
                wanted = policy.component(labels)
                yield Rule.POLICY, policy.id, wanted, self._named_by(policy, wanted)
        matched = self._by_match.matching(labels)
        yield Rule.MATCH, "", "", _matched(matched) if matched else None
        named = [(label, labels[label]) for label in self._settings.component_labels if labels.get(label)]
        if self._settings.not_about and self._is_about_something_else(labels):
            named = [(label, value) for label, value in named if label not in _PLACES]
        for rule, look_up in self._look_ups:
            for label, value in named:
                for text in _spellings(label, value):
                    yield rule, label, text, look_up(label, value, text)
        yield Rule.NONE, "", "", _nothing(named)

    def _named_by(self, policy: Policy, wanted: str) -> Mapped:
        if wanted in self._components:
            return Mapped(components=(Target(node=NodeId(wanted), how=intern(f"component of policy {policy.id}")),))
        return Mapped(reason=f"policy {policy.id} says component '{wanted}', and there is none of that id")

    def _is_about_something_else(self, labels: Mapping[str, str]) -> bool:
        return any(labels.get(label) in values for label, values in self._settings.not_about.items())

    def _with_id(self, label: str, value: str, text: str) -> Mapped | None:
        if text in self._components:
            return Mapped(components=(Target(node=NodeId(text), how=intern(f"label {label}={value}")),))
        if text in self._services:
            return Mapped(service=Target(node=NodeId(text), how=intern(f"label {label}={value}")))
        return None

    def _with_alias(self, label: str, _value: str, text: str) -> Mapped | None:
        if text not in self._by_alias:
            return None
        return Mapped(
            components=tuple(
                Target(node=one, how=intern(f"alias {text} of {one}, label {label}")) for one in self._by_alias[text]
            )
        )

    def _on_host(self, label: str, _value: str, text: str) -> Mapped | None:
        there = self._by_host.get(text, [])
        if len(there) > 1:
            levels = [one for one in there if self._components[one].host_level]
            if len(levels) != 1:
                names = ", ".join(there[:5])
                return Mapped(reason=f"ambiguous: host {text} runs {names}; mark one `host_level: true`")
            there = levels
        return Mapped(components=(Target(node=there[0], how=intern(f"host {text}, label {label}")),)) if there else None


def _matched(components: tuple[NodeId, ...]) -> Mapped:
    return Mapped(components=tuple(Target(node=one, how=intern(f"match of {one}")) for one in components))


def _nothing(named: list[tuple[str, str]]) -> Mapped:
    if not named:
        return Mapped(reason="no label names a component")
    values = ", ".join(f"{label}={value}" for label, value in named[:5])
    return Mapped(reason=f"nothing is called {values}")


_PLACES = frozenset({"instance", "host", "hostname", "node"})


def _spellings(label: str, value: str) -> tuple[str, ...]:
    """`instance` names its port too; the name before it counts as well."""
    if label == "instance" and ":" in value:
        name, _, port = value.rpartition(":")
        if port.isdigit():
            return (value, name)
    return (value,)
