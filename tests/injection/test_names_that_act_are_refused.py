"""What isn't data but steers Ansible: names of variables, hosts, playbooks, in a bundle; each is refused when it is
read, at its place, and hosts once more when a run begins.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from bsm_remediate.adapters.ansible.executor import assert_exact_hosts
from bsm_remediate.config.loader import load_bundle
from bsm_remediate.domain.finding import Finding, Severity
from bsm_remediate.domain.inventory import Inventory
from bsm_remediate.domain.variable_name import RESERVED, objection_to_name
from tests.injection.hostile import Canary
from tests.injection.playing import CORES, programs

HARMLESS = frozenset(
    """
    module_args invocation changed failed rc stdout skipped unreachable add_host add_group LD_PRELOAD PYTHONPATH PATH
    IFS BASH_ENV ANSIBLE_CONFIG constructor
    """.split()  # noqa: SIM905
)
"""Names of the corpus that mean nothing to Ansible as a variable; some go through a run in the other test."""
INVENTORY = Inventory(addresses={"h1": "h1", "h2": "h2"}, groups={"all": ("h1", "h2"), "shop": ("h1",)})
BUNDLE = {
    "currency": "EUR",
    "services": {"checkout": {"loss_per_minute": 300, "requires": ["shop-1"]}},
    "components": {"shop-1": {"host": "h1"}},
    "policies": {"use": {"match": {"a": "b"}, "evidence": "direct", "verify": [{"command": "test -e x"}]}},
}


def texts(name: str, tmp_path: Path) -> list[str]:
    return Canary(tmp_path).texts(name)


def errors(
    folder: Path,
    variables: Mapping[str, str] | None = None,
    *,
    host: str = "h1",
    playbook: str = "use.yml",
    hosts: Sequence[str] = ("self",),
) -> list[Finding]:
    """What loading a bundle with these says; it may not raise."""
    (folder / "playbooks").mkdir(exist_ok=True)
    (folder / "playbooks" / "use.yml").write_text("- hosts: all\n  tasks: []\n")
    (folder / "policies").mkdir(exist_ok=True)
    do = {"playbook": playbook, "vars": dict(variables or {}), "expect": {"duration": "1s"}, "hosts": list(hosts)}
    document = json.loads(json.dumps(BUNDLE))
    document["components"]["shop-1"]["host"] = host
    document["policies"]["use"]["do"] = [do]
    (folder / "policies" / "shop.yml").write_text(yaml.safe_dump(document, width=10**6))
    loaded = load_bundle(
        folder / "policies", inventory=lambda: INVENTORY, playbooks=folder / "playbooks", scrutinise=True
    )
    found = [one for one in loaded.findings if one.severity is Severity.ERROR]
    assert (loaded.bundle is None) == bool(found), "what has errors is not used"
    return found


def test_the_bundle_itself_is_sound(tmp_path: Path) -> None:
    assert errors(tmp_path, {"ordinary": "x"}) == []


def test_each_name_that_acts_is_refused_as_a_variable_at_its_place(tmp_path: Path) -> None:
    for name in texts("names", tmp_path):
        found = errors(tmp_path, {name: "x"})
        if name in HARMLESS:
            assert found == [], name
        else:
            assert [one.code in {"bad-variable", "reserved-variable"} for one in found] == [True], name
            assert name in found[0].message, found
            assert found[0].line > 0, found


def test_texts_that_are_no_name_at_all_are_refused_as_variables(tmp_path: Path) -> None:
    for kind in ("running", "templates", "documents", "options", "shells", "hosts"):
        for text in texts(kind, tmp_path):
            assert objection_to_name(text) is not None or text.isidentifier(), text


@pytest.mark.parametrize("core", CORES)
def test_all_names_that_either_core_reserves_are_refused(core: str) -> None:
    ask = "from ansible.vars.reserved import get_reserved_names as names; print(*names())"
    said = subprocess.run([programs(core) / "python", "-c", ask], capture_output=True, text=True, check=True).stdout
    assert len(said.split()) > 50
    assert set(said.split()) <= RESERVED


def test_patterns_lists_and_files_are_no_host(tmp_path: Path) -> None:
    for text in [*texts("hosts", tmp_path), *texts("options", tmp_path), *texts("running", tmp_path)]:
        if text != "localhost":  # a component may be looked after from where the engine runs
            assert errors(tmp_path, host=text) != [], text
        if text != "self":  # the component's own
            assert errors(tmp_path, hosts=(text,)) != [], text
        with pytest.raises(ValueError, match=r".+"):
            assert_exact_hosts((text,), INVENTORY)


def test_options_paths_and_templates_are_no_playbook(tmp_path: Path) -> None:
    for kind in ("options", "paths", "running", "shells", "hosts", "characters"):
        for text in texts(kind, tmp_path):
            found = errors(tmp_path, playbook=text)
            assert {one.code for one in found} <= {"bad-playbook", "missing-playbook", "bad-value"}, text
            assert found, text


def test_template_text_in_a_policys_own_variable_is_compiled_by_us_and_may_only_ask_for_facts(tmp_path: Path) -> None:
    """An author who writes such a thing learns it from `check`; it never comes as far as Ansible."""
    for text in texts("running", tmp_path):
        is_constant = text.startswith('{{ "') or "20260" in text  # asks for nothing: its result arrives as a text
        found = errors(tmp_path, {"greeting": text})
        assert [one.code for one in found] == ([] if is_constant else ["bad-expression"]), (text, found)
