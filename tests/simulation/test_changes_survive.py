"""A planned change whose engine dies at any of its calls of the store, before or after it: another engine goes on, and
the change comes to the same end, done once or undone, with nothing left in maintenance.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from bsm_remediate.domain.bundle import Bundle, Team
from bsm_remediate.domain.calendar import Calendar, WeeklyHours
from bsm_remediate.domain.change import Change, ChangeOutcome, ChangeState
from bsm_remediate.domain.evaluation import Evaluator
from bsm_remediate.domain.ids import Digest, NodeId
from bsm_remediate.domain.planned_change import ChangeTimes, PlannedChange
from bsm_remediate.domain.playbook import PlaybookCall, PlaybookOutcome
from bsm_remediate.domain.policy import Alternative
from bsm_remediate.engine.engine import Engine
from bsm_remediate.engine.sealer import Sealer
from bsm_remediate.records import Control
from bsm_remediate.testing.builders import TCP_CHECK, bundle, component, service
from bsm_remediate.testing.clock import VirtualClock
from bsm_remediate.testing.executor import Scripted, SimulatedExecutor, SimulatedProber
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.testing.timeline import KEYS
from bsm_remediate.testing.workflows import SoleLease
from tests.simulation.mortal import Killed, Life, MortalClock, MortalExecutor, MortalStore, SharedWorkflows

BEGIN = datetime(2026, 1, 5, 11, 59, 45, tzinfo=UTC)
NOON = WeeklyHours(weekdays=frozenset(range(7)), since=time(12), until=time(13), timezone=ZoneInfo("UTC"))
_LATEST = timedelta(minutes=20)


def shop(*, once: bool, dry_run: bool) -> Bundle:
    change = PlannedChange(
        name="upgrade",
        components=(NodeId("db-1"),),
        on=NodeId("db-1"),
        do=Alternative(
            playbook="upgrade.yml",
            duration=timedelta(seconds=30),
            once=once,
            rollback=Alternative(playbook="undo.yml", duration=timedelta(seconds=10)),
        ),
        verify=(TCP_CHECK,),
        times=ChangeTimes(calendars=("noon",)),
        approvers=("dbas",),
        dry_run=dry_run,
        digest=Digest("sha256:written"),
    )
    made = bundle(
        component("db-1"),
        service("checkout", requires=["db-1"]),
        calendars=[Calendar(name="noon", times=(NOON,))],
        teams=[Team(name="dbas", members=("ana", "li"), duties=("approver",))],
    )
    return replace(made, changes={"upgrade": change})


class World:
    """Engines that follow each other on one store."""

    def __init__(self, *, once: bool = False, fails: bool = False) -> None:
        self.clock = VirtualClock(BEGIN)
        self.store = MemoryStore()
        self.bundle = shop(once=once, dry_run=not fails)  # one that fails would fail in check mode already
        self.executor = SimulatedExecutor(self.clock)
        self.executor.script("undo.yml", Scripted(duration_s=2))
        self.executor.script("upgrade.yml", Scripted(duration_s=3, outcome=_outcome(fails=fails)))
        self.workflows = SharedWorkflows()
        self.busy: set[str] = set()
        self.lives: list[Life] = []
        self.dead: list[str] = []

    def engine(self, dies_at: int | None = None, *, dies_after_it: bool = False) -> tuple[Engine, Life]:
        life = Life(f"engine-{len(self.lives)}")
        self.lives.append(life)
        clock = MortalClock(self.clock, life)
        store = MortalStore(self.store, life)
        lease = _Heir(self.dead, life.name)
        engine = Engine(
            evaluator=Evaluator(self.bundle),
            store=store,
            executor=MortalExecutor(self.executor, life, began=self._began, ended=self._ended),
            prober=SimulatedProber(self.clock),
            clock=clock,
            workflows=self.workflows.of(life, clock),
            lease=lease,
            sealer=Sealer(store, KEYS, clock),
            spawn=clock.spawn,
        )
        life.dies_at, life.dies_after_it = dies_at, dies_after_it
        return engine, life

    def _began(self, call: PlaybookCall) -> None:
        if not call.check_mode:
            assert not self.busy, f"{self.busy} is still at work"
            self.busy.add(call.playbook)

    def _ended(self, call: PlaybookCall) -> None:
        if not call.check_mode:
            self.busy.discard(call.playbook)

    def lives_on(self, engine: Engine, life: Life) -> bool:
        """Until the change is over or the engine has died; whether it lived."""
        try:
            engine.recover()
            while self.clock.now() < BEGIN + _LATEST:
                engine.tick()
                self.clock.rest()
                if life.is_dead:
                    raise Killed
                if self.latest is not None and self.latest.state is ChangeState.AWAITING_REVIEW:
                    engine.tick()
                    return True
                self._ask_for_what_is_next()
                self.clock.advance(1)
        except Killed:
            self.dead.append(life.name)
            self.clock.advance(1)  # its threads end
            return False
        return True

    @property
    def latest(self) -> Change | None:
        known = self.store.planned(since=BEGIN - timedelta(days=1))
        return known[-1] if known else None

    def _ask_for_what_is_next(self) -> None:
        """People say again what wasn't done."""
        change = self.latest
        if list(self.store.waiting()):
            return
        if change is None:
            self._ask("change_propose", "upgrade", who="ana")
        elif change.state is ChangeState.DRY_RUN_OK or not self.bundle.changes["upgrade"].dry_run:
            self._ask("change_approve", change.id, who="li")
        elif change.state is ChangeState.PROPOSED and self.clock.now().second % 5 == 0:
            self._ask("change_check", change.id, who="ana")

    def _ask(self, verb: str, target: str, *, who: str) -> None:
        self.store.ask(Control(verb=verb, target=target, who=who, asked_at=self.clock.now()))

    def played(self) -> list[str]:
        return [call.playbook for call in self.executor.calls if not call.check_mode]


