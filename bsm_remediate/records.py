"""The store, as several ports that one adapter serves: alerts, runs, changes, the journal, statistics, people's
controls and messages. Fakes are held to the same contract tests.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from bsm_remediate.domain.access import IssuedToken, TokensByDigest
from bsm_remediate.domain.alert import Alert, AlertKey
from bsm_remediate.domain.change import Change
from bsm_remediate.domain.chapter import Chapter, Portion, Progress, Recorded
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.ids import ChangeId, Fingerprint, NodeId, PolicyId, RunId
from bsm_remediate.domain.message import Message
from bsm_remediate.domain.metric_history import Bucket, MetricSeries, Resolution
from bsm_remediate.domain.policy import Mode
from bsm_remediate.domain.run import Run, RunState
from bsm_remediate.domain.seal import Entry, Mark, SealKey, Seals
from bsm_remediate.domain.situation import Hold, MaintenanceWindow, Pause
from bsm_remediate.domain.work_order import WorkOrder


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """What became of one delivery."""

    new: int = 0
    """Alerts that changed something: a new row each."""
    repeated: int = 0
    """Known and unchanged: only `last_seen` was touched."""
    outdated: int = 0
    """Older than what is known (`starts_at` before): counted, otherwise ignored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivered:
    """A signed webhook that was taken."""

    source: str
    id: str
    """By which its sender knows it."""
    received_at: datetime


class AlertLog(Protocol):
    """Durable alerts: what was accepted, and what is active. Rows are immutable; one row per change (DESIGN 5.6)."""

    def record(self, alerts: Sequence[Alert], *, deliveries: Sequence[Delivered] = ()) -> Accepted:
        """Commit `alerts`, and that `deliveries` brought them, durably (one transaction, fsynced) by the rules of
        DESIGN 5.6: of the same key an older `starts_at` is ignored, of equal ones the last received counts, repeats
        touch `last_seen`. A start that is the receipt is none (nobody said it, or the sender's clock is ahead): the
        known one of an alert that isn't over stays.

        Raises `StoreUnavailable` when nothing of it was committed.
        """

    def was_delivered(self, source: str, delivery: str) -> bool:
        """Whether that signed webhook was taken within the last ten minutes, by any replica."""

    def changes(self, *, after: int, limit: int = ...) -> tuple[Sequence[Alert], int]:
        """Every alert that changed after position `after` as it is now, resolved ones too, and the new position."""

    def received(
        self, since: datetime, until: datetime, *, after: int = ..., limit: int = ...
    ) -> tuple[Sequence[Alert], int]:
        """Every change that was received from `since` up to `until`, as it came, above position `after` in the order of
        their coming; and the new position, 0 when there is no more. It reads every change: ask it rarely.
        """

    def active(self) -> Sequence[Alert]:
        """The current version of every alert that fires."""

    def current(self, keys: Sequence[AlertKey]) -> Sequence[Alert]:
        """The current version of those of `keys` that are known, resolved ones too."""

    def last_seen(self) -> Mapping[AlertKey, datetime]:
        """Last delivery of every alert that isn't over, where that is later than the change that counts."""

    def past_onsets(self, since: datetime) -> Mapping[AlertKey, Sequence[datetime]]:
        """The starts, received since then, that are over: of alerts that have ended or have begun anew. The oldest
        first. It reads every change: ask it rarely.
        """

    def heard_since(self, moment: datetime) -> frozenset[AlertKey]:
        """The alerts, resolved ones too, that were delivered at `moment` or later."""


class RunLog(Protocol):
    """Runs and their locks. Every change appends its events in the same transaction."""

    def reserve(self, run: Run, events: Sequence[Event], order: WorkOrder) -> Run | None:
        """Insert `run` (state queued) with what it is to do and its lock rows, fence = the next number; None, and
        nothing written, when a lock is taken. Also moves a run of that id that awaits approval to queued.
        """

    def claim(self, run: RunId) -> Run | None:
        """Give `run` a new fence: whoever carried it out before can't write it any more. None when it is over."""

    def order(self, run: RunId) -> WorkOrder | None:
        """What `run` is to do, as it was reserved."""

    def insert(self, run: Run, events: Sequence[Event]) -> None:
        """Insert a run that holds no locks yet (state awaiting_approval)."""

    def update(self, run: Run, events: Sequence[Event], *, only_from: RunState | None = None) -> None:
        """Write the new value of `run`, refused with `RunNotRecorded` unless its state may follow the stored one
        (which is `only_from`, where given) and its fence is the stored one; frees its locks when the new state holds
        none.
        """

    def runs(self, *, since: datetime) -> Sequence[Run]:
        """Unfinished runs, and those that ended at or after `since`, oldest first."""

    def run(self, run: RunId) -> Run | None: ...


