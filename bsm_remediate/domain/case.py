"""A case: one component under one policy, in its surroundings; what guards look at."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from bsm_remediate.domain.alert import AlertKey
from bsm_remediate.domain.breaker_state import Breaker, open_breakers
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.decision import Decision, Verdict
from bsm_remediate.domain.episode import Episode
from bsm_remediate.domain.experience import ExperienceKey
from bsm_remediate.domain.ids import NodeId, PolicyId
from bsm_remediate.domain.impact import Impact
from bsm_remediate.domain.loss import Prices
from bsm_remediate.domain.policy import Alternative, Mode, Policy, Scope
from bsm_remediate.domain.pool import Pool
from bsm_remediate.domain.rollout import Rollout, rollout
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.run import Run, RunState
from bsm_remediate.domain.service_map import Component
from bsm_remediate.domain.signal import Signal, Statement
from bsm_remediate.domain.situation import MaintenanceWindow, Situation
from bsm_remediate.domain.state import AT_BEST, AT_WORST, Level, State


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What all cases of one evaluation share."""

    bundle: Bundle
    rollup: RollUp
    situation: Situation
    impact: Impact
    prices: Prices
    episodes: Mapping[tuple[NodeId, PolicyId], Episode]
    storm: str
    """What the storm brake saw, for people; empty while there is no storm."""
    storms: Mapping[str, str]
    """The same by set or pool."""
    maintenance: Mapping[NodeId, MaintenanceWindow]
    """What is in maintenance, by which window."""
    disturbed: frozenset[NodeId]
    """Components that unfinished runs keep busy."""
    runs_of: Mapping[NodeId, Run]
    """Component → the unfinished run that holds its lock."""

    @property
    def now(self) -> datetime:
        return self.situation.at

    @cached_property
    def breakers(self) -> Mapping[PolicyId, Breaker]:
        """The open ones."""
        return open_breakers(self.situation.runs, self.now, self.situation.closed)

    @cached_property
    def rollouts(self) -> Mapping[tuple[PolicyId, str], Rollout]:
        """How far each policy has come with the members of a set or pool, where it has run on any."""
        runs: dict[tuple[PolicyId, str], list[Run]] = {}
        for run in self.situation.runs:
            for name in self.bundle.sets_of.get(run.component, ()):
                runs.setdefault((run.policy, name), []).append(run)
        return {key: rollout(of_set, self.now) for key, of_set in runs.items()}

    @cached_property
    def freezes(self) -> tuple[str, ...]:
        """The change freezes in force."""
        return self.bundle.freezes(self.now)

    @cached_property
    def episodes_on(self) -> Mapping[NodeId, list[Episode]]:
        """Component → its episodes, of all policies."""
        found: dict[NodeId, list[Episode]] = {}
        for (node, _), episode in self.episodes.items():
            found.setdefault(node, []).append(episode)
        return found

    @cached_property
    def passes(self) -> tuple[Run, ...]:
        """Runs after which all checks held."""
        return tuple(run for run in self.situation.runs if run.passed_at is not None)

    @cached_property
    def ends(self) -> tuple[Mapping[NodeId, Level], ...]:
        """Own levels, those in maintenance as down, with the unknown as ok and, where there is any, as down: what may
        not happen at either end may not happen.
        """
        own = self.impact.own
        has_unknown = State.UNKNOWN in own.values()
        tables = (AT_BEST, AT_WORST) if has_unknown else (AT_BEST,)
        return tuple({node: table[state] for node, state in own.items()} for table in tables)

    @cached_property
    def ends_disturbed(self) -> tuple[Mapping[NodeId, Level], ...]:
        """`ends` with everything down that runs are busy with."""
        return tuple({**own, **dict.fromkeys(self.disturbed, 2)} for own in self.ends)

    @cached_property
    def on_host(self) -> Mapping[str, list[NodeId]]:
        """Host → its components."""
        found: dict[str, list[NodeId]] = {}
        for component in self.bundle.service_map.components.values():
            found.setdefault(component.host, []).append(component.id)
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One component under one policy: may the next alternative be run?"""

    scene: Scene
    component: Component
    policy: Policy
    signals: tuple[Signal, ...]
    """The earliest first."""
    alerts: tuple[AlertKey, ...]
    """Those of the signals."""
    statements: tuple[Statement, ...]
    """What the signals say, each thing once."""
    alternative_index: int
    alternative: Alternative
    """With what past runs have taught."""
    allowed: Mode
    """The stricter of policy and alternative, whatever this engine's cap."""
    touched: frozenset[NodeId]
    """The components that the run disturbs: its own, those of its host with `scope: host`, and `affects`; none when it
    rebalances.
    """

    @property
    def mode(self) -> Mode:
        """The strictest of policy, alternative and this engine's cap."""
        return min(self.allowed, self.scene.situation.max_mode)

    @property
    def written(self) -> Alternative:
        """The alternative as the bundle has it."""
        return self.policy.do[min(self.alternative_index, len(self.policy.do) - 1)]

    @property
    def learned_from(self) -> int:
        """How many past runs `alternative` rests on; 0 while it is as written."""
        if self.alternative is self.written:
            return 0
        key = ExperienceKey(self.policy.id, self.alternative_index, self.written.playbook)
        return self.scene.situation.experience[key].runs

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts that the run keeps to itself; not those that are only a place to run from."""
        components = self.scene.bundle.service_map.components
        of_touched = {components[node].host for node in self.touched if node in components}
        only_places = {self.component.host} if not self.component.lock_host else set()
        return frozenset((of_touched | set(self.alternative.hosts)) - {"self"} - only_places)

    @property
    def pool(self) -> Pool | None:
        """The pool whose weights the alternative sets."""
        return self.scene.bundle.pools[self.alternative.rebalance] if self.alternative.rebalance else None

    @property
    def run_host(self) -> str:
        """Where the playbook runs: on the component's host, or on that of what sets the weights of a pool."""
        pool = self.pool
        return pool.apply.host if pool is not None and pool.apply is not None else self.component.host

    @property
    def places(self) -> frozenset[str]:
        """Everything, by id or host name, where a person may not want the run."""
        return self.hosts | self.touched | {self.component.host}

    @property
    def newest_since(self) -> datetime:
        return newest_onset(self.signals, self.episode, self.scene.now)

    @property
    def episode(self) -> Episode | None:
        return self.scene.episodes.get((self.component.id, self.policy.id))

    @property
    def is_approved(self) -> bool:
        latest = self.episode.latest if self.episode is not None else None
        return (
            latest is not None
            and latest.state is RunState.AWAITING_APPROVAL
            and latest.approved_by is not None
            and latest.alternative == self.alternative_index
        )

    def decided(self, verdict: Verdict, reason: str) -> Decision:
        """With a reason that says so where this engine's cap holds the policy back (DESIGN 5.7)."""
        cap = self.scene.situation.max_mode
        if cap < self.allowed:
            reason = f"{reason}; no policy goes further than {cap} on this engine, this one says {self.allowed}"
        return Decision(
            component=self.component.id,
            policy=self.policy.id,
            verdict=verdict,
            reason=reason,
            alternative=self.alternative_index,
            alerts=self.alerts,
        )


