"""Checks that need something beside the bundle: a Prometheus to ask, a playbook to run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from bsm_remediate.app import Installation
from bsm_remediate.cli import main
from bsm_remediate.config.loader import Loaded, load_bundle
from bsm_remediate.config.settings import Options, read_settings
from bsm_remediate.errors import WrongUsage

BUNDLE = """currency: EUR
services: {shop: {loss_per_minute: 1, requires: [db]}}
components: {db: {}}
policies:
  restart:
    match: {alertname: Down}
    do: [{playbook: restart.yml}]
    verify:
      - {promql: 'up{instance="{{ component.host }}"}', within: 10s}
      - {playbook: look.yml}
    mode: auto
"""


def _load(tmp_path: Path, sources: Mapping[str, str] | None, text: str = BUNDLE) -> Loaded:
    (tmp_path / "policies.yml").write_text(text)
    (tmp_path / "restart.yml").touch()
    (tmp_path / "look.yml").touch()
    return load_bundle(
        tmp_path / "policies.yml", inventory=None, playbooks=tmp_path, scrutinise=True, metric_sources=sources
    )


def test_without_a_prometheus_such_a_check_is_an_error_that_says_what_to_write(tmp_path: Path) -> None:
    (finding,) = _load(tmp_path, {}).findings
    assert (finding.code, finding.line, finding.column) == ("no-prometheus", 9, 18)
    assert "[sources.prometheus]" in finding.hint


def test_with_one_or_where_nobody_has_looked_it_is_sound(tmp_path: Path) -> None:
    assert _load(tmp_path, {"prom-eu": "prometheus"}).findings == ()
    assert _load(tmp_path, {"prom-eu": "prometheus", "prometheus": "prometheus"}).findings == ()
    assert _load(tmp_path, None).findings == ()


def test_of_several_one_must_be_meant(tmp_path: Path) -> None:
    two = {"prom-eu": "prometheus", "prom-us": "prometheus"}
    (finding,) = _load(tmp_path, two).findings
    assert (finding.code, finding.hint) == ("unknown-source", "say `source:` with one of prom-eu, prom-us")
    named = BUNDLE.replace("within: 10s", "source: prom-us")
    assert _load(tmp_path, two, named).findings == ()
    (wrong,) = _load(tmp_path, two, named.replace("prom-us", "prom-su")).findings
    assert (wrong.code, wrong.line, wrong.column) == ("unknown-source", 9, 65)


def test_the_playbook_of_a_check_must_be_there_and_is_part_of_the_digest(tmp_path: Path) -> None:
    before = _load(tmp_path, None).bundle
    (tmp_path / "look.yml").write_text("[]")
    after = _load(tmp_path, None).bundle
    assert before is not None
    assert after is not None
    assert before.digest != after.digest
    assert after.playbooks() == {"restart.yml", "look.yml"}
    (finding,) = _load(tmp_path, None, BUNDLE.replace("look.yml", "loook.yml")).findings
    assert (finding.code, finding.line, finding.hint) == ("missing-playbook", 10, "did you mean 'look.yml'?")


def test_check_and_doctor_know_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BSM_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "shop.yml").write_text(BUNDLE.replace("      - {playbook: look.yml}\n", ""))
    refused = CliRunner().invoke(main, ["check"])
    assert (refused.exit_code, "no-prometheus" in refused.output) == (2, True)
    assert "there is no Prometheus to ask" in CliRunner().invoke(main, ["doctor", "--no-hosts"]).output
    (tmp_path / "bsm-remediate.toml").write_text('[sources.prometheus]\nurl = "http://127.0.0.1:1"\n')
    assert CliRunner().invoke(main, ["check"]).exit_code == 0
    examined = CliRunner().invoke(main, ["doctor", "--no-hosts", "-o", "json"])
    assert (examined.exit_code, "no connection" in examined.output) == (1, True)


@pytest.mark.parametrize(
    ("toml", "why"),
    [
        ("[sources.prometheus]\nurl = []", "sources.prometheus.url"),
        ("[sources.prometheus]", "sources.prometheus.url"),
        ('[sources.prometheus]\nurl = "prometheus:9090"', "is no address"),
        ('[sources.prometheus]\nurl = "http://p"\nusername = "u"', "go together"),
        ('[sources.prometheus]\nurl = "http://p"\nusername = "u"\npassword_file = "p"\ntoken_file = "t"', "two creden"),
        ('[sources.prometheus]\nurl = "http://p"\nsecret_files = "s"', "not permitted"),
    ],
)
def test_a_prometheus_that_cannot_be_is_refused(tmp_path: Path, toml: str, why: str) -> None:
    (tmp_path / "settings.toml").write_text(f"{toml}\n")
    with pytest.raises(WrongUsage) as refused:
        read_settings(Options(config=tmp_path / "settings.toml"), {})
    assert why in str(refused.value)


def test_a_prometheus_sends_no_webhooks(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('[sources.prometheus]\nurl = "http://p:9090"\n')
    installation = Installation(settings=read_settings(Options(config=tmp_path / "settings.toml"), {}))
    assert "prometheus" not in installation.senders.webhook_sources
    assert "prometheus" not in installation.senders.webhook_terms
    assert installation.figures.kinds == {"prometheus": "prometheus"}
