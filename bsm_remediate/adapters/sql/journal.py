"""The journal: rows are written in the transaction of what they describe, and sealed afterwards, in their final order.

Only sealed entries are read. A row whose transaction ends late is sealed late, so that no reader who goes on from a
position can miss one; and a rolled back number leaves no gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import orjson
from sqlalchemy import Connection, text

from bsm_remediate.adapters.sql.values import storable
from bsm_remediate.domain.event import Event
from bsm_remediate.domain.seal import Entry, Mark, SealKey, Seals

_NEVER = datetime.fromtimestamp(0, UTC)
_APPEND = text("INSERT INTO bsm_event (at, kind, subject, actor, facts) VALUES (:at, :kind, :subject, :actor, :facts)")
_EVENTS = text(
    "SELECT sealed, at, kind, subject, actor, facts FROM bsm_event WHERE sealed > :after ORDER BY sealed LIMIT :limit"
)
_EVENTS_ABOUT = text(
    "SELECT sealed, at, kind, subject, actor, facts FROM bsm_event WHERE subject = :subject AND sealed > :after"
    " ORDER BY sealed LIMIT :limit"
)
_ENTRIES = text(
    "SELECT sealed, position, at, kind, subject, actor, facts, link FROM bsm_event WHERE sealed > :after"
    " ORDER BY sealed LIMIT :limit"
)
_IS_WAITING = text("SELECT 1 FROM bsm_event WHERE sealed IS NULL LIMIT 1")
# An update that changes nothing takes the row's lock on either kind of database: whoever seals at the same time waits
# here, and then goes on from the head that the other one has left.
_HEAD_LOCKED = text("UPDATE bsm_journal SET id = id WHERE id = 1 RETURNING head_position, head_link")
_WAITING = text(
    "SELECT position, at, kind, subject, actor, facts FROM bsm_event WHERE sealed IS NULL"
    " ORDER BY position LIMIT :limit"
)
_SEAL = text("UPDATE bsm_event SET sealed = :sealed, link = :link WHERE position = :position")
_HEAD = text("UPDATE bsm_journal SET head_position = :position, head_link = :link WHERE id = 1")
_SEALS = text(
    "SELECT begin_position, begin_link, begin_proof, head_position, head_link,"
    " (SELECT count(*) FROM bsm_event WHERE sealed IS NULL) FROM bsm_journal WHERE id = 1"
)
_BEGIN = text(
    "UPDATE bsm_journal SET begin_position = :position, begin_link = :link, begin_proof = :proof"
    " WHERE id = 1 AND begin_position < :position AND head_position >= :position"
)
_DROP = text("DELETE FROM bsm_event WHERE sealed <= :position")


def append(connection: Connection, events: Sequence[Event]) -> None:
    if events:
        connection.execute(
            _APPEND,
            [
                {
                    "at": one.at.timestamp(),
                    "kind": one.kind,
                    "subject": storable(one.subject),
                    "actor": storable(one.actor),
                    "facts": orjson.dumps(dict(one.facts), option=orjson.OPT_NON_STR_KEYS).decode(),
                }
                for one in events
            ],
        )


def events(connection: Connection, *, after: int, subject: str | None, limit: int) -> list[Event]:
    parameters: dict[str, object] = {"after": after, "limit": limit}
    if subject is not None:
        parameters["subject"] = subject
    rows = connection.execute(_EVENTS if subject is None else _EVENTS_ABOUT, parameters)
    return [_event(*row) for row in rows]


def _event(position: int, at: float, kind: str, subject: str, actor: str, facts: str) -> Event:
    """What somebody has made unreadable is told as that: the engine works on, and the audit names it."""
    try:
        when, read = datetime.fromtimestamp(at, UTC), orjson.loads(facts)
    except (TypeError, ValueError, OverflowError, OSError):
        return Event(position=position, at=_NEVER, kind="journal.unreadable", subject=str(subject))
    return Event(position=position, at=when, kind=kind, subject=subject, actor=actor, facts=read)


def is_waiting(connection: Connection) -> bool:
    """Whether something is written but not sealed."""
    return connection.execute(_IS_WAITING).first() is not None


def seal(connection: Connection, key: SealKey, *, limit: int) -> Mark | None:
    """Seal what waits, in the order of writing; the new head, None when nothing waits."""
    position, link = connection.execute(_HEAD_LOCKED).one()
    sealed = []
    for row, at, kind, subject, actor, facts in connection.execute(_WAITING, {"limit": limit}):
        position += 1
        entry = Entry(position, row, at, kind, subject, actor, facts, "")
        link = key.link(entry, link)
        sealed.append({"sealed": position, "link": link, "position": row})
    if not sealed:
        return None
    connection.execute(_SEAL, sealed)
    head = Mark(position=position, link=link)
    connection.execute(_HEAD, {"position": head.position, "link": head.link})
    return head


def seals(connection: Connection) -> Seals:
    begin_position, begin_link, proof, head_position, head_link, waiting = connection.execute(_SEALS).one()
    return Seals(
        begin=Mark(position=begin_position, link=begin_link),
        begin_proof=proof,
        head=Mark(position=head_position, link=head_link),
        waiting=waiting,
    )


def entries(connection: Connection, *, after: int, limit: int) -> list[Entry]:
    return [Entry(*row) for row in connection.execute(_ENTRIES, {"after": after, "limit": limit})]


def drop(connection: Connection, begin: Mark, proof: str) -> None:
    """Drop the entries up to `begin`, unless somebody has dropped more."""
    moved = connection.execute(_BEGIN, {"position": begin.position, "link": begin.link, "proof": proof})
    if moved.rowcount:
        connection.execute(_DROP, {"position": begin.position})
