"""Notices: what people must know now. A notice stands while what it says is the case; it isn't an event."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum


class NoticeKind(StrEnum):
    LOSS_OVER = "loss_over"
    """The business loses more than a limit."""
    OBJECTIVE_BURNING = "objective_burning"
    """A service's downtime budget is being used up too fast."""
    PERFORMANCE = "performance"
    """A figure is beyond its threshold, or expected to be."""
    APPROVAL_NEEDED = "approval_needed"
    HANDED_OVER = "handed_over"
    """The engine has given a component up, or doesn't know how a run ended: a person must take over."""
    RUN_FAILED = "run_failed"
    CHANGE_APPROVAL = "change_approval"
    """A planned change waits for its dry run or its approval."""
    CHANGE_OVER = "change_over"
    """A planned change is over, and waits for its review."""
    BREAKER_OPEN = "breaker_open"
    STORM = "storm"
    """So much began to fail at once that a person approves."""
    DOUBT = "doubt"
    """Monitoring can't be relied on."""

    @property
    def has_end(self) -> bool:
        """Whether its end is worth telling: a run that has failed stays failed."""
        return self is not NoticeKind.RUN_FAILED


class NoticeSeverity(IntEnum):
    INFO = 1
    WARNING = 2
    CRITICAL = 3

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """One thing that is the case."""

    kind: NoticeKind
    subject: str = ""
    """What it is about, so that the same thing is known again: a run, service, component or policy."""
    severity: NoticeSeverity
    teams: frozenset[str] = frozenset()
    """Whom it concerns; nobody in particular: everybody."""
    since: datetime
    impact: str = ""
    """What that means for the business; it is said first."""
    what: str
    """What is the case and why."""
    do: str = ""
    """What a person can do about it."""
    figure: float = 0.0
    """How bad it is, where there is a number: told again when it has doubled."""
    needs_person: bool = False
    """Whether nothing goes on until a person does something: those on call are told one after the other."""
    answered_at: datetime | None = None
    """Since when a person has it in hand, though it still stands."""

    @property
    def key(self) -> str:
        """By which it is the same at another time."""
        return f"{self.kind}:{self.subject}"


def kind_of(key: str) -> NoticeKind:
    """The kind of the notice with that key."""
    return NoticeKind(key.partition(":")[0])
