"""The page on webhooks: each vendor's example is read as the page says, and each vendor has one."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bsm_remediate.adapters.webhooks import SOURCES
from bsm_remediate.config.settings import FileSettings

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BEGAN = datetime(2026, 1, 5, 9, tzinfo=UTC)
NAMES = {"Grafana", "Zabbix", "Datadog", "CloudWatch", "PagerDuty", "New Relic", "Uptime Kuma"}
SOURCE_OF = {"New Relic": "newrelic", "Uptime Kuma": "uptime-kuma"}
_EXAMPLE = re.compile(r"^```json\n(.*?)^```\n```json\n(.*?)^```", re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    """What stands under that heading."""
    found = re.search(rf"^### {re.escape(title)}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


def source_of(title: str) -> str:
    return SOURCE_OF.get(title, title.lower())


def test_every_vendor_has_its_section() -> None:
    assert {source_of(title) for title in NAMES} | {"alertmanager", "generic"} == SOURCES.keys()


@pytest.mark.parametrize("title", sorted(NAMES))
def test_the_example_of_a_vendor_is_read_as_its_page_says(title: str) -> None:
    found = _EXAMPLE.search(section(title))
    assert found is not None
    body, expected = found[1], json.loads(found[2])
    alert = SOURCES[source_of(title)](body.encode(), NOW).alerts[0]
    assert {"status": alert.status, "fingerprint": alert.fingerprint, "labels": alert.labels} == expected
    assert abs((alert.starts_at - BEGAN).total_seconds()) < 1
    assert f"/api/v1/webhooks/{alert.source}" in section(title)


def test_the_payload_to_paste_into_datadog_has_the_members_that_are_read() -> None:
    pasted, read = (
        json.loads(re.sub(r'"\$\w+"', '"x"', found))
        for found in re.findall(r"^```(?:text|json)\n(\{.*?)^```", section("Datadog"), re.MULTILINE | re.DOTALL)[:2]
    )
    assert read.keys() <= pasted.keys()


def test_the_parameters_of_the_zabbix_media_type_are_those_that_are_read() -> None:
    example = _EXAMPLE.search(section("Zabbix"))
    assert example is not None
    rows = re.findall(r"^\| (`.*?) \|", section("Zabbix"), re.MULTILINE)
    assert json.loads(example[1]).keys() <= set(re.findall(r"`(\w+)`", " ".join(rows)))


def test_the_keys_of_a_generic_source_are_all_on_the_page() -> None:
    text = section("Any JSON, by paths")
    shown = re.search(r"^```toml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert shown is not None
    source = FileSettings.model_validate(tomllib.loads(shown[1])).sources["mytool"]
    missing = type(source).model_fields.keys() - source.model_fields_set
    assert {name for name in missing if f"`{name}`" not in text} == set()
