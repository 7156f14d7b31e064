"""Prometheus's alert rules: from rule files, or from a running Prometheus.

Sources: https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/ and
https://prometheus.io/docs/prometheus/latest/querying/api/#rules
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
import requests
import yaml

from bsm_remediate.domain.alert_rule import AlertRule
from bsm_remediate.errors import SourceUnreachable, WrongUsage

_TIMEOUT_S = (2.0, 10.0)
_LARGEST = 64 * 1024 * 1024
_ENDINGS = {".yml", ".yaml", ".rules"}
_RUNBOOKS = ("runbook_url", "runbook", "runbook_link")
_SUMMARIES = ("summary", "message", "description")
# All scalars as they are written, which is what Prometheus makes of them, and nothing but mappings, lists and texts.
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def read_rule_files(path: Path) -> tuple[AlertRule, ...]:
    """The alert rules in the file `path`, or in all rule files of that folder. Raises `WrongUsage`.

    A file is one of Prometheus, or a `PrometheusRule` of its Kubernetes operator.
    """
    if not path.exists():
        raise WrongUsage(f"there is no rule file {path}")
    files = sorted(one for one in path.rglob("*") if one.suffix in _ENDINGS) if path.is_dir() else [path]
    return tuple(rule for file in files for rule in _of_file(file))


def read_live_rules(url: str) -> tuple[AlertRule, ...]:
    """The alert rules that the Prometheus at `url` has loaded. Raises `SourceUnreachable`."""
    address = url.rstrip("/") + "/api/v1/rules"
    try:
        with requests.get(address, params={"type": "alert"}, timeout=_TIMEOUT_S, stream=True) as answer:
            if answer.status_code != 200:
                raise SourceUnreachable(f"{address} answers {answer.status_code}")
            body = answer.raw.read(_LARGEST + 1, decode_content=True)
        if len(body) > _LARGEST:
            raise SourceUnreachable(f"{address} answers with more than {_LARGEST} bytes")
        found = orjson.loads(body)
    except requests.RequestException as error:
        raise SourceUnreachable(f"{url} does not answer: {type(error).__name__}") from error
    except (orjson.JSONDecodeError, OSError) as error:
        raise SourceUnreachable(f"{address} does not answer with JSON") from error
    groups = found.get("data", {}).get("groups") if isinstance(found, dict) else None
    if not isinstance(groups, list):
        raise SourceUnreachable(f"{url} is no Prometheus: it answers without groups of rules")
    return tuple(_rules(groups, name="name"))


def _of_file(file: Path) -> Iterator[AlertRule]:
    try:
        if file.stat().st_size > _LARGEST:
            raise WrongUsage(f"{file} is larger than {_LARGEST} bytes")
        with file.open("rb") as opened:
            documents = list(yaml.load_all(opened, Loader=_LOADER))
    except OSError as error:
        raise WrongUsage(f"{file} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        place = getattr(error, "problem_mark", None)
        where = f"{file}:{place.line + 1}" if place is not None else f"{file}"
        raise WrongUsage(f"{where} is no YAML", hint="`promtool check rules` says what is wrong") from error
    for document in documents:
        inner = document.get("spec", document) if isinstance(document, dict) else None
        groups = inner.get("groups") if isinstance(inner, dict) else None
        if isinstance(groups, list):
            yield from _rules(groups, name="alert")


def _rules(groups: Iterable[Any], *, name: str) -> Iterator[AlertRule]:
    """Those that make alerts; recording rules have none of a rule's `name`, or another type."""
    for group in groups:
        rules = group.get("rules") if isinstance(group, dict) else None
        for rule in rules if isinstance(rules, list) else ():
            if not isinstance(rule, dict) or rule.get("type", "alerting") != "alerting":
                continue
            called = rule.get(name)
            if isinstance(called, str) and called:
                yield _rule(called, rule)


def _rule(name: str, rule: dict[str, Any]) -> AlertRule:
    labels, annotations = _texts(rule.get("labels")), _texts(rule.get("annotations"))
    # Go templates are filled in when an alert fires; an empty label is as good as none.
    open_labels = frozenset(label for label, value in labels.items() if "{{" in value)
    return AlertRule(
        name=name,
        labels={
            label: value
            for label, value in labels.items()
            if value and label not in open_labels and label != "alertname"
        },
        open_labels=open_labels,
        summary=next((annotations[one] for one in _SUMMARIES if annotations.get(one)), ""),
        runbook=next((annotations[one] for one in _RUNBOOKS if annotations.get(one)), ""),
    )


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {name: text for name, text in value.items() if isinstance(name, str) and isinstance(text, str)}
