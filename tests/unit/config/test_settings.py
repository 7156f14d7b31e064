"""Deployment settings: the file, then the environment, then the options."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bsm_remediate.adapters.webhooks.standard import StandardWebhooks
from bsm_remediate.app import Installation
from bsm_remediate.config.settings import Options, Secret, Settings, read_settings
from bsm_remediate.domain.metric_history import KEEPS, Resolution
from bsm_remediate.errors import WrongUsage

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)


def _settings(tmp_path: Path, environment: Mapping[str, str], toml: str = "", given: Options | None = None) -> Settings:
    file = tmp_path / "bsm-remediate.toml"
    file.write_text(toml)
    given = given or Options()
    return read_settings(
        Options(
            policies=given.policies,
            inventory=given.inventory,
            playbooks=given.playbooks,
            config=file,
            database=given.database,
        ),
        environment,
    )


def test_options_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    toml = 'policies = "file"\nplaybooks = "file"\ninventory = ["a", "b"]\n'
    found = _settings(tmp_path, {"BSM_POLICIES": "env", "BSM_PLAYBOOKS": "env"}, toml, Options(policies=Path("option")))
    assert (found.policies, found.playbooks, found.inventory) == (Path("option"), Path("env"), (Path("a"), Path("b")))


def test_without_anything_the_default_places_are_used(tmp_path: Path) -> None:
    found = _settings(tmp_path, {})
    assert (found.policies, found.inventory, found.playbooks) == (
        Path("policies"),
        (Path("inventories/hosts.yml"),),
        Path("playbooks"),
    )
    assert not found.inventory_is_given
    assert not found.database_is_given
    assert (found.host, found.tokens) == ("127.0.0.1", ())


@pytest.mark.parametrize(
    ("environment", "state"),
    [
        ({"BSM_STATE_DIR": "/a", "STATE_DIRECTORY": "/b", "XDG_STATE_HOME": "/c"}, "/a"),
        ({"STATE_DIRECTORY": "/b:/bb", "XDG_STATE_HOME": "/c"}, "/b"),
        ({"XDG_STATE_HOME": "/c"}, "/c/bsm-remediate"),
    ],
)
def test_the_state_directory_is_the_first_that_is_given(
    tmp_path: Path, environment: dict[str, str], state: str
) -> None:
    found = _settings(tmp_path, environment)
    assert found.state_dir == Path(state)
    assert found.database == f"sqlite:///{state}/bsm-remediate.sqlite"


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('polices = "x"', "polices"),
        ("[server]\nprot = 1", "server.prot"),
        ("[server]\nport = 70000", "server.port"),
        ('[[tokens]]\nrole = "king"\nfile = "t"', "tokens.0.role"),
        ("policies = ", "Invalid value"),
        ("[statistics]\nkeep_months = 0", "statistics.keep_months"),
        ('[statistics.metrics]\n5m = "2d"', "'5m' is none of 1m, 1h, 1d"),
        ('[statistics.metrics]\n1m = "1h59m"', "1m is kept for 2h at least"),
        ('[statistics.metrics]\n1h = "47h"', "1h is kept for 2d at least"),
        ('[statistics.metrics]\n1d = "soon"', "'soon' is no duration"),
        ('[statistics.metrics]\n1d = "99999d"', "longer than ten years"),
        ("[statistics.metrics]\n1d = 730", "statistics.metrics.1d"),
    ],
)
def test_what_the_file_should_not_say_is_wrong_usage(tmp_path: Path, toml: str, said: str) -> None:
    with pytest.raises(WrongUsage, match=said):
        _settings(tmp_path, {}, toml)


def test_what_is_kept_of_metrics_and_statistics_is_what_the_file_says_and_else_the_default(tmp_path: Path) -> None:
    usual = _settings(tmp_path, {}).statistics
    assert (usual.keep_months, usual.keeps) == (25, KEEPS)
    told = _settings(tmp_path, {}, '[statistics]\nkeep_months = 7\n[statistics.metrics]\n1m = "12h"\n1d = "3650d"\n')
    assert told.statistics.keep_months == 7
    assert told.statistics.keeps == {
        Resolution.MINUTE: timedelta(hours=12),
        Resolution.HOUR: timedelta(days=90),
        Resolution.DAY: timedelta(days=3650),
    }


def test_a_settings_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage):
        read_settings(Options(config=tmp_path / "nowhere.toml"), {})


def test_secrets_come_from_files_and_never_show_themselves(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hush\n")
    (tmp_path / "database").write_text("postgresql://u:hush@h/d\n")
    toml = f'[[tokens]]\nrole = "viewer"\nname = "wall"\nfile = "{tmp_path / "token"}"\n'
    found = _settings(tmp_path, {"BSM_TOKEN": "hush", "BSM_DATABASE_FILE": str(tmp_path / "database")}, toml)
    assert [(one.identity.name, one.identity.role, one.secret.reveal()) for one in found.tokens] == [
        ("wall", "viewer", "hush"),
        ("BSM_TOKEN", "admin", "hush"),
    ]
    assert found.database == "postgresql://u:hush@h/d"
    assert "hush" not in repr(found.tokens)
    assert f"{Secret('hush')}" == "<secret>"


@pytest.mark.parametrize("environment", [{"BSM_TOKEN_FILE": "/nowhere"}, {"BSM_PORT": "http"}, {"BSM_PORT": "99999"}])
def test_an_environment_that_cannot_be_used_is_wrong_usage(tmp_path: Path, environment: dict[str, str]) -> None:
    with pytest.raises(WrongUsage):
        _settings(tmp_path, environment)


MYTOOL = """
[sources.mytool]
kind = "generic"
alerts = "data.events"
status = "state"
firing = ["open", "Critical", 1]
labels = {alertname = "check.name", instance = ["host.name", "host.ip"], severity = "level"}
severities = {Fatal = "critical"}
starts_at = "since"
timezone = "Europe/Berlin"
fingerprint = ["check.id", "host.name"]
"""


def test_a_source_is_read_by_paths_that_the_settings_name(tmp_path: Path) -> None:
    installation = Installation(settings=_settings(tmp_path, {}, MYTOOL))
    event = {"state": "OPEN", "check": {"name": "Disk", "id": 7}, "host": {"ip": "10.0.0.7", "name": "db-1"}}
    event |= {"level": "FATAL", "since": "2026-01-05 09:00:00"}
    body = json.dumps({"data": {"events": [event, {**event, "state": "fine"}]}}).encode()
    found = installation.senders.webhook_sources["mytool"](body, datetime(2026, 1, 6, tzinfo=UTC)).alerts
    assert [alert.status.value for alert in found] == ["firing", "resolved"]
    assert found[0].labels == {"alertname": "Disk", "instance": "db-1", "severity": "critical"}
    assert found[0].starts_at == datetime(2026, 1, 5, 8, tzinfo=UTC)
    assert found[0].source == "mytool"
    assert found[0].key == found[1].key


@pytest.mark.parametrize(
    ("line", "place", "why"),
    [
        ('status = "a..b"', "sources.mytool.status", "'a..b' is no path"),
        ('labels = {severity = "level"}', "sources.mytool", "an alert needs a name"),
        ('labels = {alertname = ["a", 5]}', "sources.mytool.labels.alertname", "must be a path"),
        ('status = "a"', "sources.mytool", "which words of the status mean what"),
        ('firing = ["open"]', "sources.mytool", "where the word stands"),
        ('status = "a"\nfiring = ["open"]\nresolved = ["OPEN"]', "sources.mytool", "two things about open"),
        ('timezone = "Mars/Olympus"', "sources.mytool.timezone", "no time zone"),
        ('severty = "x"', "sources.mytool.severty", "not permitted"),
    ],
)
def test_a_path_that_cannot_be_is_refused_with_file_and_key(tmp_path: Path, line: str, place: str, why: str) -> None:
    usual = "" if line.startswith("labels") else 'labels = {alertname = "name"}\n'
    with pytest.raises(WrongUsage) as refused:
        _settings(tmp_path, {}, f'[sources.mytool]\nkind = "generic"\n{usual}{line}\n')
    assert f"bsm-remediate.toml: {place}: " in str(refused.value)
    assert why in str(refused.value)


def test_two_senders_of_one_kind_have_names_of_their_own(tmp_path: Path) -> None:
    toml = '[sources.zabbix-eu]\nkind = "zabbix"\n[sources.am-eu]\nkind = "alertmanager"\nurl = "http://am:9093"\n'
    installation = Installation(settings=_settings(tmp_path, {}, toml))
    assert {"zabbix", "zabbix-eu", "alertmanager", "am-eu"} <= installation.senders.webhook_sources.keys()
    assert [source.name for source in installation.senders.alert_sources()] == ["am-eu"]


def test_the_terms_of_a_source_go_with_its_kind(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    toml = f'[sources.sns-eu]\nkind = "cloudwatch"\n[sources.pagerduty]\nsecret_files = "{tmp_path}/secret"\n'
    terms = Installation(settings=_settings(tmp_path, {}, toml)).senders.webhook_terms
    assert b"text/plain" in terms["sns-eu"].content_types
    assert b"text/plain" in terms["cloudwatch"].content_types
    signature = hmac.new(b"s3cret", b"body", "sha256").hexdigest().encode()
    pagerduty = terms["pagerduty"].signature
    assert pagerduty is not None
    assert pagerduty.verify({b"x-pagerduty-signature": b"v1=" + signature}, b"body", NINE)
    assert not pagerduty.verify({}, b"body", NINE)


@pytest.mark.parametrize(
    ("name", "section"),
    [
        ("zabbix", "[sources.zabbix]"),
        ("generic", "[sources.generic]"),
        ("alertmanager", "[sources.alertmanager]"),
        ("mytool", '[sources.mytool]\nkind = "generic"'),
    ],
)
def test_every_other_source_with_a_secret_is_asked_for_standard_webhooks(
    tmp_path: Path, name: str, section: str
) -> None:
    (tmp_path / "secret").write_text(f"whsec_{base64.b64encode(bytes(range(32))).decode()}\n")
    toml = f'{section}\nsecret_files = "{tmp_path}/secret"\n'
    installation = Installation(settings=_settings(tmp_path, {}, toml))
    assert isinstance(installation.senders.webhook_terms[name].signature, StandardWebhooks)
    assert installation.senders.alert_sources() == []


@pytest.mark.parametrize(
    ("toml", "why"),
    [
        ('[sources.metrics]\nkind = "generic"', "sources.metrics: that is what the engine's own signals"),
        ("[sources.nagios]", "sources.nagios.kind: 'nagios' is none of alertmanager, cloudwatch"),
        ('[sources.zabbix]\nsecret_files = "SHORT"', "must hold 24 to 64 bytes"),
        ('[sources.generic]\nsecret_files = "NO BASE64"', "must be whsec_ and base64"),
        ('[sources.pagerduty]\nsecret_files = "missing"', "missing cannot be read"),
        ('[sources.pagerduty]\nsecret_files = "EMPTY"', "a secret is empty"),
    ],
)
def test_a_source_that_cannot_be_is_refused(tmp_path: Path, toml: str, why: str) -> None:
    for name, secret in {"EMPTY": "\n", "SHORT": "whsec_c2hvcnQ=", "NO BASE64": "whsec_?"}.items():
        (tmp_path / name).write_text(secret)
        toml = toml.replace(f'"{name}"', f'"{tmp_path / name}"')
    installation = Installation(settings=_settings(tmp_path, {}, f"{toml}\n"))
    with pytest.raises(WrongUsage, match=why):
        assert not installation.senders.webhook_sources or not installation.senders.webhook_terms