class _Heir(SoleLease):
    def __init__(self, dead: list[str], name: str) -> None:
        super().__init__()
        self.replica = name
        self._dead = dead

    def dead(self) -> list[str]:
        return list(self._dead)

    def bury(self, replica: str) -> None:
        self._dead.remove(replica)


def _outcome(*, fails: bool) -> PlaybookOutcome:
    return PlaybookOutcome.FAILED if fails else PlaybookOutcome.SUCCEEDED


def calls_of_a_whole_life(*, fails: bool) -> int:
    world = World(fails=fails)
    engine, life = world.engine(dies_at=1_000_000)
    assert world.lives_on(engine, life)
    assert life.dies_at is not None
    return 1_000_000 - life.dies_at


@pytest.mark.parametrize("dies_after_it", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("fails", [False, True], ids=["works", "fails"])
def test_whenever_its_engine_dies_a_change_comes_to_the_same_end(*, fails: bool, dies_after_it: bool) -> None:
    number = calls_of_a_whole_life(fails=fails)
    assert number > 100
    died = 0
    for dies_at in range(1, number + 1):
        world = World(fails=fails)
        died += not world.lives_on(*world.engine(dies_at, dies_after_it=dies_after_it))
        world.lives_on(*world.engine())
        change = world.latest
        assert change is not None, dies_at
        assert change.state is ChangeState.AWAITING_REVIEW, (dies_at, change)
        assert change.result is not None
        wanted = ChangeOutcome.ROLLED_BACK if fails else ChangeOutcome.DONE
        assert change.result.outcome is wanted, (dies_at, change.result)
        assert world.played().count("upgrade.yml") in {1, 2}, dies_at
        assert len(world.store.planned(since=BEGIN - timedelta(days=1))) == 1, dies_at
        engine, _ = world.engine()
        assert engine.tick().situation.maintenance == (), dies_at
    assert died > number / 2


def test_what_may_happen_only_once_goes_to_a_person_when_its_engine_dies_in_the_middle() -> None:
    number = calls_of_a_whole_life(fails=False)
    outcomes = set()
    for dies_at in range(1, number + 1):
        world = World(once=True)
        world.lives_on(*world.engine(dies_at))
        world.lives_on(*world.engine())
        change = world.latest
        assert change is not None
        assert change.result is not None, (dies_at, change)
        outcomes.add(change.result.outcome)
        assert world.played().count("upgrade.yml") == 1, dies_at
    assert outcomes == {ChangeOutcome.DONE, ChangeOutcome.UNKNOWN}
