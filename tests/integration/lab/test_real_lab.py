"""The lab of real parts: what it promises to those who play or test on it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lab.real.faults import break_, known_faults, mend
from lab.real.layout import MANAGED, PROGRAMS
from lab.real.shop import Lab


def test_everything_answers_and_customers_are_served(real_lab: Lab) -> None:
    assert [f"{one.name} on {one.host}" for one in PROGRAMS if not real_lab.answers(one)] == []
    assert (real_lab.page("/catalogue"), real_lab.page("/checkout", method="POST"), real_lab.report()) == (
        200,
        200,
        200,
    )


def test_each_host_is_reached_by_ssh_and_knows_its_name(real_lab: Lab) -> None:
    said = {host: real_lab.ssh(host, "echo $BSM_LAB_HOST").stdout.strip() for host in MANAGED}
    assert said == {host: host for host in MANAGED}


def test_ansible_reaches_every_host(real_lab: Lab) -> None:
    command = [str(Path(sys.executable).parent / "ansible"), "all", "-i", str(real_lab.layout.file("inventory.yml"))]
    done = subprocess.run([*command, "-m", "ping"], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.count("SUCCESS") == len(MANAGED), done.stdout + done.stderr


def test_a_host_whose_key_is_another_is_refused(real_lab: Lab) -> None:
    known_hosts = real_lab.layout.file("ssh/known_hosts")
    right = known_hosts.read_text()
    keys = [line.split(" ", 1)[1] for line in right.splitlines()]
    known_hosts.write_text(right.replace(keys[0], keys[1]))
    try:
        refused = real_lab.ssh(MANAGED[0], "true")
    finally:
        known_hosts.write_text(right)
    assert refused.returncode == 255
    assert "Host key verification failed" in refused.stderr


def test_what_customers_need_is_what_they_lose(real_lab: Lab) -> None:
    break_(real_lab, "cache")
    try:
        assert (real_lab.page("/catalogue"), real_lab.page("/checkout"), real_lab.report()) == (503, 200, 200)
    finally:
        mend(real_lab, "cache")


def test_a_fault_that_nobody_knows_is_refused_with_those_that_are(real_lab: Lab) -> None:
    with pytest.raises(ValueError, match="cache-poison"):
        break_(real_lab, "cash")
    assert len(known_faults()) == len(set(known_faults()))
