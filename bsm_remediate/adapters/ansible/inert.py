"""Everything from outside, as variables that Ansible never takes for templates (DESIGN 9).

The file is JSON with every string wrapped as unsafe and no outside name as a key: ansible-core 2.19 reads a file again
as *trusted YAML* when its JSON decoder meets certain names. A newline before each colon makes that second reading
impossible, so a failing decoder ends the run instead of opening it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import yaml

from bsm_remediate.domain.alert import Alert
from bsm_remediate.domain.event import Json
from bsm_remediate.domain.playbook import PlaybookCall
from bsm_remediate.domain.pool import Weights
from bsm_remediate.domain.variable_name import DEEPEST, objection_to_name, objection_to_value

UNSAFE = "__ansible_unsafe"
_LARGEST = 1 << 63
_CLEANED = re.compile("[\ud800-\udfff\x00]")
Shape = Any
"""Of our own values: `str`, `float` (any number), a list of one shape, or a mapping of our keys to shapes."""
_PAIRS: Shape = [{"name": str, "value": str}]
_ALERT: Shape = {"name": str, "status": str, "starts_at": str, "labels": _PAIRS, "annotations": _PAIRS}
_BSM: Shape = {
    "alert": _ALERT,
    "alerts": [_ALERT],
    "component": {"id": str, "host": str, "labels": _PAIRS},
    "service_impact": {"loss_per_minute": float, "services": [str]},
    "run": {"id": str, "attempt": float, "fence": float},
}
_NUMBERS: Shape = [{"name": str, "value": float}]
_BSM_OF_REBALANCING: Shape = {
    **_BSM,
    "weights": _NUMBERS,
    "service_weights": [{"service": str, "name": str, "value": float}],
    "shed": _NUMBERS,
}
_BSM_OF_SCALING: Shape = {**_BSM_OF_REBALANCING, "replicas": float}


def run_variables(call: PlaybookCall) -> str:
    """The text of `env/extravars` for `call`: `bsm`, and the policy's own variables.

    Raises `ValueError` when a name is not the author's to give, or a value can't be written safely.
    """
    return written({"bsm": _facts(call), **_author_variables(call.vars)})


def written(variables: Mapping[str, Json]) -> str:
    """`variables` as the text of such a file. Raises `ValueError` where that can't be done safely."""
    inert = {name: _inert(value) for name, value in variables.items()}
    text = json.dumps(inert, separators=(",", "\n:"), allow_nan=False)
    assert_inert(text)
    return text


def assert_inert(text: str) -> None:
    """Read `text` back as Ansible would and walk it. Raises `ValueError` at the first thing that isn't inert."""
    document = json.loads(text)
    for name, value in document.items():
        if name == "bsm":
            _walk_shape(value, _shape(value), "bsm")
        else:
            _walk(value, name, depth=2)
    try:
        yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  # a safe loader, or its C twin
    except yaml.YAMLError:
        return
    raise ValueError("the variables could be read as YAML, which would make their texts templates")


def _shape(bsm: Json) -> Shape:
    if not isinstance(bsm, dict) or "weights" not in bsm:
        return _BSM
    return _BSM_OF_SCALING if "replicas" in bsm else _BSM_OF_REBALANCING


def clean(text: str) -> str:
    """`text` with NUL and lone surrogates replaced; everything else is kept as it is."""
    return _CLEANED.sub("\ufffd", text)


def _facts(call: PlaybookCall) -> Json:
    alerts: list[Json] = [_alert(alert) for alert in call.alerts]
    nothing: Json = {"name": "", "status": "", "starts_at": "", "labels": [], "annotations": []}
    facts: dict[str, Json] = {
        "alert": alerts[0] if alerts else nothing,
        "alerts": alerts,
        "component": {"id": call.component.id, "host": call.component.host, "labels": _pairs(call.component.labels)},
        "service_impact": {"loss_per_minute": float(call.loss_per_minute), "services": list(call.services)},
        "run": {"id": call.run, "attempt": call.attempt, "fence": call.fence},
    }
    return facts if call.weights is None else {**facts, **_weights(call.weights)}


def _weights(weights: Weights) -> dict[str, Json]:
    return {
        "weights": _numbers(weights.members),
        "service_weights": [
            {"service": one.service, "name": one.member, "value": one.value} for one in weights.by_service
        ],
        "shed": _numbers(weights.shed),
        **({"replicas": weights.replicas} if weights.replicas is not None else {}),
    }


def _numbers(numbers: Mapping[str, float]) -> Json:
    return [{"name": name, "value": value} for name, value in numbers.items()]


def _alert(alert: Alert) -> Json:
    return {
        "name": alert.name,
        "status": alert.status.value,
        "starts_at": _rfc3339(alert.starts_at),
        "labels": _pairs(alert.labels),
        "annotations": _pairs(alert.annotations),
    }


def _pairs(texts: Mapping[str, str]) -> Json:
    return [{"name": name, "value": value} for name, value in texts.items()]


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _author_variables(variables: Mapping[str, Json]) -> dict[str, Json]:
    for name, value in variables.items():
        objection = objection_to_name(name)
        if objection is not None:
            raise ValueError(f"variable {objection}")
        objection = objection_to_value(value)
        if objection is not None:
            raise ValueError(f"variable '{name}': {objection}")
    return dict(variables)


def _inert(value: Json) -> Json:
    match value:
        case str():
            return {UNSAFE: clean(value)}
        case list():
            return [_inert(one) for one in value]
        case dict():
            return {clean(key): _inert(one) for key, one in value.items()}
        case bool() | None:
            return value
        case int() if -_LARGEST <= value < _LARGEST:
            return value
        case float() if math.isfinite(value):
            return value
        case _:
            raise ValueError(
                f"{value!r:.40} can't be a variable: texts, finite numbers, true, false, null, lists, mappings"
            )


def _walk(value: Json, where: str, *, depth: int) -> None:
    """An author's value: wrapped texts at any place, any keys but those that Ansible's decoder acts on."""
    if depth > DEEPEST:
        raise ValueError(f"'{where}' is nested deeper than {DEEPEST} levels")
    match value:
        case str():
            raise ValueError(f"'{where}' holds a text that isn't marked as unsafe")
        case list():
            for one in value:
                _walk(one, where, depth=depth + 1)
        case dict() if not _is_wrapped(value):
            for key, one in value.items():
                if key.startswith("__"):
                    raise ValueError(f"'{where}' has the key '{key}'; keys may not begin with two underscores")
                _walk(one, where, depth=depth + 1)
        case _:
            return


def _walk_shape(value: Json, shape: Shape, where: str) -> None:
    if shape is str and isinstance(value, dict) and _is_wrapped(value):
        return
    if shape is float and isinstance(value, int | float) and not isinstance(value, bool):
        return
    if isinstance(shape, list) and isinstance(value, list):
        for one in value:
            _walk_shape(one, shape[0], where)
    elif isinstance(shape, dict) and isinstance(value, dict) and value.keys() == shape.keys():
        for key, one in value.items():
            _walk_shape(one, shape[key], f"{where}.{key}")
    else:
        raise ValueError(f"'{where}' isn't what it must be")


def _is_wrapped(value: dict[str, Json]) -> bool:
    return value.keys() == {UNSAFE} and isinstance(value[UNSAFE], str)
