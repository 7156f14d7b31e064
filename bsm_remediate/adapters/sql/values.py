"""Runs, what they are to do, planned changes, and standing orders as JSON, and back."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

import orjson

from bsm_remediate.domain.change import Change
from bsm_remediate.domain.message import Message
from bsm_remediate.domain.policy import Template
from bsm_remediate.domain.run import Run
from bsm_remediate.domain.work_order import WorkOrder, Written
from bsm_remediate.records import Standing


def storable(text: str) -> str:
    """`text` as every database takes it: no NUL, which PostgreSQL refuses, and no lone surrogates."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def run_text(run: Run) -> str:
    return orjson.dumps(_plain(run)).decode()


def run_of(text: str) -> Run:
    run: Run = _made(Run, orjson.loads(text))
    return run


def order_text(order: WorkOrder) -> str:
    return orjson.dumps(_plain(order)).decode()


def order_of(text: str) -> WorkOrder:
    order: WorkOrder = _made(WorkOrder, orjson.loads(text))
    return order


def message_text(message: Message) -> str:
    return orjson.dumps(_plain(message)).decode()


def message_of(text: str) -> Message:
    message: Message = _made(Message, orjson.loads(text))
    return message


def change_text(change: Change) -> str:
    return storable(orjson.dumps(_plain(change)).decode())


def change_of(text: str) -> Change:
    change: Change = _made(Change, orjson.loads(text))
    return change


def standing_text(standing: Standing) -> str:
    return orjson.dumps(_plain(standing)).decode()


def standing_of(text: str) -> Standing:
    standing: Standing = _made(Standing, orjson.loads(text))
    return standing


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, localns={"Json": object, "Mapping": Mapping, "Sequence": Sequence})


def _made(kind: Any, value: Any) -> Any:
    """`value` as `kind`: a dataclass, enumeration, time, tuple or mapping of such."""
    kind = getattr(kind, "__supertype__", kind)
    if value is None or kind in {str, int, float, bool, object}:
        return value
    origin = get_origin(kind)
    if origin in {Union, types.UnionType}:
        kinds = [one for one in get_args(kind) if one is not type(None)]
        return _made(kinds[0], value) if len(kinds) == 1 else value  # one of several: JSON as it is
    if origin is tuple:
        return tuple(_made(get_args(kind)[0], one) for one in value)
    if origin is not None:
        return {key: _made(get_args(kind)[1], one) for key, one in value.items()}
    if kind is datetime:
        return datetime.fromisoformat(value)
    if kind is timedelta:
        return timedelta(seconds=value)
    if kind is Template:
        return Written(**value)
    if issubclass(kind, Enum):
        return kind(value)
    if issubclass(kind, tuple):  # a named tuple
        return kind(*value)
    hints = _hints(kind)
    return kind(
        **{one.name: _made(hints[one.name], value[one.name]) for one in fields(kind) if one.init and one.name in value}
    )
