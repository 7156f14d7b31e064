"""Policies: from their sections to domain values."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from bsm_remediate.config.checks import CheckReader
from bsm_remediate.config.draft import Draft, Entry
from bsm_remediate.config.expression import (
    compile_condition,
    compile_label_template,
)
from bsm_remediate.config.matching import read_matchers
from bsm_remediate.config.metrics import MetricReader
from bsm_remediate.config.pools import Written
from bsm_remediate.config.reader import Place
from bsm_remediate.config.schema import AlternativeSection, DefaultsSection, GuardSection, PolicySection
from bsm_remediate.config.variables import read_vars
from bsm_remediate.domain.attempts import by_gain, worth_trying
from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.ids import NodeId, PolicyId
from bsm_remediate.domain.inventory import Inventory
from bsm_remediate.domain.matcher import Matcher, MatchOperator
from bsm_remediate.domain.metric import POLICY_LABEL
from bsm_remediate.domain.policy import (
    Alternative,
    Condition,
    Evidence,
    GuardLimits,
    LabelTemplate,
    Mode,
    Policy,
    Rate,
    Scope,
)
from bsm_remediate.domain.service_map import ServiceMap
from bsm_remediate.domain.state import State

_EXPECTED = timedelta(seconds=60)
_SETTING = timedelta(seconds=10)
"""Setting weights restarts nothing."""
_LIKELY = 0.9


@dataclass(kw_only=True)
class PolicyReader:
    """Builds the policies of a draft."""

    draft: Draft
    defaults: DefaultsSection
    service_map: ServiceMap
    groups: Mapping[str, Sequence[NodeId]]
    """Component sets and pools, and their members."""
    pools: Mapping[str, Written]
    playbooks: Path | None
    person: timedelta | None
    """What handing over to a person costs, if that is said."""
    inventory: Inventory | None
    metric_sources: Mapping[str, str] | None = None
    """What can be asked for figures, and its kind; None: nobody has looked."""
    checks: CheckReader = field(init=False)
    _metrics: MetricReader = field(init=False)
    _known: Collection[str] | None = None

    def __post_init__(self) -> None:
        self.checks = CheckReader(draft=self.draft, playbooks=self.playbooks, metric_sources=self.metric_sources)
        self._metrics = MetricReader(draft=self.draft, metric_sources=self.metric_sources)

    def read(self) -> dict[PolicyId, Policy]:
        policies = {}
        for name, entry in self.draft.entries("policies"):
            section = self.draft.validated(PolicySection, entry)
            if section is not None:
                policy = self._policy(name, section, entry)
                if policy is not None:
                    policies[policy.id] = policy
        self._refuse_ties(policies)
        return policies

    def _policy(self, name: str, section: PolicySection, entry: Entry) -> Policy | None:
        match = self._match(name, section, entry)
        metric = self._metrics.read(section.metric, entry) if section.metric is not None else None
        when = self._when(section, entry)
        mode = _mode(section.mode or self.defaults.mode)
        verify_from = section.verify if section.verify is not None else self.defaults.verify
        checks = self.checks.read(verify_from or [], self._where(entry, written=section.verify is not None))
        component = self._component(section, entry)
        found = [self._alternative(one, entry, number) for number, one in enumerate(section.do)]
        alternatives = [one for one in found if one is not None]
        guard = self._guard(section.guard, entry)
        if match is None or (metric is None) is not (section.metric is None):
            return None
        policy = Policy(
            id=PolicyId(name),
            description=section.description,
            match=match,
            metric=metric,
            when=when,
            sets=State(section.sets) if section.sets is not None else State.OK if metric is not None else None,
            evidence=Evidence(section.evidence),
            component=component,
            precedence=section.precedence,
            do=self._chosen(alternatives, section, entry),
            verify=checks,
            mode=mode,
            guard=guard,
            scope=Scope(section.scope),
            unchecked=section.unchecked,
            learn=next((one for one in (section.learn, self.defaults.learn) if one is not None), True),
            holds_in_freeze=(section.freeze or self.defaults.freeze) == "hold",
            max_age=section.max_age if section.max_age is not None else timedelta(hours=1),
            resolve_within=section.resolve_within if section.resolve_within is not None else timedelta(minutes=10),
            place=_place(entry),
        )
        if policy.do and policy.mode is Mode.AUTO and not policy.has_second_opinion:
            message = "mode auto without a check of its own: its runs wait for approval"
            hint = "add tcp, http, command, promql or playbook to `verify`, or say `unchecked: true`"
            self.draft.add(entry.place(of_key=True).warning("no-second-opinion", message, hint))
        return policy

    def _match(self, name: str, section: PolicySection, entry: Entry) -> tuple[Matcher, ...] | None:
        if section.match is not None:
            return read_matchers(self.draft, entry, section.match, "match")
        return (Matcher(label=POLICY_LABEL, operator=MatchOperator.EQUAL, value=name),)

    def _chosen(
        self, alternatives: Sequence[Alternative], section: PolicySection, entry: Entry
    ) -> tuple[Alternative, ...]:
        """In the order in which they are tried, without those that aren't worth it."""
        ranked = by_gain(alternatives) if section.choose == "gain" else alternatives
        if self.person is None:
            return tuple(ranked)
        worth = worth_trying(ranked, self.person)
        for number, one in enumerate(alternatives):
            if one not in worth:
                message = (
                    f"is never tried: with a chance of {one.success:.0%} it saves less than the"
                    f" {format_duration(one.duration)} that it takes (settings: person)"
                )
                self.draft.add(entry.place("do", number).warning("not-worth-it", message))
        return tuple(worth)

    def _when(self, section: PolicySection, entry: Entry) -> Condition | None:
        source = section.when
        if source is None:
            return None
        return self.draft.compiled(entry.place("when"), lambda: compile_condition(source))

    def _component(self, section: PolicySection, entry: Entry) -> LabelTemplate | None:
        source = section.component
        if source is None:
            return None
        if "{" not in source and source not in self.service_map.components:
            self._complain_of_component(source, entry.place("component"))
        return self.draft.compiled(entry.place("component"), lambda: compile_label_template(source))

    def _complain_of_component(self, name: str, place: Place) -> None:
        if name in self.groups:
            members = ", ".join(self.groups[name][:3])
            self.draft.add(place.error("unknown-component", f"'{name}' is more than one component", f"like {members}"))
        elif name in self.draft.names("services"):
            self.draft.add(place.error("unknown-component", f"'{name}' is a service; a component can be restored"))
        else:
            self.draft.known(place, name, self._components(), "component")

    def _components(self) -> Collection[str]:
        """Ids of components, those of entries with errors too, so that one error doesn't make others."""
        if self._known is None:
            self._known = {*self.service_map.components, *self.draft.names("components")} - self.groups.keys()
        return self._known

    def _alternative(self, section: AlternativeSection, entry: Entry, number: int) -> Alternative | None:
        path = ("do", number)
        if section.rebalance is not None:
            return self._rebalancing(section.rebalance, section, entry, path)
        if section.playbook is None:
            self.draft.add(entry.place(*path).error("missing-key", "'playbook' is missing", "or say `rebalance: POOL`"))
            return None
        self.checks.know_playbook(section.playbook, entry.place(*path, "playbook"))
        for place, host in enumerate(section.hosts):
            if host != "self" and self.inventory is not None and host not in self.inventory:
                hint = self.draft.nearest(host, self.inventory.addresses)
                message = f"host '{host}' is not in the inventory"
                self.draft.add(entry.place(*path, "hosts", place).error("unknown-host", message, hint))
            if host != "self" and self.inventory is not None and host in self.inventory.groups:
                message = f"'{host}' is a group of the inventory; a limit would mean all of it"
                self.draft.add(entry.place(*path, "hosts", place).error("host-is-group", message, "name its hosts"))
        rollback = None
        if section.rollback is not None:
            self.checks.know_playbook(section.rollback.playbook, entry.place(*path, "rollback", "playbook"))
            rollback = Alternative(
                playbook=section.rollback.playbook,
                vars=read_vars(self.draft, section.rollback.vars, entry, (*path, "rollback", "vars")),
                duration=section.expect.duration or _EXPECTED,
            )
        return Alternative(
            playbook=section.playbook,
            vars=read_vars(self.draft, section.vars, entry, (*path, "vars")),
            duration=section.expect.duration if section.expect.duration is not None else _EXPECTED,
            success=section.expect.success if section.expect.success is not None else _LIKELY,
            mode=_mode(section.mode) if section.mode is not None else None,
            timeout=section.timeout,
            once=section.once,
            check=section.check,
            hosts=tuple(section.hosts),
            affects=tuple(self._affected(section, entry, (*path, "affects"))),
            rollback=rollback,
        )

    def _rebalancing(
        self, pool: str, section: AlternativeSection, entry: Entry, path: tuple[str | int, ...]
    ) -> Alternative | None:
        """The pool's own playbook, with what this policy says otherwise."""
        for key in sorted(section.model_fields_set & {"playbook", "hosts", "affects", "rollback"}):
            message = f"'{key}' can't stand beside rebalance: the pool's `apply` says where and by what"
            self.draft.add(entry.place(*path, key, of_key=True).error("bad-value", message))
        place = entry.place(*path, "rebalance")
        if not self.draft.known(place, pool, self.draft.names("pools"), "pool") or pool not in self.pools:
            return None
        known = self.pools[pool]
        if known.section.apply is None:
            self.draft.add(place.error("missing-key", f"pool '{pool}' doesn't say how its weights are set: `apply`"))
            return None
        apply = known.section.apply
        self.checks.know_playbook(apply.playbook, known.entry.place("apply", "playbook"))
        variables = read_vars(self.draft, apply.vars, known.entry, ("apply", "vars"))
        if known.pool is None or known.pool.apply is None:
            return None  # what is wrong has been said where the pool is
        duration = section.expect.duration or apply.expect.duration or _SETTING
        success = section.expect.success if section.expect.success is not None else apply.expect.success
        return Alternative(
            playbook=apply.playbook,
            vars={**variables, **read_vars(self.draft, section.vars, entry, (*path, "vars"))},
            duration=duration,
            success=success if success is not None else _LIKELY,
            mode=_mode(section.mode) if section.mode is not None else None,
            timeout=section.timeout,
            once=section.once,
            check=section.check,
            hosts=(known.pool.apply.host,),
            rebalance=pool,
        )

    def _affected(self, section: AlternativeSection, entry: Entry, path: tuple[str | int, ...]) -> Iterable[NodeId]:
        """Components; sets and pools stand for their members."""
        for number, name in enumerate(section.affects):
            if name in self.groups:
                yield from self.groups[name]
            elif name in self.service_map.components or self.draft.known(
                entry.place(*path, number), name, self._components(), "component or pool"
            ):
                yield NodeId(name)

    def _where(self, entry: Entry, *, written: bool) -> Entry:
        """The policy's entry, or that of the defaults where the policy says nothing."""
        return entry if written else self.draft.single.get("defaults", entry)

    def _guard(self, section: GuardSection | None, entry: Entry) -> GuardLimits:
        own, usual, basis = section or GuardSection(), self.defaults.guard or GuardSection(), GuardLimits()
        approvers = self._where(entry, written=bool(own.approvers))
        for place, team in enumerate(own.approvers or usual.approvers):
            self.draft.known(approvers.place("guard", "approvers", place), team, self.draft.names("teams"), "team")
        max_runs = own.max_runs if own.max_runs is not None else usual.max_runs
        per_component, per_policy = basis.max_runs_per_component, basis.max_runs_per_policy
        if isinstance(max_runs, dict):
            per_component = _rate(max_runs["component"]) if "component" in max_runs else per_component
            per_policy = _rate(max_runs["policy"]) if "policy" in max_runs else per_policy
        elif max_runs is not None:
            per_component = _rate(max_runs)
        cooldown = own.cooldown if own.cooldown is not None else usual.cooldown
        return GuardLimits(
            cooldown=cooldown if cooldown is not None else basis.cooldown,
            max_runs_per_component=per_component,
            max_runs_per_policy=per_policy,
            max_unavailable=self._share_or_number(
                own.max_unavailable or usual.max_unavailable,
                self._where(entry, written=own.max_unavailable is not None),
            ),
            approve_above=own.approve_above if own.approve_above is not None else usual.approve_above,
            approvers=tuple(own.approvers or usual.approvers),
            canary=own.canary if own.canary is not None else usual.canary,
        )

    def _share_or_number(self, written: str | None, entry: Entry) -> str | None:
        if written is None or re.fullmatch(r"[1-9]\d{0,5}|\d{1,3}%", written, re.ASCII):
            return written
        message = f"'{written}' is no number like 1 and no share like 25%"
        self.draft.add(entry.place("guard", "max_unavailable").error("bad-value", message))
        return None

    def _refuse_ties(self, policies: Mapping[PolicyId, Policy]) -> None:
        """Two that act, match the same and rank the same: nobody could say which decides."""
        first: dict[tuple[frozenset[str], int, str | None], Policy] = {}
        for policy in policies.values():
            if not policy.do or policy.mode < Mode.APPROVE:
                continue
            when = policy.when.source if policy.when is not None else None
            key = (frozenset(str(matcher) for matcher in policy.match), policy.precedence, when)
            other = first.setdefault(key, policy)
            if other is not policy:
                entry = self.draft.named["policies"][policy.id]
                message = f"'{policy.id}' and '{other.id}' match the same with the same precedence"
                hint = f"give one a higher precedence; the other is at {other.place}"
                self.draft.add(entry.place(of_key=True).error("tie", message, hint))


def _mode(name: str | None) -> Mode:
    return Mode[name.upper()] if name is not None else Mode.SHADOW


def _rate(parsed: tuple[int, timedelta]) -> Rate:
    return Rate(count=parsed[0], window=parsed[1])


def _place(entry: Entry) -> str:
    place = entry.place(of_key=True)
    return f"{place.file}:{place.line}"