class ChangeLog(Protocol):
    """Planned changes. Every step appends its events in the same transaction."""

    def put_change(self, change: Change, events: Sequence[Event]) -> None:
        """Write `change`, whose version is one more than that stored (1: it is new). Raises `ChangeNotRecorded`
        otherwise: somebody else has moved it on.
        """

    def change(self, change: ChangeId) -> Change | None: ...

    def planned(self, *, since: datetime) -> Sequence[Change]:
        """Those that aren't over, and those proposed at or after `since`, oldest first."""


class EventLog(Protocol):
    """The journal. What is appended is read once it is sealed: from then on it has its position, for ever."""

    def append(self, events: Sequence[Event]) -> None: ...

    def events(self, *, after: int = 0, subject: str | None = None, limit: int = 1000) -> Sequence[Event]:
        """Sealed events with a position above `after`, in order."""

    def latest_position(self) -> int:
        """Of the newest sealed event; 0 while there is none."""


class SealedJournal(Protocol):
    """The journal as a chain of entries, each linked to the one before (`domain.seal`)."""

    def seal(self, key: SealKey, *, limit: int) -> Mark | None:
        """Give what was appended since, at most `limit` entries, their final positions and links; the new head, None
        when nothing waits. Sealers at the same time wait for each other; the chain never forks.
        """

    def seals(self) -> Seals:
        """How far it is sealed."""

    def entries(self, *, after: int, limit: int) -> Sequence[Entry]:
        """Sealed entries above position `after` as they are stored, in order, for whoever verifies them."""

    def drop(self, begin: Mark, proof: str) -> None:
        """Drop the entries up to `begin`, a sealed one, and remember it with its proof; nothing when it lies before
        the present begin.
        """


class Statistics(Protocol):
    """What was read out of the journal, to be kept for longer than its entries are."""

    def recorded(self, *, since: datetime, until: datetime) -> Recorded:
        """All entries of the chapters that reach into that time, and how far the journal has been read: one moment."""

    def progress(self) -> Progress:
        """How far the journal has been read."""

    def latest_chapters(self, keys: Collection[str]) -> Mapping[str, Chapter]:
        """Key → its latest chapter, where there is one."""

    def keep(self, portion: Portion, *, after: int) -> bool:
        """Keep `portion` in one transaction, if the journal has been read up to `after` and no further; whether it
        was. So nothing is kept twice, whoever else reads at the same time or died in the middle.
        """


class StatisticsUpkeep(Protocol):
    """The statistics made anew, and made smaller."""

    def rewind(self, position: int) -> None:
        """Be as if the journal had been read up to `position` only."""

    def forget(self, before: datetime) -> int:
        """Forget the chapters that were over before that; how many they were."""


class MetricHistory(Protocol):
    """What the figures of metric policies were."""

    def note_figures(self, buckets: Sequence[Bucket], new: Sequence[MetricSeries]) -> None:
        """Keep `buckets`, in one transaction with the series that are `new`; a bucket that is there already stays."""

    def metric_series(self, policy: PolicyId | None = None) -> Sequence[MetricSeries]:
        """All of which something is kept, or those of one policy."""

    def buckets(
        self, series: Sequence[Fingerprint], resolution: Resolution, *, since: datetime, until: datetime
    ) -> Sequence[Bucket]:
        """Those that begin in that time, series by series, the oldest first."""


