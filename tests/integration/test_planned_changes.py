"""Planned changes with a real engine and real Ansible: over the database by who logged in, over HTTP by whose
token it is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from bsm_remediate.cli.person import person
from tests.integration.served import Served

BUNDLE = """
currency: EUR
services:
  checkout: {loss_per_minute: 600, requires: [web], objective: {availability: 99.9, window: 30d}}
components:
  web: {host: web}
teams:
  owners: {members: [ME, li], duties: [owner, approver]}
changes:
  release:
    title: Release 2
    owner: owners
    components: [web]
    playbook: release.yml
    vars: {site: SITE, release: "2"}
    expect: {duration: 10s, success: 0.9}
    verify: [{command: "grep -q 2 SITE/healthy", within: 3s}]
    rollback: {playbook: release.yml, vars: {site: SITE, release: "1"}, duration: 10s}
    four_eyes_above: 50
  migration:
    owner: owners
    components: [web]
    playbook: release.yml
    expect: {duration: 1h}
    verify: [{command: "true"}]
"""
PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Put the release in place
      ansible.builtin.copy:
        content: "{{ release }}"
        dest: "{{ site }}/release"
        mode: "0644"
"""
SECRET = "a secret of li that is long enough for a token"
_WITHIN_S = 120


class Site:
    """A folder with a bundle, its server, and commands in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("policies", "playbooks"):
            (folder / name).mkdir(parents=True)
        bundle = BUNDLE.replace("ME", person()).replace("SITE", str(folder))
        (folder / "policies" / "shop.yml").write_text(bundle)
        (folder / "playbooks" / "release.yml").write_text(PLAYBOOK)
        python = sys.executable
        host = f"{{ansible_connection: local, ansible_python_interpreter: {python}}}"
        (folder / "hosts.yml").write_text(f"all: {{hosts: {{web: {host}}}}}\n")
        settings = f'[[tokens]]\nname = "li"\nrole = "approver"\nfile = "{folder}/li"\n'
        (folder / "li").write_text(SECRET)
        (folder / "li").chmod(0o600)
        self.server = Served(folder, settings=settings, globally=("--inventory", "hosts.yml"))

    def says(self, *command: str) -> tuple[int, str]:
        """Exit code, and what it printed."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BSM_")}
        done = subprocess.run(
            [sys.executable, "-m", "bsm_remediate", "--inventory", "hosts.yml", "change", *command],
            cwd=self.folder,
            env={**inherited, "BSM_STATE_DIR": str(self.folder / "state")},
            capture_output=True,
            text=True,
            timeout=_WITHIN_S,
            check=False,
        )
        return done.returncode, (done.stdout + done.stderr).strip()

    def asks(self, path: str, **body: str) -> requests.Response:
        """As li, over HTTP."""
        headers = {"Authorization": f"Bearer {SECRET}"}
        address = f"{self.server.url}/api/v1/changes{path}"
        if body:
            return requests.post(address, json=body, headers=headers, timeout=_WITHIN_S)
        return requests.get(address, headers=headers, timeout=_WITHIN_S)

    def shows(self, change: str) -> dict[str, Any]:
        code, text = self.says("show", change, "-o", "json")
        assert code == 0, text
        found: dict[str, Any] = json.loads(text)
        return found

    def waits_for(self, change: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        end = time.monotonic() + _WITHIN_S
        while not holds(row := self.asks(f"/{change}").json()):
            assert time.monotonic() < end, row
            time.sleep(0.2)
        return self.shows(change)

    def proposed(self) -> str:
        code, text = self.says("propose", "release", "--reason", "release 2 is out")
        assert (code, " is proposed for " in text) == (0, True), text
        return text.split(maxsplit=1)[0]


@pytest.fixture(scope="module")
def served_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("changes") / "site")
    yield made
    assert "Traceback" not in made.server.stop()


@pytest.fixture
def site(served_site: Site) -> Site:
    """With the first release in place."""
    (served_site.folder / "release").write_text("1")
    (served_site.folder / "healthy").write_text("1 2")
    return served_site


def test_a_change_goes_its_whole_way_and_four_eyes_see_it(site: Site) -> None:
    change = site.proposed()
    code, text = site.says("dry-run", change)
    assert (code, "would change something in 1 task" in text) == (0, True), text
    assert (site.folder / "release").read_text() == "1"
    code, text = site.says("approve", change)
    assert (code, f"{person()} proposed {change}" in text, "more than 50" in text) == (1, True, True), text
    digest = site.shows(change)["digest"]
    assert site.asks(f"/{change}/approve", reason="fine", digest="sha256:another").status_code == 409
    answer = site.asks(f"/{change}/approve", reason="fine", digest=digest)
    assert (answer.status_code, "is scheduled for" in answer.json()["answer"]) == (200, True), answer.text
    row = site.waits_for(change, lambda one: one["state"] == "awaiting_review")
    assert (row["result"]["outcome"], row["approved"]["who"]) == ("done", "li"), row
    assert row["result"]["took_s"] > 0
    assert row["result"]["cost"] == pytest.approx(row["result"]["took_s"] * 10, rel=0.01)
    assert (site.folder / "release").read_text() == "2"
    assert row["result"]["detail"].startswith("restored after")
    assert site.says("review", change)[0] == 1
    assert site.says("review", change, "--reason", "as planned") == (0, f"{change} is reviewed")
    code, text = site.says("show", change)
    assert (code, "reviewed by" in text, "as planned" in text) == (0, True, True), text
    (listed,) = site.asks("").json()["items"]
    assert (listed["id"], listed["state"], listed["is_over"]) == (change, "reviewed", True)


def test_a_change_whose_check_fails_is_undone(site: Site) -> None:
    change = site.proposed()
    assert site.says("dry-run", change)[0] == 0
    (site.folder / "healthy").write_text("1")
    assert site.asks(f"/{change}/approve", reason="fine").status_code == 200
    row = site.waits_for(change, lambda one: one["state"] == "awaiting_review")
    assert row["result"]["outcome"] == "rolled_back", row
    assert "not restored" in row["result"]["detail"]
    assert (site.folder / "release").read_text() == "1"


def test_what_would_break_an_objective_is_refused_with_numbers(site: Site) -> None:
    code, text = site.says("propose", "migration")
    assert (code, "checkout promises 99.9% in 30d, which allows 43m12s down" in text) == (1, True), text
    code, text = site.says("windows", "migration")
    assert (code, "No window will do." in text) == (1, True), text


def test_what_is_asked_of_a_change_that_is_not_there_is_refused(site: Site) -> None:
    assert site.says("approve", "c0")[0] == 1
    assert site.says("show", "c0")[0] == 2
    assert site.says("windows", "nothing")[0] == 2
    assert site.asks("/c0").status_code == 404
    assert site.asks("/c0/reject", reason="no").status_code == 404
    assert site.asks("", name="nothing", reason="x").status_code == 409
