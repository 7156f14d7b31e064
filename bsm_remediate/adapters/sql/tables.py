"""The schema. The migrations under `migrations/` add up to it; a test holds them to that."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

_Position = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts by itself in columns of exactly this type only."""

alert_change = Table(
    "bsm_alert_change",
    metadata,
    Column("position", _Position, primary_key=True, autoincrement=True),
    Column("source", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("labels", Text, nullable=False),
    Column("annotations", Text, nullable=False),
    Column("starts_at", Double, nullable=False),
    Column("ends_at", Double),
    Column("received_at", Double, nullable=False),
    comment="one immutable row per change of an alert; times are Unix seconds",
)

alert = Table(
    "bsm_alert",
    metadata,
    Column("source", Text, primary_key=True),
    Column("fingerprint", Text, primary_key=True),
    Column("position", _Position, nullable=False, unique=True),
    Column("status", Text, nullable=False),
    Column("starts_at", Double, nullable=False),
    Column("content", Text, nullable=False),
    Column("last_seen", Double, nullable=False),
    comment="the change that counts now, for each alert; `content` is a digest, to tell a repeat from a change",
)
Index("bsm_alert_status", alert.c.status)

run = Table(
    "bsm_run",
    metadata,
    Column("number", _Position, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("component", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("planned_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("is_over", Boolean, nullable=False),
    Column("value", Text, nullable=False),
    UniqueConstraint("id"),
    comment="one row per run; `value` is the whole of it as JSON",
)
Index("bsm_run_open", run.c.is_over, run.c.ended_at)

lock = Table(
    "bsm_lock",
    metadata,
    Column("name", Text, primary_key=True),
    Column("run", Text, nullable=False),
    Column("fence", BigInteger, nullable=False),
    comment="what unfinished runs keep to themselves: component:ID, host:NAME",
)
Index("bsm_lock_run", lock.c.run)

fence = Table(
    "bsm_fence",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("latest", BigInteger, nullable=False),
    comment="one row: the highest fence ever given",
)

event = Table(
    "bsm_event",
    metadata,
    Column("position", _Position, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Column("sealed", BigInteger),
    Column("link", Text),
    sqlite_autoincrement=True,
    comment="the journal; `sealed` is an entry's final position, `link` its seal, both null until it is sealed",
)
Index("bsm_event_subject", event.c.subject, event.c.sealed)
Index("bsm_event_sealed", event.c.sealed, unique=True)
Index(
    "bsm_event_waiting",
    event.c.position,
    sqlite_where=event.c.sealed.is_(None),
    postgresql_where=event.c.sealed.is_(None),
)

journal = Table(
    "bsm_journal",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("begin_position", BigInteger, nullable=False),
    Column("begin_link", Text, nullable=False),
    Column("begin_proof", Text, nullable=False),
    Column("head_position", BigInteger, nullable=False),
    Column("head_link", Text, nullable=False),
    comment="one row: the last sealed entry, and the last one that retention has dropped",
)

control = Table(
    "bsm_control",
    metadata,
    Column("id", _Position, primary_key=True, autoincrement=True),
    Column("verb", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("asked_at", Double, nullable=False),
    Column("until", Double),
    Column("done", Boolean),
    Column("answer", Text),
    Column("details", Text, nullable=False, server_default="{}"),
    comment="what people asked for; without an answer it waits",
)

standing = Table(
    "bsm_standing",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("value", Text, nullable=False),
    comment="one row: what people have ordered and still holds, as JSON",
)

replica = Table(
    "bsm_replica",
    metadata,
    Column("id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("beat_at", Double, nullable=False),
    Column("seen", BigInteger, nullable=False, server_default="0"),
    comment="the engines on this database; `beat_at` is when each last said that it lives, by the database's clock,"
    " `seen` how many answered controls it keeps to",
)

leader = Table(
    "bsm_leader",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("replica", Text, nullable=False),
    Column("term", BigInteger, nullable=False),
    Column("beat_at", Double, nullable=False),
    comment="one row: the replica that decides; `term` grows with each change",
)

work_order = Table(
    "bsm_work_order",
    metadata,
    Column("run", Text, primary_key=True),
    Column("value", Text, nullable=False),
    comment="what each run is to do, by the bundle that decided it, as JSON: no reload changes a run under way",
)

token = Table(
    "bsm_token",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("sources", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("last_used_at", Double),
    Column("expires_at", Double),
    Column("revoked_at", Double),
    comment="issued tokens by the SHA-256 of their secret; rows stay when they are revoked",
)

delivery = Table(
    "bsm_delivery",
    metadata,
    Column("source", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("received_at", Double, nullable=False),
    comment="signed webhooks that were taken lately, so that a repeat has no effect on any replica",
)
Index("bsm_delivery_received", delivery.c.received_at)

message = Table(
    "bsm_message",
    metadata,
    Column("id", Text, primary_key=True),
    Column("route", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("value", Text, nullable=False),
    comment="messages to people, written before they are sent; `value` is the whole of one as JSON",
)
Index("bsm_message_route", message.c.route, message.c.kind, message.c.at)
Index("bsm_message_state", message.c.state)

changes = Table(
    "bsm_changes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("proposed_at", Double, nullable=False),
    Column("is_over", Boolean, nullable=False),
    Column("value", Text, nullable=False),
    comment="one row per planned change; `value` is the whole of it as JSON",
)
Index("bsm_changes_open", changes.c.is_over, changes.c.proposed_at)

statistics = Table(
    "bsm_statistics",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("recorded_since", Double),
    Column("kept_at", Double),
    comment="one row: how far the journal has been read into the chapters",
)

chapter = Table(
    "bsm_chapter",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False),
    Column("began_at", Double, nullable=False),
    Column("latest_at", Double, nullable=False),
    Column("is_over", Boolean, nullable=False),
    comment="outages, failures, episodes in shadow: each from its first entry of the journal to the one that ends it",
)
Index("bsm_chapter_key", chapter.c.key, chapter.c.id)
Index("bsm_chapter_time", chapter.c.is_over, chapter.c.latest_at)

chapter_entry = Table(
    "bsm_chapter_entry",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("chapter", BigInteger, nullable=False),
    Column("at", Double, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Column("is_end", Boolean, nullable=False),
    comment="the entries of chapters as the journal had them; they outlast it",
)
Index("bsm_chapter_entry_chapter", chapter_entry.c.chapter, chapter_entry.c.position)

metric_series = Table(
    "bsm_metric_series",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("policy", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("labels", Text, nullable=False),
    comment="series of metric policies of which buckets are kept; `id` is the begin of the fingerprint",
)
Index("bsm_metric_series_policy", metric_series.c.policy)

metric_bucket = Table(
    "bsm_metric_bucket",
    metadata,
    Column("resolution", Integer, primary_key=True, autoincrement=False),
    Column("series", BigInteger, primary_key=True, autoincrement=False),
    Column("begin", BigInteger, primary_key=True, autoincrement=False),
    Column("count", Integer, nullable=False),
    Column("total", Double, nullable=False),
    Column("low", Double, nullable=False),
    Column("high", Double, nullable=False),
    Column("beyond_s", Double, nullable=False),
    Column("sketch", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
    comment="what a series was from `begin` on, for `resolution` seconds; one bucket each, never changed",
)

metric_roll = Table(
    "bsm_metric_roll",
    metadata,
    Column("resolution", Integer, primary_key=True, autoincrement=False),
    Column("through", BigInteger, nullable=False),
    comment="up to when the buckets of an hour and of a day were made of finer ones",
)
