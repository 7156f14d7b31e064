"""The seams to the world, each named for what one consumer needs. Adapters implement them; `testing` ships fakes held
to the same contract tests. What is recorded is in `records`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol

from bsm_remediate.domain.ids import RunId
from bsm_remediate.domain.listing import Listing
from bsm_remediate.domain.playbook import PlaybookCall, PlaybookEvent, PlaybookResult
from bsm_remediate.domain.policy import Check
from bsm_remediate.domain.pool import Load, Pool
from bsm_remediate.domain.sample import Sample, Series
from bsm_remediate.domain.service_map import Component
from bsm_remediate.domain.verification import Observation


class Clock(Protocol):
    def now(self) -> datetime:
        """The time, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds that never jump, for durations."""

    def wait(self, seconds: float, *, until: Callable[[], bool] = ...) -> bool:
        """Let `seconds` pass, or less when `until` turns true (asked a few times a second); says whether it did."""


class Executor(Protocol):
    def execute(
        self,
        call: PlaybookCall,
        *,
        on_event: Callable[[PlaybookEvent], None],
        cancelled: Callable[[], bool],
    ) -> PlaybookResult:
        """Carry out `call` to its end in the calling thread. Nothing of it outlives this call, nor the engine.

        Never raises for what happened on the hosts: that is the result's outcome.
        """


class Prober(Protocol):
    def look(self, check: Check, component: Component, *, cancelled: Callable[[], bool]) -> Observation:
        """Look once whether `check` (any but alert) holds now; never raises.

        It takes at most some seconds; by Ansible more, at most a minute and a little, or until `cancelled`. What was
        cut off doesn't hold.
        """


class LoadMeter(Protocol):
    """Knows the live load of pools."""

    def loads(self, pools: Sequence[Pool]) -> Mapping[str, Load]:
        """Pool id → its load by the latest reading; a pool whose load isn't known now, or whose reading is too old, is
        left out. Never waits and never raises.
        """


class AlertSource(Protocol):
    """A monitoring system that can be asked what it finds wrong now."""

    @property
    def name(self) -> str:
        """As its alerts carry it (`Alert.source`)."""

    def listing(self) -> Listing:
        """All of it, within a few seconds. Raises `SourceUnreachable`."""


class MetricSource(Protocol):
    """Somebody who can be asked for figures. Safe to use from many threads."""

    def samples(self, query: str) -> Sequence[Sample]:
        """What `query` is now, within some seconds. Raises `SourceUnreachable`."""

    def history(self, query: str, *, start: datetime, end: datetime, step: timedelta) -> Sequence[Series]:
        """What it was, as far as the source remembers. Raises `SourceUnreachable`."""


class Notifier(Protocol):
    """Reaches people. Safe to use from many threads."""

    def send(self, address: str, title: str, body: str) -> str:
        """Send plain text to `address`, as the bundle has it; why that failed, without anything secret, empty when it
        was taken. It may take long, and never raises.
        """

    def objection(self, address: str) -> str:
        """Why nothing can be sent to `address` as things are, without sending anything; empty when something can."""


class Lease(Protocol):
    """Which engines of a database live, and which of them decides. SQLite has one engine, PostgreSQL several."""

    @property
    def replica(self) -> str:
        """This engine's name; of all that live no other has it."""

    @property
    def remains_s(self) -> float:
        """How long after an engine's death, as this lease tells it, its playbooks may still be ending."""

    def hold(self, *, alone: bool) -> AbstractContextManager[None]:
        """Be an engine of this database while the context lasts, with `alone` its only one. Raises `StoreUnavailable`
        when that can't be.
        """

    def is_held(self) -> bool:
        """Whether some live engine holds it now (asked by the command line)."""

    def is_valid(self) -> bool:
        """Whether this engine may act on hosts: no longer shortly before the others take it for dead."""

    def leads(self) -> bool:
        """Whether this engine is the one that decides."""

    def dead(self) -> Sequence[str]:
        """Replicas that died, for the leader to take their runs over."""

    def bury(self, replica: str) -> None:
        """That one's runs have been taken over."""

    def saw(self, served: int) -> None:
        """This engine keeps to what stood when so many controls were answered (`Standing.served`)."""

    def behind(self, served: int) -> Sequence[str]:
        """Live engines that haven't said so yet of that many."""


class Workflows(Protocol):
    """Carries runs out in stages that are not entered again once they have ended, whatever happens to the process."""

    def launch(self, carry_out: Callable[[RunId, Callable[[str, Callable[[], None]], None]], None]) -> None:
        """Begin: `carry_out` gets each run with what runs its stages. Runs that this engine left are taken up."""

    def start(self, run: RunId, *, is_new: bool) -> None:
        """Carry `run` out, here or on another replica. Unless it `is_new`, nothing happens when it is under way."""

    def take_over(self, replicas: Sequence[str]) -> None:
        """Go on with what these dead replicas had under way."""

    def close(self) -> None:
        """Leave what is under way to the next start, or to the other replicas."""
