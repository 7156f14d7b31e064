"""Evaluation: from a situation to signals, impact, decisions and the plan. The one way there is, for the engine's tick,
`plan`, tests and replay alike (DESIGN 3).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce
from itertools import chain, groupby

from bsm_remediate.domain.alert import Alert, AlertKey
from bsm_remediate.domain.assessment import assess
from bsm_remediate.domain.board import Board, Heard, by_onset
from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.case import Case, Scene, newest_onset, touched_by
from bsm_remediate.domain.decision import Decision, Verdict
from bsm_remediate.domain.episode import Episode, latest_episodes
from bsm_remediate.domain.experience import corrected
from bsm_remediate.domain.facts import Facts
from bsm_remediate.domain.guard import decide, speaking
from bsm_remediate.domain.ids import NodeId, PolicyId, RunId
from bsm_remediate.domain.impact import Impact
from bsm_remediate.domain.loss import Prices
from bsm_remediate.domain.metric import figure_of
from bsm_remediate.domain.overtaken import Overtaken, overtaken
from bsm_remediate.domain.plan import Plan
from bsm_remediate.domain.planning import Candidate, make_plan
from bsm_remediate.domain.policy import Mode, Policy
from bsm_remediate.domain.rebalancer import Decided, PoolLook, Rebalancer
from bsm_remediate.domain.rebalancing_course import Course
from bsm_remediate.domain.rollup import RollUp
from bsm_remediate.domain.run import Run
from bsm_remediate.domain.signal import Signal, Statement
from bsm_remediate.domain.situation import MaintenanceWindow, Situation
from bsm_remediate.domain.standing_orders import in_maintenance
from bsm_remediate.domain.state import State, worse
from bsm_remediate.domain.storm import storms_of
from bsm_remediate.errors import InvalidExpression


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """What was found at one moment."""

    situation: Situation
    signals_on: Mapping[NodeId, tuple[Signal, ...]]
    """By component, the earliest first."""
    impact: Impact
    decisions: tuple[Decision, ...]
    """One for each component and policy that speaks about it; without policy where none does."""
    plan: Plan
    unmapped: tuple[tuple[Alert, str], ...] = ()
    """Alerts that fit nothing, with the reason."""
    storm: str = ""
    """What the storm brake saw, for people; empty while there is no storm."""
    storms: Mapping[str, str] = field(default_factory=dict)
    """The same by set or pool."""
    courses: Mapping[str, Course] = field(default_factory=dict)
    """Where each pool stands, for the next situation."""
    overtaken: tuple[Overtaken, ...] = ()
    """Reserved runs that must not begin any more."""
    figures: tuple[Signal, ...] = ()
    """Those of the signals that are figures beyond their threshold, or expected to be."""
    outgrown: Mapping[RunId, str] = field(default_factory=dict)
    """Runs that wait for their checks though other weights are needed by now; and why."""

    @property
    def signals(self) -> tuple[Signal, ...]:
        return tuple(chain.from_iterable(self.signals_on.values()))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Chosen:
    """A policy that speaks about a component, and by what."""

    policy: Policy
    signals: tuple[Signal, ...]
    alerts: tuple[AlertKey, ...]
    statements: tuple[Statement, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Speakers:
    """Which policies speak about one component, and by which of its signals."""

    heard: Heard
    assume: Mode | None
    chosen: tuple[_Chosen, ...]
    settled: tuple[Decision, ...]


class Evaluator:
    """Evaluates situations under one bundle; what it compiles and remembers is a cache, never a memory of the past."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.rollup = RollUp(bundle.service_map)
        self._board = Board(bundle)
        self._rebalancer = Rebalancer(bundle)
        self._speakers: dict[NodeId, _Speakers] = {}
        self._covered: dict[str, tuple[NodeId, ...]] = {}
        self._on_host: dict[str, list[NodeId]] = {}
        for component in bundle.service_map.components.values():
            self._on_host.setdefault(component.host, []).append(component.id)

    def evaluate(self, situation: Situation) -> Evaluation:
        """Everything that follows from `situation`."""
        heard = self._board.read(situation.alerts, situation.last_seen, situation.at)
        episodes = latest_episodes(situation.runs)
        maintenance = in_maintenance(situation.maintenance, self.bundle, situation.at, self._covered)
        own = self._own_states(heard, situation, episodes, maintenance)
        signals = {node: one.signals for node, one in heard.items()}
        prices = Prices(self.bundle.calendars, situation.at)
        impact = assess(self.bundle, self.rollup, own=own, signals=signals, prices=prices, goal=situation.goal)
        scene = self._scene(situation, impact, prices, episodes, heard, maintenance)
        pools = self._rebalancer.look(scene)
        candidates, settled = self._decide_all(scene, heard, pools)
        unmapped = self._board.unmapped
        settled += [*self._board.about_services, *(one.decision for one in unmapped)]
        decisions = [*(one.decision for one in candidates), *settled]
        held = [one for one in decisions if not one.verdict.is_planned and one.verdict not in _NOT_HELD]
        plan = make_plan(scene, candidates, held=held, unmapped=[one.alert for one in unmapped])
        return Evaluation(
            situation=situation,
            signals_on=signals,
            impact=impact,
            decisions=tuple(decisions),
            plan=plan,
            unmapped=tuple((one.alert, one.decision.reason) for one in unmapped),
            storm=scene.storm,
            storms=scene.storms,
            courses=pools.courses,
            overtaken=overtaken(scene),
            figures=tuple(chain.from_iterable(self._board.figures.values())),
            outgrown=pools.outgrown,
        )

    # --- states ----------------------------------------------------------------------------------------------------

    def _own_states(
        self,
        heard: Mapping[NodeId, Heard],
        situation: Situation,
        episodes: Mapping[tuple[NodeId, PolicyId], Episode],
        maintenance: Iterable[NodeId],
    ) -> dict[NodeId, State]:
        """The worst of what is said about each component, of reports on services, and of what was stated outright."""
        own: dict[NodeId, State] = dict.fromkeys(maintenance, State.MAINTENANCE)
        for node, state in situation.stated.items():
            own[node] = worse(own.get(node, State.OK), state)
        worked_on = {node for node, _ in episodes}
        for node, said in heard.items():
            state = said.worst
            if node in worked_on:
                states = [one.sets for one in said.signals if not _is_mended(one, episodes, situation.at)]
                state = reduce(worse, states, State.OK)
            if state is not State.OK:
                own[node] = worse(own.get(node, State.OK), state)
        for node, state in self._board.reports.values():
            own[node] = worse(own.get(node, State.OK), state)
        return own

    def _scene(
        self,
        situation: Situation,
        impact: Impact,
        prices: Prices,
        episodes: Mapping[tuple[NodeId, PolicyId], Episode],
        heard: Mapping[NodeId, Heard],
        maintenance: Mapping[NodeId, MaintenanceWindow],
    ) -> Scene:
        runs_of = {run.component: run for run in situation.runs if run.state.holds_locks}
        storm, storms = storms_of(heard, self.bundle)
        return Scene(
            bundle=self.bundle,
            rollup=self.rollup,
            situation=situation,
            impact=impact,
            prices=prices,
            episodes=episodes,
            storm=storm,
            storms=storms,
            maintenance=maintenance,
            disturbed=frozenset(node for run in runs_of.values() for node in run.disturbs),
            runs_of={node: run for run in runs_of.values() for node in _kept_busy(run)},
        )

    # --- decisions -------------------------------------------------------------------------------------------------

    def _decide_all(
        self, scene: Scene, heard: Mapping[NodeId, Heard], pools: PoolLook
    ) -> tuple[list[Candidate], list[Decision]]:
        candidates: list[Candidate] = []
        settled: list[Decision] = []
        guards = speaking(scene)
        self._speakers = {node: one for node, one in self._speakers.items() if heard.get(node) is one.heard}
        for component in sorted(heard):
            speakers = self._speakers_on(scene, component, heard[component])
            settled += speakers.settled
            for one in speakers.chosen:
                case = self._case(scene, component, one)
                if case.alternative.rebalance:
                    candidates.append(_rebalancing(case, pools.decide(case, guards)))
                else:
                    candidates.append(Candidate(case=case, decision=decide(case, guards)))
        returning = list(pools.returning([one.case for one in candidates]))
        candidates += [_rebalancing(case, pools.decide(case, guards)) for case in returning]
        return candidates, settled

    def _speakers_on(self, scene: Scene, component: NodeId, heard: Heard) -> _Speakers:
        """Which policies speak about `component`; remembered while nothing changes there and none has a condition."""
        known = self._speakers.get(component)
        if known is not None and known.assume is scene.situation.assume and not heard.is_conditional:
            return known
        chosen: dict[PolicyId, list[list[Signal]]] = defaultdict(list)
        settled: list[Decision] = []
        for alike in _alike(heard):
            who = self._who_speaks(scene, alike[0])
            if isinstance(who, Decision):
                settled.append(replace(who, alerts=_keys(alike)))
                continue
            for policy in who:
                chosen[policy.id].append(alike)
        found = _Speakers(
            heard=heard,
            assume=scene.situation.assume,
            chosen=tuple(_chosen(self.bundle.policies[one], _merged(heard, chosen[one])) for one in sorted(chosen)),
            settled=tuple(settled),
        )
        self._speakers[component] = found
        return found

    def _who_speaks(self, scene: Scene, signal: Signal) -> list[Policy] | Decision:
        """The one policy that decides about `signal`, with the shadows beside it; or why there is none."""
        able = [policy for policy in signal.policies if policy.do and self._condition_holds(scene, policy, signal)]
        acting = [policy for policy in able if self._stance(scene, policy) >= Mode.APPROVE]
        shadows = [policy for policy in able if self._stance(scene, policy) is Mode.SHADOW]
        if acting:
            _, ranked = next(iter(groupby(acting, key=lambda policy: policy.precedence)))
            first, *others = ranked
            if others:
                names = ", ".join(policy.id for policy in (first, *others))
                reason = f"{names} match alike; give one a higher precedence"
                return _settled(signal, first.id, Verdict.AMBIGUOUS, reason)
            return [first, *shadows]
        if shadows:
            return shadows
        if not signal.policies:
            return _settled(signal, None, Verdict.NO_POLICY, f"no policy names {_name(signal)}")
        named = signal.policies[0]
        why = f"the condition of {named.id} doesn't hold" if named.do else f"{named.id} only says what it means"
        return _settled(signal, None, Verdict.NO_POLICY, why)

    def _stance(self, scene: Scene, policy: Policy) -> Mode:
        """How far the policy may go, before this engine's cap; shadows count as assumed by `--assume`."""
        assumed = scene.situation.assume
        return assumed if assumed is not None and policy.mode is Mode.SHADOW else policy.mode

    def _condition_holds(self, scene: Scene, policy: Policy, signal: Signal) -> bool:
        if policy.when is None:
            return True
        hit = [one for one in scene.impact.services.values() if signal.component in one.causes]
        facts = Facts(
            alert=signal.alert,
            component=self.bundle.service_map.components[signal.component],
            signal_age_s=max((scene.now - signal.since).total_seconds(), 0.0),
            signal_value=figure_of(signal.alert),
            loss_per_minute=sum(one.loss_per_minute for one in hit),
            services=tuple(one.service for one in hit),
            now=scene.now,
        )
        try:
            return policy.when(facts)
        except InvalidExpression:
            return False  # a value of the wrong kind, say a text where a number is compared: nothing is done about it

    def _case(self, scene: Scene, node: NodeId, chosen: _Chosen) -> Case:
        policy = chosen.policy
        component = self.bundle.service_map.components[node]
        episode = scene.episodes.get((node, policy.id))
        newest = newest_onset(chosen.signals, episode, scene.now)
        index = episode.failed_alternatives if episode is not None and episode.is_open(newest) else 0
        alternative = corrected(policy, min(index, len(policy.do) - 1), scene.situation.experience)
        stance = self._stance(scene, policy)
        allowed = min(stance, alternative.mode) if alternative.mode is not None else stance
        return Case(
            scene=scene,
            component=component,
            policy=policy,
            signals=chosen.signals,
            alerts=chosen.alerts,
            statements=chosen.statements,
            alternative_index=index,
            alternative=alternative,
            allowed=allowed,
            touched=touched_by(policy, alternative, component, self._on_host),
        )


