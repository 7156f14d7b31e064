"""Engines that die at any moment of a virtual time: what they had in memory is gone, their threads end, and the guard
ends their playbooks. The store is what stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from bsm_remediate.domain.ids import RunId
from bsm_remediate.domain.playbook import PlaybookCall, PlaybookEvent, PlaybookResult
from bsm_remediate.errors import StoreUnavailable
from bsm_remediate.testing.clock import VirtualClock
from bsm_remediate.testing.executor import SimulatedExecutor
from bsm_remediate.testing.store import MemoryStore

Stage = Callable[[str, Callable[[], None]], None]


class Killed(BaseException):
    """The process is gone; nothing of it may catch that."""


class Life:
    """Of one engine's process. `dies_at`: the call of the store, counted from now, at which it dies."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.dies_at: int | None = None
        self.dies_after_it = False
        self.is_cut_off = False
        """While it is, nothing of the store reaches it."""

    def require(self) -> None:
        if self.is_dead:
            raise Killed

    def end(self) -> None:
        self.is_dead = True


class MortalStore:
    """The store as one engine sees it."""

    def __init__(self, store: MemoryStore, life: Life) -> None:
        self._store = store
        self._life = life

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)

        def calling(*arguments: Any, **named: Any) -> Any:
            life = self._life
            life.require()
            if life.is_cut_off:
                raise StoreUnavailable("the network is cut")
            if life.dies_at is not None:
                life.dies_at -= 1
            is_last = life.dies_at is not None and life.dies_at <= 0
            if is_last and not life.dies_after_it:
                life.end()
                raise Killed
            found = call(*arguments, **named)
            if is_last:
                life.end()
                raise Killed
            return found

        return calling


class MortalClock:
    """The clock as one engine sees it."""

    def __init__(self, clock: VirtualClock, life: Life) -> None:
        self._clock = clock
        self._life = life

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def wait(self, seconds: float, *, until: Callable[[], bool] = lambda: False) -> bool:
        self._life.require()
        found = self._clock.wait(seconds, until=lambda: self._life.is_dead or until())
        self._life.require()
        return found

    def spawn(self, work: Callable[[], None], name: str) -> None:
        def working() -> None:
            try:
                work()
            except Killed:
                return

        self._clock.spawn(working, name)


class MortalExecutor:
    """Ansible as one engine sees it; `began` and `ended` are told of every playbook on a host."""

    def __init__(
        self,
        executor: SimulatedExecutor,
        life: Life,
        *,
        began: Callable[[PlaybookCall], None],
        ended: Callable[[PlaybookCall], None],
    ) -> None:
        self._executor = executor
        self._life = life
        self._began = began
        self._ended = ended

    def execute(
        self, call: PlaybookCall, *, on_event: Callable[[PlaybookEvent], None], cancelled: Callable[[], bool]
    ) -> PlaybookResult:
        self._life.require()
        self._began(call)
        try:
            found = self._executor.execute(call, on_event=on_event, cancelled=lambda: self._life.is_dead or cancelled())
        finally:
            self._ended(call)
        self._life.require()
        return found


class SharedWorkflows:
    """Workflows of several engines: what one had under way stays its own until it is taken over."""

    def __init__(self) -> None:
        self._owner: dict[RunId, str] = {}
        self._engines: dict[str, tuple[Life, MortalClock, Callable[[RunId, Stage], None]]] = {}

    def of(self, life: Life, clock: MortalClock) -> _OwnWorkflows:
        return _OwnWorkflows(self, life, clock)

    def join(self, life: Life, clock: MortalClock, carry_out: Callable[[RunId, Stage], None]) -> None:
        self._engines[life.name] = (life, clock, carry_out)

    def start(self, run: RunId, here: str) -> None:
        if run not in self._owner:
            self._begin(run, here)

    def take_over(self, dead: Sequence[str], here: str) -> None:
        for run in [run for run, owner in self._owner.items() if owner in dead]:
            self._begin(run, here)

    def _begin(self, run: RunId, name: str) -> None:
        life, clock, carry_out = self._engines[name]
        self._owner[run] = name

        def work() -> None:
            try:
                carry_out(run, lambda _name, stage: stage())
            finally:
                if not life.is_dead and self._owner.get(run) == name:
                    del self._owner[run]

        clock.spawn(work, f"run-{run}")


class _OwnWorkflows:
    """Implements `Workflows` for one engine of several."""

    def __init__(self, shared: SharedWorkflows, life: Life, clock: MortalClock) -> None:
        self._shared = shared
        self._life = life
        self._clock = clock

    def launch(self, carry_out: Callable[[RunId, Stage], None]) -> None:
        self._shared.join(self._life, self._clock, carry_out)

    def start(self, run: RunId, *, is_new: bool) -> None:  # noqa: ARG002 - the register knows
        self._shared.start(run, self._life.name)

    def take_over(self, replicas: Sequence[str]) -> None:
        self._shared.take_over(replicas, self._life.name)

    def close(self) -> None:
        """What is under way stays in the register."""


class SimulatedLease:
    """Implements `Lease`: the history says whether this engine's beats arrive."""

    remains_s = 0.0

    def __init__(self, name: str, dead: Callable[[], Sequence[str]], bury: Callable[[str], None]) -> None:
        self.replica = name
        self.is_cut_off = False
        self.is_leader = False
        self.seen = 0
        self._dead = dead
        self._bury = bury

    @contextmanager
    def hold(self, *, alone: bool) -> Iterator[None]:  # noqa: ARG002 - nobody asks
        yield

    def is_held(self) -> bool:
        return True

    def is_valid(self) -> bool:
        return not self.is_cut_off

    def leads(self) -> bool:
        return self.is_leader and not self.is_cut_off

    def dead(self) -> Sequence[str]:
        return self._dead()

    def bury(self, replica: str) -> None:
        self._bury(replica)

    def saw(self, served: int) -> None:
        self.seen = served

    def behind(self, served: int) -> Sequence[str]:
        return (self.replica,) if self.seen < served else ()
