"""Runs and standing orders as JSON, and back."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

import orjson

from bsm_remediate.domain.run import Run
from bsm_remediate.ports import Standing


def run_text(run: Run) -> str:
    return orjson.dumps(_plain(run)).decode()


def run_of(text: str) -> Run:
    run: Run = _made(Run, orjson.loads(text))
    return run


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
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _made(kind: Any, value: Any) -> Any:
    """`value` as `kind`: a dataclass, enumeration, time, tuple or mapping of such."""
    kind = getattr(kind, "__supertype__", kind)
    if value is None or kind in {str, int, float, bool}:
        return value
    origin = get_origin(kind)
    if origin in {Union, types.UnionType}:
        return _made(next(one for one in get_args(kind) if one is not type(None)), value)
    if origin is tuple:
        return tuple(_made(get_args(kind)[0], one) for one in value)
    if origin is not None:
        return {key: _made(get_args(kind)[1], one) for key, one in value.items()}
    if kind is datetime:
        return datetime.fromisoformat(value)
    if issubclass(kind, Enum):
        return kind(value)
    if issubclass(kind, tuple):  # a named tuple
        return kind(*value)
    hints = _hints(kind)
    return kind(**{name: _made(hints[name], one) for name, one in value.items() if name in hints})
