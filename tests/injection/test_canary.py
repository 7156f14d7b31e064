"""The control experiments: the same texts, given to Ansible in unsafe ways, do trip the canary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bsm_remediate.adapters.ansible.inert import UNSAFE, run_variables
from bsm_remediate.testing.local_ansible import a_call, an_alert
from tests.injection.hostile import Canary, paired
from tests.injection.playing import CORES, play_by_hand, trail, write_playbook

POISON = ("__ansible_unsafe", "__ansible_vault", "__ansible_type")
SECOND_HAND = [
    *("what set_fact has kept", "a fact that loops", "what came back from JSON", "what a command has said"),
    *("lines of a command, one by one", "file that is read", "what was read", "file that is slurped"),
    *("what was slurped", "what add_host has kept", "what that host has kept"),
]
"""These use what another way has left, which had rendered it by then."""
SHOW = '[{"hosts": "all", "gather_facts": false, "tasks": [{"name": "Show", "ansible.builtin.debug": {"var": "bsm"}}]}]'


def as_we_write_it(texts: Sequence[str], folder: Path) -> str:
    """The variables of a run about `texts`."""
    alert = an_alert({"alertname": texts[0], **paired(texts, 1)}, paired(texts, 2))
    nested: dict[str, Any] = {"list": list(texts), "deeper": {"value": texts[0]}}
    variables: dict[str, Any] = {"from_label": texts[0], "nested": nested, "folder": str(folder)}
    return run_variables(a_call("uses.yml", alerts=(alert,), labels=paired(texts, 3), variables=variables))


def unwrapped(value: Any) -> Any:
    if isinstance(value, dict):
        return value[UNSAFE] if value.keys() == {UNSAFE} else {key: unwrapped(one) for key, one in value.items()}
    return [unwrapped(one) for one in value] if isinstance(value, list) else value


@pytest.fixture(params=CORES)
def core(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def canary(tmp_path: Path) -> Canary:
    return Canary(tmp_path)


def played(core: str, folder: Path, variables: str) -> int:
    """Show the variables by one task; the exit code."""
    (folder / "show.yml").write_text(SHOW)
    (folder / "variables").write_text(variables)
    return play_by_hand(core, folder / "show.yml", folder / "variables").returncode


def test_each_way_executes_what_comes_as_a_plain_variable(core: str, canary: Canary, tmp_path: Path) -> None:
    write_playbook(tmp_path / "plays", canary)
    document = unwrapped(json.loads(as_we_write_it(canary.texts("running")[:2], tmp_path)))
    (tmp_path / "plain.json").write_text(json.dumps({**document, "carry_on": True}))
    play_by_hand(core, tmp_path / "plays" / "uses.yml", tmp_path / "plain.json")
    seen = trail(tmp_path)
    quiet = [way for way, before in zip(seen, [0, *seen.values()], strict=False) if seen[way] == before]
    assert quiet == SECOND_HAND


def test_each_text_that_is_said_to_run_does_as_a_plain_variable(core: str, canary: Canary, tmp_path: Path) -> None:
    texts = canary.texts("running")
    document = unwrapped(json.loads(as_we_write_it(texts, tmp_path)))
    assert played(core, tmp_path, json.dumps(document)) == 0
    quoted = next(number for number, text in enumerate(texts) if text.startswith('{{ "{{'))  # needs a second rendering
    told = {number for number, text in enumerate(texts) if "echo" in text} - {quoted}
    assert canary.executed == {f"running-{number}" for number in told}


@pytest.mark.parametrize("poison", POISON)
def test_a_name_from_outside_as_a_key_makes_the_usual_wrapping_worthless(
    core: str, canary: Canary, tmp_path: Path, poison: str
) -> None:
    """What ansible-core 2.19 does with a file that is wrapped but not written as ours: it takes it for trusted YAML."""
    document = json.loads(as_we_write_it(canary.texts("running"), tmp_path))
    document["labels"] = {poison: document["bsm"]["alert"]["name"]}
    played(core, tmp_path, json.dumps(document))
    assert bool(canary.executed) == (core == "2.19")


@pytest.mark.parametrize("poison", POISON)
def test_written_as_ours_even_such_a_key_executes_nothing(
    core: str, canary: Canary, tmp_path: Path, poison: str
) -> None:
    document = json.loads(as_we_write_it(canary.texts(), tmp_path))
    document["labels"] = {poison: document["bsm"]["alert"]["name"]}
    code = played(core, tmp_path, json.dumps(document, separators=(",", "\n:")))
    assert canary.executed == set()
    assert (code != 0) or core == "2.16"