def newest_onset(signals: Sequence[Signal], episode: Episode | None, now: datetime) -> datetime:
    """When the newest of `signals` (the earliest first) began. One from the future, after our clock went back, isn't
    taken as newer than what was last done about it: else the same would be done again and again.
    """
    newest = signals[-1].since
    if newest <= now:
        return newest
    done_at = episode.latest.ended_at if episode is not None else None
    return now if done_at is None else min(now, done_at)


def newly_down(scene: Scene, nodes: Collection[NodeId], *, is_disturbed: bool = False) -> list[NodeId]:
    """Services that `nodes` would take down, if they were down too; those already down, `is_disturbed` with all that
    runs are busy with, are not the doing of `nodes`.
    """
    service_map = scene.bundle.service_map
    found: set[NodeId] = set()
    for own in scene.ends_disturbed if is_disturbed else scene.ends:
        standing = [node for node in nodes if own.get(node) != 2 and node in service_map]
        if standing:
            found.update(node for node in scene.rollup.falling(own, standing) if node in service_map.services)
    return sorted(found)


def touched_by(
    policy: Policy, alternative: Alternative, component: Component, hosts: Mapping[str, list[NodeId]]
) -> frozenset[NodeId]:
    """The components that a run disturbs; new weights disturb nobody."""
    if alternative.rebalance:
        return frozenset()
    touched = {component.id, *alternative.affects}
    if policy.scope is Scope.HOST:
        touched.update(hosts.get(component.host, ()))
    return frozenset(touched)
