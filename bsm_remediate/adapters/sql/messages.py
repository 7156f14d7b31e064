"""Messages to people."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from bsm_remediate.adapters.sql.values import message_of, message_text, storable
from bsm_remediate.domain.message import Message, MessageState

_KEPT_S = 30 * 86400.0
"""Of messages that have been sent, beside the latest of each route."""
# What is known by its id stays as it is.
_POST = text(
    "INSERT INTO bsm_message (id, route, kind, state, at, value) VALUES (:id, :route, :kind, :state, :at, :value)"
    " ON CONFLICT (id) DO NOTHING"
)
_SETTLE = text("UPDATE bsm_message SET state = :state, value = :value WHERE id = :id AND state = :waiting")
# The latest of each route and kind, and what waits.
_LOOK = text(
    "SELECT value FROM bsm_message AS one WHERE state = :waiting OR NOT EXISTS (SELECT 1 FROM bsm_message AS later"
    " WHERE later.route = one.route AND later.kind = one.kind"
    " AND (later.at > one.at OR (later.at = one.at AND later.id > one.id))) ORDER BY at, id"
)
_FORGET = text(
    "DELETE FROM bsm_message WHERE at < :before AND state <> :waiting AND EXISTS (SELECT 1 FROM bsm_message AS later"
    " WHERE later.route = bsm_message.route AND later.kind = bsm_message.kind AND later.at > bsm_message.at)"
)
_WAITING = MessageState.WAITING.value


def post(connection: Connection, messages: Sequence[Message]) -> None:
    """In the caller's transaction; those that no longer matter go."""
    latest = max(one.at.timestamp() for one in messages)
    connection.execute(_FORGET, {"before": latest - _KEPT_S, "waiting": _WAITING})
    connection.execute(_POST, [_row(one) for one in messages])


def settle(connection: Connection, message: Message) -> bool:
    """Whether it was waiting."""
    changed = connection.execute(
        _SETTLE,
        {
            "id": message.id,
            "state": message.state.value,
            "value": storable(message_text(message)),
            "waiting": _WAITING,
        },
    )
    return changed.rowcount > 0


def messages(connection: Connection) -> list[Message]:
    return [message_of(value) for (value,) in connection.execute(_LOOK, {"waiting": _WAITING})]


def _row(message: Message) -> dict[str, object]:
    return {
        "id": message.id,
        "route": message.route,
        "kind": message.kind.value,
        "state": message.state.value,
        "at": message.at.timestamp(),
        "value": storable(message_text(message)),
    }
