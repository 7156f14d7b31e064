"""Deployment settings: the file, then the environment, then the options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from bsm_remediate.config.settings import Options, Secret, Settings, read_settings
from bsm_remediate.errors import WrongUsage


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
    ],
)
def test_what_the_file_should_not_say_is_wrong_usage(tmp_path: Path, toml: str, said: str) -> None:
    with pytest.raises(WrongUsage, match=said):
        _settings(tmp_path, {}, toml)


def test_a_settings_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage):
        read_settings(Options(config=tmp_path / "nowhere.toml"), {})


def test_secrets_come_from_files_and_never_show_themselves(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hush\n")
    (tmp_path / "database").write_text("postgresql://u:hush@h/d\n")
    toml = f'[[tokens]]\nrole = "viewer"\nname = "wall"\nfile = "{tmp_path / "token"}"\n'
    found = _settings(tmp_path, {"BSM_TOKEN": "hush", "BSM_DATABASE_FILE": str(tmp_path / "database")}, toml)
    assert [(one.name, one.role, one.secret.reveal()) for one in found.tokens] == [
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
