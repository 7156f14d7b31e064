"""Issued tokens on the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row, insert, select, update

from bsm_remediate.adapters.sql.database import Database, open_database
from bsm_remediate.adapters.sql.journal import append
from bsm_remediate.adapters.sql.tables import token
from bsm_remediate.domain.access import IssuedToken, Role, TokensByDigest
from bsm_remediate.domain.event import Event, Json
from bsm_remediate.errors import UnknownId, WrongUsage


def open_tokens(url: str) -> SqlTokens:
    """Those of the database `url`, migrated. Raises `StoreUnavailable` or `WrongUsage`."""
    return SqlTokens(open_database(url))


class SqlTokens:
    """Implements `records.TokenBook`; safe to use from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def close(self) -> None:
        self._database.close()

    def issue(self, issued: IssuedToken, digest: str, *, reason: str) -> None:
        with self._database.write() as connection:
            for known in _read(connection).values():
                if known.name == issued.name and known.holds(issued.created_at):
                    raise WrongUsage(
                        f"token {known.id} is called '{issued.name}' already",
                        hint="the journal names people by it: choose another --name, or revoke that one first",
                    )
            connection.execute(
                insert(token).values(
                    id=issued.id,
                    digest=digest,
                    name=issued.name,
                    role=issued.role.value,
                    sources=orjson.dumps(sorted(issued.sources)).decode(),
                    created_at=issued.created_at.timestamp(),
                    created_by=issued.created_by,
                    expires_at=issued.expires_at.timestamp() if issued.expires_at is not None else None,
                )
            )
            facts: dict[str, Json] = {
                "name": issued.name,
                "role": issued.role.value,
                "sources": sorted(issued.sources),
                "expires_at": issued.expires_at.isoformat() if issued.expires_at is not None else None,
                "reason": reason,
            }
            created = Event(
                kind="token.created", at=issued.created_at, subject=issued.id, facts=facts, actor=issued.created_by
            )
            append(connection, [created])

    def tokens(self) -> TokensByDigest:
        with self._database.read() as connection:
            return _read(connection)

    def revoke(self, token_id: str, *, who: str, reason: str, at: datetime) -> IssuedToken:
        with self._database.write() as connection:
            known = next((one for one in _read(connection).values() if one.id == token_id), None)
            if known is None:
                raise UnknownId(f"there is no token '{token_id}'", hint="`token list` shows them")
            if known.revoked_at is not None:
                return known
            connection.execute(update(token).where(token.c.id == token_id).values(revoked_at=at.timestamp()))
            facts = {"name": known.name, "role": known.role.value, "reason": reason}
            append(connection, [Event(kind="token.revoked", at=at, subject=token_id, facts=facts, actor=who)])
            return replace(known, revoked_at=at)

    def used(self, moments: Mapping[str, datetime]) -> None:
        with self._database.write() as connection:
            for token_id, at in moments.items():
                connection.execute(update(token).where(token.c.id == token_id).values(last_used_at=at.timestamp()))


def _read(connection: Connection) -> dict[str, IssuedToken]:
    return {row.digest: _token(row) for row in connection.execute(select(token).order_by(token.c.created_at))}


def _token(row: Row[Any]) -> IssuedToken:
    return IssuedToken(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        sources=frozenset(orjson.loads(row.sources)),
        created_at=datetime.fromtimestamp(row.created_at, UTC),
        created_by=row.created_by,
        last_used_at=_moment(row.last_used_at),
        expires_at=_moment(row.expires_at),
        revoked_at=_moment(row.revoked_at),
    )


def _moment(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None
