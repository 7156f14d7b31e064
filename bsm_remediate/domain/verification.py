"""Verification: do the checks hold, each within a time and then for a time (DESIGN 4, Checks; 5.6). Pure: observations
in, verdict out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.policy import Check, CheckKind, Policy

QUIET = timedelta(seconds=60)
"""A policy without checks waits for its signal to be off for so long (DESIGN 5.6)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """One look at one check."""

    check: Check
    at: datetime
    holds: bool
    detail: str
    """For people: `127.0.0.1:5432 accepts connections`, `connection refused`."""


class Progress(StrEnum):
    WAITING = "waiting"
    """Some check doesn't hold yet."""
    HOLDING = "holding"
    """All hold, not yet for as long as they should."""
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Watched:
    check: Check
    held_since: datetime | None = None
    before: datetime | None = None
    """Since when it held when it was last looked at, by an earlier engine."""
    latest: Observation | None = None

    def has_failed(self, now: datetime, deadline: datetime) -> bool:
        return self.held_since is None and now >= deadline

    def has_passed(self, now: datetime) -> bool:
        return self.held_since is not None and now - self.held_since >= self.check.hold


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """The checks of one run since `started_at`. A check that breaks before its `within` is over begins anew; one that
    breaks later has failed.
    """

    started_at: datetime
    watched: tuple[_Watched, ...]

    @classmethod
    def of(cls, checks: Sequence[Check], *, started_at: datetime, held_since: datetime | None = None) -> Verification:
        """`held_since`: all held since then when an earlier engine last looked; one that holds at once goes on."""
        watched = tuple(_Watched(check=check, before=held_since) for check in checks)
        return cls(started_at=started_at, watched=watched)

    def due(self, now: datetime) -> tuple[Check, ...]:
        """The checks to look at now: those never seen, or last seen at least `every` ago."""
        return tuple(one.check for one in self.watched if one.latest is None or now - one.latest.at >= one.check.every)

    def observe(self, seen: Observation) -> Verification:
        """This verification after one more look."""
        return replace(
            self,
            watched=tuple(
                replace(
                    one,
                    latest=seen,
                    held_since=(one.held_since or one.before or seen.at) if seen.holds else None,
                    before=None,
                )
                if one.check is seen.check
                else one
                for one in self.watched
            ),
        )

    def progress(self, now: datetime) -> Progress:
        if any(one.has_failed(now, self.started_at + one.check.within) for one in self.watched):
            return Progress.FAILED
        if all(one.has_passed(now) for one in self.watched):
            return Progress.PASSED
        return Progress.HOLDING if all(one.held_since is not None for one in self.watched) else Progress.WAITING

    def reason(self, now: datetime) -> str:
        """One line on what holds and what doesn't, with the numbers."""
        open_ones = [one for one in self.watched if one.held_since is None]
        if not open_ones:
            number = len(self.watched)
            return f"{'its check holds' if number == 1 else f'all {number} checks hold'}: {self._details()}"
        parts = []
        for one in open_ones:
            detail = one.latest.detail if one.latest else "not looked at yet"
            parts.append(f"{one.check.kind} check: {detail}")
        return f"after {format_duration(now - self.started_at)}: " + "; ".join(parts)

    def _details(self) -> str:
        return "; ".join(one.latest.detail for one in self.watched if one.latest is not None)


def checks_after_run(policy: Policy) -> tuple[Check, ...]:
    """The policy's checks; without any, its signal must go off within `resolve_within` and stay off for a minute."""
    if policy.verify:
        return policy.verify
    return (Check(kind=CheckKind.ALERT, target=None, within=policy.resolve_within, hold=QUIET),)