class MetricUpkeep(Protocol):
    """Coarser buckets, and the end of old ones."""

    def rolled(self) -> Mapping[Resolution, datetime]:
        """Up to when buckets of a coarser resolution were made."""

    def roll(self, resolution: Resolution, through: datetime) -> None:
        """They are made up to then."""

    def forget_buckets(self, series: Sequence[Fingerprint], before: Mapping[Resolution, datetime]) -> None:
        """Forget those that began before that, by resolution; and a series of which nothing is left."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """A person's wish, as a row in the store that the engine reads at its next tick (DESIGN 6)."""

    id: int | None = None
    verb: str
    """approve, reject, check, cancel, pause, resume, hold, release, adopt, goal, maintain, end_maintenance, resolve,
    reload, or what is asked of a planned change: change_propose, change_check, change_approve and so on.
    """
    target: str = ""
    reason: str = ""
    who: str
    asked_at: datetime
    until: datetime | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    """What the verb needs beside that: `scope` and `cancel_running` of a pause, `from` and `calendar` of maintenance,
    `digest` of an approval.
    """
    answer: str | None = None
    """What the engine made of it; None while it waits."""
    done: bool | None = None
    """Whether it took effect; None while it waits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What people have ordered and still holds."""

    goal: str | None = None
    holds: tuple[Hold, ...] = ()
    pauses: tuple[Pause, ...] = ()
    released: Mapping[NodeId, datetime] = field(default_factory=dict)
    adopted: Mapping[PolicyId, datetime] = field(default_factory=dict)
    closed: Mapping[PolicyId, datetime] = field(default_factory=dict)
    maintenance: tuple[MaintenanceWindow, ...] = ()
    policy_active_since: Mapping[PolicyId, datetime] = field(default_factory=dict)
    quarantined: tuple[RunId, ...] = ()
    """Runs that have left their component in a state which nobody knows, until a person releases it; however long that
    takes, they are among the runs that guards look at.
    """
    cancelling: tuple[RunId, ...] = ()
    """Runs that a person has asked to stop, for whichever replica carries each out."""
    max_mode: Mode = Mode.AUTO
    """How far the latest engine on this database lets policies go (`serve --max-mode`)."""
    reloads: int = 0
    """How often the bundle was reloaded: each engine reads its own copy when it sees that."""
    served: int = 0
    """How many controls have been answered: by it each engine says up to where it has seen them."""


class Controls(Protocol):
    """People's controls and what they add up to."""

    def ask(self, control: Control) -> int:
        """Queue `control`; returns its id."""

    def waiting(self) -> Sequence[Control]:
        """Those without an answer, oldest first."""

    def control(self, control: int) -> Control | None:
        """That one, with its answer where there is one."""

    def answer(self, control: int, *, done: bool, answer: str, standing: Standing, events: Sequence[Event]) -> None:
        """Record in one transaction what became of it and what now stands."""

    def standing(self) -> Standing: ...

    def stand(self, standing: Standing) -> None:
        """Write what stands, where the engine itself keeps it up (when policies became active)."""


class Outbox(Protocol):
    """Messages to people. A message may be sent twice after a crash, and is never lost."""

    def post(self, messages: Sequence[Message]) -> None:
        """Write down what is to be sent; one that is known by its id stays as it is. Only who leads may."""

    def settle(self, message: Message, events: Sequence[Event]) -> None:
        """Write what became of an attempt to send it; nothing, when it isn't waiting any more."""

    def messages(self) -> Sequence[Message]:
        """The latest of each route and kind, and all others that wait, the oldest first."""


class TokenBook(Protocol):
    """Issued tokens. Only the SHA-256 of a secret is kept; each change is an event in the same transaction."""

    def issue(self, issued: IssuedToken, digest: str, *, reason: str) -> None:
        """Enter `issued`. Raises `WrongUsage` when one of that name holds already."""

    def tokens(self) -> TokensByDigest:
        """All that were ever issued, those that don't hold any more too."""

    def revoke(self, token_id: str, *, who: str, reason: str, at: datetime) -> IssuedToken:
        """From `at` on it counts no more. Raises `UnknownId`."""

    def used(self, moments: Mapping[str, datetime]) -> None:
        """When tokens, by id, were last shown."""


class Store(
    AlertLog,
    RunLog,
    ChangeLog,
    EventLog,
    SealedJournal,
    Statistics,
    StatisticsUpkeep,
    MetricHistory,
    MetricUpkeep,
    Controls,
    Outbox,
    Protocol,
):
    """All of the above, on one database."""

    def close(self) -> None: ...
