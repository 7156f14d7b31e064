"""`make lab` and `make lab-down` of a plain user: everything runs, and nothing is left."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.real.layout import CHECKOUT, PROGRAMS, Layout
from lab.real.processes import is_alive, of_lab

_SOMEBODY = "postgres"
"""A plain account with a shell, which is there wherever PostgreSQL is installed."""
_PYTHON = "/usr/bin/python3"
"""Root's virtual environment may be in a place that others can't enter; the lab needs the standard library alone."""


class PlainUser:
    """The lab's command as somebody without rights calls it; that is this user, if he is one."""

    def __init__(self, folder: Path) -> None:
        self.lab = folder / "lab"
        self._copy = folder / "checkout"
        for part in ("lab", "examples", "playbooks"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(CHECKOUT / part, self._copy / part, ignore=ignored)

    def lab_command(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [_PYTHON, "-B", "-m", "lab.real", *words]
        if os.geteuid() == 0:
            command = ["setpriv", f"--reuid={_SOMEBODY}", f"--regid={_SOMEBODY}", "--init-groups", *command]
        environment = {"BSM_LAB_DIR": str(self.lab), "HOME": str(self._copy), "PATH": os.environ["PATH"]}
        return subprocess.run(
            command, cwd=self._copy, env=environment, capture_output=True, text=True, check=False, timeout=120
        )


@pytest.fixture
def plain_user() -> Iterator[PlainUser]:
    folder = Path(tempfile.mkdtemp(prefix="bsm-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        made = PlainUser(folder)
        if os.geteuid() == 0:
            shutil.chown(folder, _SOMEBODY)
        yield made
        made.lab_command("down")
    finally:
        shutil.rmtree(folder)


def test_a_plain_user_starts_it_breaks_it_mends_it_and_clears_it_away(plain_user: PlainUser) -> None:
    up = plain_user.lab_command("up")
    assert up.returncode == 0, up.stdout + up.stderr
    assert "bsm-remediate serve" in up.stdout
    again = plain_user.lab_command("up")
    assert (again.returncode, "make lab-down" in again.stderr) == (1, True)
    layout = Layout.load(plain_user.lab)
    assert plain_user.lab_command("status").stdout.count(" answers") == len(PROGRAMS)
    assert "kill -9" in plain_user.lab_command("break", "web-2", "hang@cache", "ssh@web1").stdout
    broken = plain_user.lab_command("status")
    assert (broken.returncode, broken.stdout.count("DOES NOT ANSWER")) == (1, 2)
    mended = plain_user.lab_command("mend")
    assert mended.returncode == 0, mended.stderr
    assert plain_user.lab_command("status").returncode == 0
    processes = of_lab(layout)
    assert len(processes) > len(PROGRAMS)
    down = plain_user.lab_command("down")
    assert down.returncode == 0, down.stderr
    assert [pid for pid in processes | of_lab(layout) if is_alive(pid)] == []
    assert not plain_user.lab.exists()
    assert "No lab runs" in plain_user.lab_command("down").stderr
