"""Telling: which message is due for a route, by what stands, what it was told, and how often it may be told anything.

Level-triggered: what stands is compared with what the route's latest message said, so a restart, a change of the leader
or a lost look changes nothing. A storm makes few messages, since each says all that stands.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from bsm_remediate.domain.bundle import NotifySettings
from bsm_remediate.domain.message import Message, MessageState, Told
from bsm_remediate.domain.notice import Notice, NoticeSeverity, kind_of
from bsm_remediate.domain.route import Called, Route

BURST = 2.0
"""Messages in a row: an ordinary one leaves room for one of what is critical."""
_KEPT_WORDS = 50
_NEARLY = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class Digest:
    """What one message is to say."""

    new: tuple[Notice, ...]
    """Not told yet, or worse than was told; the worst first."""
    still: tuple[Notice, ...]
    over: tuple[str, ...]
    """In words."""
    told: Mapping[str, Told]
    """What the route knows with it."""
    allowance: float

    @property
    def severity(self) -> NoticeSeverity:
        return max((one.severity for one in (*self.new, *self.still)), default=NoticeSeverity.INFO)


def stands_since(standing: Collection[Notice], before: Mapping[str, datetime], now: datetime) -> Mapping[str, datetime]:
    """By key, when each was first seen to stand; `before` is the same of the look before."""
    return {one.key: before.get(one.key, now) for one in standing}


def due(
    route: Route,
    standing: Collection[Notice],
    since: Mapping[str, datetime],
    latest: Message | None,
    *,
    called: Called,
    settings: NotifySettings,
    now: datetime,
) -> Digest | None:
    """What `route` must be told at `now`; None: nothing, or not yet. `latest` is its latest message.

    While that one hasn't arrived nothing is written after it: what changes meanwhile is said once it has.
    """
    if latest is not None and latest.waits:
        return None
    told = latest.told if latest is not None and latest.state is not MessageState.GIVEN_UP else {}
    concerning = {one.key: one for one in standing if route.concerns(one, called)}
    wanted = [one for one in concerning.values() if route.wants(one, called, now)]
    new = [one for one in wanted if _is_news(one, told.get(one.key))]
    gone = {key: one for key, one in told.items() if key not in concerning}
    over = {key: one for key, one in gone.items() if route.takes(kind_of(key), one.severity, now)}
    ended = [one.what or key for key, one in over.items() if kind_of(key).has_end]
    is_ripe = any(now - since[one.key] >= settings.gather for one in new)
    is_reminder = bool(wanted) and latest is not None and now - latest.at >= settings.remind
    if not (is_ripe or ended or is_reminder):
        return None
    is_urgent = is_ripe and any(one.severity is NoticeSeverity.CRITICAL or one.needs_person for one in new)
    allowance = _allowance(latest, settings, now)
    if allowance + _NEARLY < (1.0 if is_urgent else BURST):
        return None
    kept = {key: one for key, one in told.items() if key in concerning or key not in over}
    fresh = {one.key for one in new}
    new.sort(key=_rank)
    still = sorted((one for one in wanted if one.key not in fresh), key=_rank)
    words = {one.key for one in (*new, *still)[:_KEPT_WORDS]}
    known = {one.key: _told(one, keeps_words=one.key in words) for one in new}
    return Digest(
        new=tuple(new), still=tuple(still), over=tuple(ended), told={**kept, **known}, allowance=allowance - 1.0
    )


def _is_news(notice: Notice, told: Told | None) -> bool:
    if told is None:
        return True
    return notice.severity > told.severity or (notice.figure >= 2 * told.figure and notice.figure > told.figure)


def _told(notice: Notice, *, keeps_words: bool) -> Told:
    return Told(severity=notice.severity, figure=notice.figure, what=notice.what if keeps_words else "")


def _allowance(latest: Message | None, settings: NotifySettings, now: datetime) -> float:
    if latest is None:
        return BURST
    return min(latest.allowance + max((now - latest.at) / settings.every, 0.0), BURST)


def _rank(notice: Notice) -> tuple[int, bool, float, datetime, str]:
    return (-notice.severity, not notice.needs_person, -notice.figure, notice.since, notice.key)
