"""Chapters of the journal that the statistics keep."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, text

from bsm_remediate.adapters.sql.values import storable
from bsm_remediate.domain.chapter import Chapter, Kept, Portion, Progress, Recorded, ends
from bsm_remediate.domain.event import Event

_TOGETHER = 500
"""Keys of one question."""
# One statement is one moment: how far the journal was read, and what of it is kept, belong together.
_RECORDED = text(
    "SELECT s.position, s.recorded_since, s.kept_at, c.id, c.key, c.began_at, c.latest_at, c.is_over,"
    " e.position, e.at, e.kind, e.subject, e.facts"
    " FROM bsm_statistics s LEFT JOIN (bsm_chapter c JOIN bsm_chapter_entry e ON e.chapter = c.id)"
    " ON (c.is_over = :no OR c.latest_at >= :since) AND c.began_at <= :until"
    " WHERE s.id = 1 ORDER BY e.position"
)
_PROGRESS = text("SELECT position, recorded_since, kept_at FROM bsm_statistics WHERE id = 1")
_LATEST = text(
    "SELECT id, key, began_at, latest_at, is_over FROM bsm_chapter"
    " WHERE id IN (SELECT max(id) FROM bsm_chapter WHERE key IN :keys GROUP BY key)"
).bindparams(bindparam("keys", expanding=True))
_READ_ON = text(
    "UPDATE bsm_statistics SET position = :position, recorded_since = :recorded_since, kept_at = :kept_at"
    " WHERE id = 1 AND position = :after"
)
_PUT_CHAPTER = text(
    "INSERT INTO bsm_chapter (id, key, began_at, latest_at, is_over)"
    " VALUES (:id, :key, :began_at, :latest_at, :is_over) ON CONFLICT (id) DO UPDATE SET"
    " began_at = excluded.began_at, latest_at = excluded.latest_at, is_over = excluded.is_over"
)
_PUT_ENTRY = text(
    "INSERT INTO bsm_chapter_entry (position, chapter, at, kind, subject, facts, is_end)"
    " VALUES (:position, :chapter, :at, :kind, :subject, :facts, :is_end)"
)
_REWIND_CHAPTERS = text(
    "UPDATE bsm_chapter SET"
    " began_at = (SELECT min(e.at) FROM bsm_chapter_entry e WHERE e.chapter = bsm_chapter.id AND e.position <= :to),"
    " latest_at = (SELECT max(e.at) FROM bsm_chapter_entry e WHERE e.chapter = bsm_chapter.id AND e.position <= :to),"
    " is_over = (SELECT e.is_end FROM bsm_chapter_entry e WHERE e.chapter = bsm_chapter.id AND e.position <= :to"
    " ORDER BY e.position DESC LIMIT 1)"
    " WHERE id <= :to AND id IN (SELECT chapter FROM bsm_chapter_entry WHERE position > :to)"
)
_REWIND = (
    _REWIND_CHAPTERS,
    text("DELETE FROM bsm_chapter_entry WHERE position > :to"),
    text("DELETE FROM bsm_chapter WHERE id > :to"),
    text(
        "UPDATE bsm_statistics SET position = :to, kept_at = NULL,"
        " recorded_since = CASE WHEN :to > 0 THEN recorded_since END WHERE id = 1 AND position > :to"
    ),
)
_OLD = "is_over = :yes AND latest_at < :before"
_FORGET = (
    text(f"DELETE FROM bsm_chapter_entry WHERE chapter IN (SELECT id FROM bsm_chapter WHERE {_OLD})"),  # noqa: S608 - ours
    text("UPDATE bsm_statistics SET recorded_since = :before WHERE id = 1 AND recorded_since < :before"),
)
_FORGET_CHAPTERS = text(f"DELETE FROM bsm_chapter WHERE {_OLD}")  # noqa: S608 - ours


def recorded(connection: Connection, *, since: datetime, until: datetime) -> Recorded:
    asked = {"since": since.timestamp(), "until": until.timestamp(), "no": False}
    rows = connection.execute(_RECORDED, asked).all()
    return Recorded(progress=_progress(*rows[0][:3]), entries=tuple(_entries(rows)))


def progress(connection: Connection) -> Progress:
    return _progress(*connection.execute(_PROGRESS).one())


def _progress(position: int, recorded_since: float | None, kept_at: float | None) -> Progress:
    return Progress(position=position, recorded_since=_moment(recorded_since), kept_at=_moment(kept_at))


def _entries(rows: Sequence[Any]) -> Iterator[Kept]:
    chapters: dict[int, Chapter] = {}
    for row in rows:
        if row[3] is None:
            return  # none: the row says only how far the journal was read
        chapter = chapters.get(row[3])
        if chapter is None:
            chapter = chapters[row[3]] = _chapter(*row[3:8])
        position, at, kind, subject, facts = row[8:]
        when = datetime.fromtimestamp(at, UTC)
        yield Kept(chapter, Event(position=position, at=when, kind=kind, subject=subject, facts=orjson.loads(facts)))


def latest_chapters(connection: Connection, keys: Collection[str]) -> dict[str, Chapter]:
    left, found = iter(keys), dict[str, Chapter]()
    while some := list(islice(left, _TOGETHER)):
        spelled = {storable(key): key for key in some}
        for row in connection.execute(_LATEST, {"keys": list(spelled)}):
            chapter = _chapter(*row)
            found[spelled[chapter.key]] = chapter
    return found


def keep(connection: Connection, portion: Portion, *, after: int) -> bool:
    progress = portion.progress
    read_on = {
        "position": progress.position,
        "recorded_since": _seconds(progress.recorded_since),
        "kept_at": _seconds(progress.kept_at),
        "after": after,
    }
    if not connection.execute(_READ_ON, read_on).rowcount:
        return False
    if portion.entries:
        connection.execute(_PUT_CHAPTER, [_chapter_row(one) for one in portion.chapters])
        connection.execute(_PUT_ENTRY, [_entry_row(one) for one in portion.entries])
    return True


def rewind(connection: Connection, position: int) -> None:
    for statement in _REWIND:
        connection.execute(statement, {"to": position})


def forget(connection: Connection, before: datetime) -> int:
    old = {"before": before.timestamp(), "yes": True}
    for statement in _FORGET:
        connection.execute(statement, old)
    return connection.execute(_FORGET_CHAPTERS, old).rowcount


def _chapter_row(chapter: Chapter) -> dict[str, object]:
    return {
        "id": chapter.id,
        "key": storable(chapter.key),
        "began_at": chapter.began_at.timestamp(),
        "latest_at": chapter.latest_at.timestamp(),
        "is_over": chapter.is_over,
    }


def _entry_row(one: Kept) -> dict[str, object]:
    event = one.event
    return {
        "position": event.position,
        "chapter": one.chapter.id,
        "at": event.at.timestamp(),
        "kind": event.kind,
        "subject": event.subject,
        "facts": orjson.dumps(dict(event.facts), option=orjson.OPT_NON_STR_KEYS).decode(),
        "is_end": ends(event),
    }


def _chapter(number: int, key: str, began_at: float, latest_at: float, is_over: bool) -> Chapter:
    return Chapter(
        id=number,
        key=key,
        began_at=datetime.fromtimestamp(began_at, UTC),
        latest_at=datetime.fromtimestamp(latest_at, UTC),
        is_over=bool(is_over),
    )


def _moment(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment is not None else None