def _rebalancing(case: Case, decided: Decided) -> Candidate:
    return Candidate(case=case, decision=decided.decision, rebalancing=decided.rebalancing, why=decided.reason)


_NOT_HELD = frozenset({Verdict.UNMAPPED, Verdict.SHADOW})


def _is_mended(signal: Signal, episodes: Mapping[tuple[NodeId, PolicyId], Episode], now: datetime) -> bool:
    """Whether a run of one of its policies restored the component while the alert is only slow to end (DESIGN 5.6)."""
    for policy in signal.policies:
        episode = episodes.get((signal.component, policy.id))
        if episode is None:
            continue
        latest = episode.latest
        if latest.state.holds_locks and latest.passed_at is not None and signal.since <= latest.passed_at:
            return True
        if episode.is_mended(signal.since, now, policy.resolve_within):
            return True
    return False


def _kept_busy(run: Run) -> tuple[NodeId, ...]:
    return tuple(NodeId(name) for name in run.locked("component")) or (run.component,)


def _settled(signal: Signal, policy: PolicyId | None, verdict: Verdict, reason: str) -> Decision:
    return Decision(
        component=signal.component, policy=policy, verdict=verdict, reason=reason, alerts=(signal.alert.key,)
    )


def _alike(heard: Heard) -> Iterable[list[Signal]]:
    """The signals in groups that the same policies speak about: those of the same name, unless one has a condition."""
    if heard.is_conditional:
        return [[signal] for signal in heard.signals]
    groups: dict[tuple[int, str], list[Signal]] = {}
    of_statement: dict[int, list[Signal]] = {}
    for signal in heard.signals:
        statement = signal.statement
        group = of_statement.get(id(statement))
        if group is None:
            group = of_statement[id(statement)] = groups.setdefault((id(statement.policies), statement.name), [])
        group.append(signal)
    return groups.values()


def _merged(heard: Heard, groups: list[list[Signal]]) -> tuple[Signal, ...]:
    """All signals of `groups`, the earliest first; each group is so already."""
    if sum(map(len, groups)) == len(heard.signals):
        return heard.signals
    return tuple(groups[0]) if len(groups) == 1 else by_onset(chain.from_iterable(groups))


def _chosen(policy: Policy, signals: tuple[Signal, ...]) -> _Chosen:
    statements = {id(one.statement): one.statement for one in signals}
    return _Chosen(policy=policy, signals=signals, alerts=_keys(signals), statements=tuple(statements.values()))


def _keys(signals: Iterable[Signal]) -> tuple[AlertKey, ...]:
    return tuple([one.alert.key for one in signals])


def _name(signal: Signal) -> str:
    return signal.name or "an alert without a name"
