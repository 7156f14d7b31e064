"""The demo from its first line to its last: the order it chooses, and that it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.shop import CHECKOUT

_LONGEST_S = 120


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the demo may put its files; the path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="bsm-", dir="/tmp") as made:
        yield Path(made) / "lab"


def _started(folder: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lab.demo", *options],
        cwd=CHECKOUT,
        env={**os.environ, "BSM_LAB_DIR": str(folder), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _told(folder: Path, *options: str) -> str:
    demo = _started(folder, *options)
    output, _ = demo.communicate(timeout=_LONGEST_S)
    assert demo.returncode == 0, output
    return output


def _order(output: str) -> list[str]:
    line = next(line for line in output.splitlines() if line.startswith("Order chosen:"))
    return line.partition(":")[2].strip().split(", ")


def _left_behind(folder: Path) -> list[str]:
    """Processes that know the lab's folder from their arguments or environment."""
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            arguments = (process / "cmdline").read_bytes()
            environment = (process / "environ").read_bytes()
        except OSError:
            continue  # it has just ended, or is somebody else's
        if str(folder).encode() in arguments + environment:
            found.append(arguments.replace(b"\0", b" ").decode())
    return found


def test_what_the_business_needs_most_is_restored_first(folder: Path) -> None:
    output = _told(folder)
    assert _order(output) == ["database", "cache", "historian", "line", "web-2"]
    for service in ("checkout", "catalogue", "production-line"):
        assert f"Customers of {service} are served again" in output
    assert "api waits, it is a symptom" in output
    assert "first come (computed)" in output
    together = next(line for line in output.splitlines() if "together" in line)
    measured, first_come = (float(word) for word in together.replace("│", " ").split()[1:])
    assert measured < first_come
    assert not folder.exists()
    assert _left_behind(folder) == []


def test_another_goal_changes_the_order_and_a_damaged_database_fails_over(folder: Path) -> None:
    output = _told(folder, "--goal", "production-first", "--breaks", "database-disk,historian")
    assert _order(output) == ["historian", "database"]
    assert "▶ database: fail_over.yml on db2" in output
    assert _left_behind(folder) == []


def test_an_interrupted_demo_leaves_nothing_running(folder: Path) -> None:
    demo = _started(folder)
    assert demo.stdout is not None
    began = time.monotonic()
    for line in demo.stdout:
        if "▶" in line:
            break
        assert time.monotonic() - began < _LONGEST_S
    demo.send_signal(signal.SIGINT)
    output, _ = demo.communicate(timeout=30)
    assert demo.returncode == 130, output
    assert not folder.exists()
    assert _left_behind(folder) == []
