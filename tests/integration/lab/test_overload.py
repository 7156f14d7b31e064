"""Web servers that fall over when they get too much, behind a real HAProxy: without the engine they do, one after the
other, and nobody can pay any more; with it weights move before, and nobody who wants to pay fails.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.shop import CHECKOUT

Json = dict[str, Any]
_LONGEST_S = 200
WEBS = {"web-1", "web-2", "web-3"}


def _started(folder: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lab.overload", *options],
        cwd=CHECKOUT,
        env={**os.environ, "BSM_LAB_DIR": str(folder), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def ground() -> Iterator[Path]:
    """Where the shops may put their files; the path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="bsm-", dir="/tmp") as made:
        yield Path(made)


@pytest.fixture(scope="module")
def told(ground: Path) -> Json:
    """One overload of both shops, as figures; beside them what was said, and what was left behind."""
    playing = _started(ground / "lab", "-o", "json")
    output, said = playing.communicate(timeout=_LONGEST_S)
    assert playing.returncode == 0, f"{output}\n{said}"
    return {**json.loads(output), "said": said, "left": _left_behind(ground / "lab")}


@pytest.fixture(autouse=True)
def shown(told: Json) -> None:
    """What a failing test shows."""
    sys.stdout.write(told["said"] + json.dumps({name: told[name] for name in ("without", "with", "lead_s")}, indent=1))


def test_without_the_engine_servers_fall_over_by_their_load_and_nobody_can_pay(told: Json) -> None:
    without = told["without"]
    assert set(without["fell_over_s"]) == WEBS
    assert min(without["fell_over_s"], key=without["fell_over_s"].get) == "web-3"  # which gets half of it all
    assert all(words.startswith("SIGKILL: out of memory") for words in without["last_words"].values())
    assert without["customers"]["checkout"]["failed"] > 0
    assert without["customers"]["search"]["failed"] > 0
    assert without["runs"] == []


def test_with_the_engine_nobody_who_wants_to_pay_fails_and_no_server_falls_over(told: Json) -> None:
    engine = told["with"]
    assert engine["fell_over_s"] == {}
    checkout = engine["customers"]["checkout"]
    assert (checkout["failed"], checkout["turned_away"]) == (0, 0), engine["why_failed"]
    assert engine["customers"]["search"]["failed"] == 0, engine["why_failed"]
    came = told["without"]["customers"]["checkout"]
    assert checkout["answered"] == sum(came.values())  # the same customers came to both


def test_weights_move_before_the_fullest_server_has_all_that_it_can_serve(told: Json) -> None:
    assert told["with"]["weights_at_first"] == {"web-1": 0.25, "web-2": 0.25, "web-3": 0.5}
    assert told["with"]["greatest_use_before_move"] < 1
    assert told["lead_s"] > 0


def test_when_there_is_not_enough_for_everybody_a_part_of_the_cheaper_service_is_turned_away(told: Json) -> None:
    engine = told["with"]
    assert 0.05 < engine["greatest_shed"] < 0.6
    assert engine["customers"]["search"]["turned_away"] > 0
    assert engine["shed_at_last"] == {}


def test_normal_weights_return_once_it_is_quiet(told: Json) -> None:
    last = told["with"]["runs"][-1]
    assert "every member at or below 70%" in last["reason"]
    assert last["state"] == "succeeded"
    assert told["with"]["weights_at_last"] == {web: pytest.approx(1 / 3, abs=0.01) for web in sorted(WEBS)}


def test_it_leaves_nothing_behind(told: Json) -> None:
    assert told["left"] == []


def test_it_leaves_nothing_behind_when_it_is_interrupted(ground: Path) -> None:
    playing = _started(ground / "interrupted")
    assert playing.stdout is not None
    while "Starting the engine" not in (line := playing.stdout.readline()):
        assert line, "it has ended by itself"
    time.sleep(1)
    playing.send_signal(signal.SIGTERM)
    output, said = playing.communicate(timeout=_LONGEST_S)
    assert playing.returncode == 130, f"{output}\n{said}"
    assert "Interrupted" in output
    assert _left_behind(ground / "interrupted") == []


def _left_behind(folder: Path) -> list[str]:
    """The folder, and processes that know it from their arguments or environment."""
    found = [str(folder)] if folder.exists() else []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            arguments = (process / "cmdline").read_bytes()
            environment = (process / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in arguments + environment:
            found.append(arguments.replace(b"\0", b" ").decode(errors="replace"))
    return found
