"""Telling people: compares what stands with what they were told, and writes the messages that are due.

Called by the tick of the engine that leads, after everything else: whatever happens here delays no restoration. What is
sent, and how often it is tried, is `delivery`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.change import Change
from bsm_remediate.domain.evaluation import Evaluation
from bsm_remediate.domain.message import Message
from bsm_remediate.domain.notice import Notice
from bsm_remediate.domain.notice_text import body_of, title_of
from bsm_remediate.domain.on_call import people_to_tell
from bsm_remediate.domain.route import shown
from bsm_remediate.domain.standing_notices import notices_of
from bsm_remediate.domain.telling import due, stands_since
from bsm_remediate.engine.delivery import Delivery
from bsm_remediate.engine.week import Week
from bsm_remediate.records import Outbox

LOOK_EVERY = timedelta(seconds=1)
"""In a storm the engine looks more often; people needn't."""


class Telling:
    """All routes of the bundle. Its methods are called by the tick."""

    def __init__(self, outbox: Outbox, delivery: Delivery, week: Week) -> None:
        self._outbox = outbox
        self._delivery = delivery
        self._week = week
        self.forget()

    def forget(self) -> None:
        """Another engine has told people meanwhile: what the outbox says now counts."""
        self._since: Mapping[str, datetime] = {}
        self._looked_at: datetime | None = None
        self._delivery.forget()

    @property
    def trouble(self) -> str:
        """Who can't be told, and why; empty when all can, or this engine doesn't lead."""
        return self._delivery.trouble

    @property
    def attempts(self) -> Mapping[str, int]:
        """Since the start, by their result."""
        return self._delivery.attempts

    def tell(self, evaluation: Evaluation, bundle: Bundle, changes: Iterable[Change]) -> None:
        """Write what is due, and send what waits. `changes` are the planned ones that aren't over."""
        now = evaluation.situation.at
        is_early = self._looked_at is not None and timedelta(0) <= now - self._looked_at < LOOK_EVERY
        if not is_early:
            self._looked_at = now
            if bundle.routes:
                self._write(evaluation, bundle, changes, now)
        self._delivery.send(bundle.routes, now)

    def _write(self, evaluation: Evaluation, bundle: Bundle, changes: Iterable[Change], now: datetime) -> None:
        settings = bundle.settings.notify
        standing = notices_of(evaluation, bundle, self._week.burns(bundle, now), changes)
        self._since = stands_since(standing, self._since, now)
        latest = self._delivery.latest()
        on_call = _Called(bundle, now)
        reports = self._week.reports(bundle, now)
        messages = [*reports]
        for route in bundle.routes:
            digest = due(route, standing, self._since, latest.get(route.id), called=on_call, settings=settings, now=now)
            if digest is not None:
                messages.append(
                    Message(
                        id=f"{route.id}-{now:%Y%m%dT%H%M%S%f}",
                        route=route.id,
                        to=shown(route.address),
                        title=title_of(digest, evaluation, bundle),
                        body=body_of(digest, evaluation, bundle),
                        severity=digest.severity,
                        at=now,
                        told=digest.told,
                        allowance=digest.allowance,
                        next_try=now,
                    )
                )
        if messages:
            self._outbox.post(messages)
            self._week.reported(reports, bundle, now)
            self._delivery.forget()


class _Called:
    """Who is to know of a notice by now; worked out once for each."""

    def __init__(self, bundle: Bundle, now: datetime) -> None:
        self._bundle = bundle
        self._now = now
        self._after = bundle.settings.notify.escalate_after or bundle.settings.approval
        self._reachable = frozenset(rule.person for route in bundle.routes for rule in route.rules if rule.person)
        self._known: dict[str, Collection[str]] = {}

    def __call__(self, notice: Notice) -> Collection[str]:
        if notice.key not in self._known:
            self._known[notice.key] = self._people(notice)
        return self._known[notice.key]

    def _people(self, notice: Notice) -> frozenset[str]:
        teams = [self._bundle.teams[name] for name in sorted(notice.teams or self._bundle.teams)]
        until = min(notice.answered_at or self._now, self._now)
        found = [
            people_to_tell(
                team.members,
                team.on_call,
                self._reachable,
                since=notice.since,
                until=max(until, notice.since),
                after=self._after,
            )
            for team in teams
        ]
        return frozenset().union(*found)
