"""docs/metrics.md says what is true: its output is read, its bundle is the example's, its numbers are the code's."""

from __future__ import annotations

import re
from pathlib import Path

import orjson
import re2
from click.testing import CliRunner

from bsm_remediate.adapters.metrics.exposition import read_output
from bsm_remediate.adapters.sql.store import open_store
from bsm_remediate.adapters.webhooks.files import read_alerts
from bsm_remediate.cli import main
from bsm_remediate.config.loader import load_bundle
from bsm_remediate.config.metrics import EVERY
from bsm_remediate.domain.metric import alert_of
from bsm_remediate.domain.polling import LONGEST_BACK_OFF
from bsm_remediate.domain.selector import parse_selector
from bsm_remediate.domain.threshold import CALM, RECENTLY, RESTLESS, Watch
from bsm_remediate.engine.metering import _AT_ONCE
from bsm_remediate.engine.reading import MOST_SERIES
from bsm_remediate.testing.timeline import BEGIN, Timeline

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")


def _blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_its_bundle_is_the_one_of_the_example() -> None:
    assert _blocks("yaml") == [(ROOT / "examples" / "metrics" / "policies" / "shop.yml").read_text(encoding="utf-8")]


def test_its_output_of_a_program_is_read() -> None:
    (sample,) = read_output(_blocks("json")[0])
    assert (sample.labels, sample.value) == ({"__name__": "queue_length", "host": "web-1"}, 3)
    assert read_output('{"queue_length": 3}')[0].value == 3


def test_its_selectors_are_some() -> None:
    for text in ('queue_length{queue="mail", host=~"web-.*"}', "rate(requests_total[5m])"):
        assert f"`{text}`" in PAGE
        assert str(parse_selector(text, re2.compile).name) in text


def test_the_alert_of_the_example_is_what_the_engine_would_write() -> None:
    bundle = load_bundle(ROOT / "examples/metrics/policies", inventory=None, playbooks=None, scrutinise=False).bundle
    assert bundle is not None
    policy = next(one for one in bundle.policies.values() if one.id == "relieve-web")
    assert policy.metric is not None
    (example,) = read_alerts((ROOT / "examples/metrics/alert.json").read_bytes(), received_at=BEGIN)
    watch, threshold = Watch(), policy.metric.threshold
    for minute in range(3):
        watch = watch.saw(0.91, BEGIN + minute * threshold.hold / 2, threshold)
    written = alert_of(policy.id, {"instance": "10.0.0.11:9100"}, watch, threshold, BEGIN)
    assert (written.labels, written.annotations) == (dict(example.labels), dict(example.annotations))
    assert orjson.dumps(dict(written.labels))


def test_its_numbers_are_those_of_the_code() -> None:
    assert (RESTLESS, RECENTLY.total_seconds(), CALM.total_seconds()) == (3, 1800, 300)
    assert (EVERY.total_seconds(), LONGEST_BACK_OFF.total_seconds(), _AT_ONCE, MOST_SERIES) == (30, 300, 8, 10_000)


def test_its_command_prints_what_the_page_shows(tmp_path: Path) -> None:
    """The bundle of the example, and an hour in which web-1 is busy from ten to twelve past."""
    policies = ROOT / "examples" / "metrics" / "policies"
    bundle = load_bundle(policies, inventory=None, playbooks=None, scrutinise=False).bundle
    assert bundle is not None
    database = f"sqlite:///{tmp_path / 'engine.sqlite'}"
    store = open_store(database)
    shop = Timeline(bundle, store)
    query = "max by (instance) (cpu_utilisation)"
    for moment, busy in (("09:00:00", 0.42), ("09:10:00", 0.91), ("09:12:00", 0.42)):
        shop.at(moment).figures.set(query, {"10.0.0.11:9100": busy, "10.0.0.12:9100": 0.38})
    shop.at("09:14:30")
    store.close()
    (block,) = [one for one in _blocks("text") if "bsm-remediate metrics" in one]
    for part in block.split("$ ")[1:]:
        line, _, output = part.partition("\n")
        words = ["--policies", str(policies), "--database", database, *line.split()[1:]]
        result = CliRunner().invoke(main, words)
        assert (result.exit_code, _stripped(result.stdout)) == (0, _stripped(output))


def _stripped(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]
