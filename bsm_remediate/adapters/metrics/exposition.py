"""Figures as Prometheus's exporters write them, and as programs do that know nothing of Prometheus.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from prometheus_client.parser import text_string_to_metric_families

from bsm_remediate.adapters.metrics.prometheus import clean
from bsm_remediate.adapters.metrics.remembered import NAME
from bsm_remediate.domain.sample import Sample


def read_page(text: str, labels: Mapping[str, str]) -> list[Sample]:
    """The figures of a `/metrics` page, each with `labels` too where it has none of that name. Raises `ValueError`."""
    try:
        families = list(text_string_to_metric_families(text))
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ValueError(f"it can't be read as metrics: {error}") from error
    return [
        Sample(labels={**labels, **_clean(sample.labels), NAME: sample.name}, value=float(sample.value))
        for family in families
        for sample in family.samples
    ]


def read_output(text: str) -> list[Sample]:
    """The figures that a program printed: JSON, or lines of a name (with labels or without) and a value.

    Raises `ValueError`.
    """
    if not text.lstrip().startswith(("{", "[")):
        return read_page(text if text.endswith("\n") else f"{text}\n", {})
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"it is no JSON: {error}") from error
    return list(_of_list(document) if isinstance(document, list) else _of_object(document))


def _of_object(document: Mapping[str, Any]) -> Iterator[Sample]:
    for name, value in document.items():
        yield Sample(labels={NAME: clean(name)}, value=_number(value, name))


def _of_list(document: list[Any]) -> Iterator[Sample]:
    for one in document:
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            raise ValueError('each figure is like {"name": "queue_length", "labels": {"queue": "mail"}, "value": 3}')
        labels = one.get("labels", {})
        if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
            raise ValueError(f"the labels of {one['name'][:80]} aren't texts")
        yield Sample(labels={**_clean(labels), NAME: clean(one["name"])}, value=_number(one.get("value"), one["name"]))


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"the value of {name[:80]} is no number")
    return float(value)


def _clean(labels: Mapping[str, str]) -> dict[str, str]:
    return {clean(name): clean(value) for name, value in labels.items()}
