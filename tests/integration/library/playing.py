"""Real `ansible-playbook` runs of the shipped playbooks on hosts that are all this machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
PROGRAMS = Path(sys.executable).parent
LOCAL: dict[str, object] = {
    "ansible_connection": "local",
    "ansible_python_interpreter": "{{ ansible_playbook_python }}",
}


class Played(NamedTuple):
    """How one `ansible-playbook` ended."""

    succeeded: bool
    changed: int
    output: str


def play(
    playbook: str,
    folder: Path,
    variables: Mapping[str, object],
    *,
    host: str = "h1",
    check: bool = False,
    run: tuple[int, int] | None = None,
    hosts: Mapping[str, Mapping[str, object]] | None = None,
    through: tuple[str, ...] = (),
    bsm: Mapping[str, object] | None = None,
    times: int = 1,
) -> Played:
    """Play `playbook` on `host` with `variables`; with `run` (fence, attempt) as a run of the engine would.

    `times` plays it again in the same `ansible-playbook`, whose start takes longer than most tasks.
    `hosts` are the inventory's with their variables (default: h1, this machine). `through` goes before the command.
    """
    inventory = folder / "hosts.json"
    inventory.write_text(json.dumps({"all": {"vars": LOCAL, "hosts": hosts or {host: {}}}}))
    facts: dict[str, Any] = {**(bsm or {})}
    if run is not None:
        facts |= {"run": {"id": "run-1", "fence": run[0], "attempt": run[1]}, "component": {"id": "part-1"}}
    extra = folder / "extra.json"
    extra.write_text(json.dumps({**variables, **({"bsm": facts} if facts else {})}))
    command = [*through, str(PROGRAMS / "ansible-playbook"), "-i", str(inventory), "--limit", host, "-e", f"@{extra}"]
    command += [*(["--check"] if check else []), *[str(PLAYBOOKS / playbook)] * times]
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8", "ANSIBLE_PIPELINING": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=90)
    changed = sum(int(number) for number in re.findall(r"changed=(\d+)", done.stdout))
    return Played(done.returncode == 0, changed, done.stdout + done.stderr)


def does_its_work_once(playbook: str, folder: Path, variables: Mapping[str, object], **how: Any) -> Played:
    """Play for real, then once more: both must succeed, the first must change something and the second nothing."""
    both = play(playbook, folder, variables, times=2, **how)
    assert both.succeeded, both.output
    _, first, second = both.output.split("\nPLAY [")[:3]
    assert "\nchanged: [" in first, both.output
    assert "\nchanged: [" not in second, both.output
    return both


def only_looks_in_check_mode(playbook: str, folder: Path, variables: Mapping[str, object], **how: Any) -> Played:
    """Play in check mode, which must succeed; whether it had an effect is for the test to see."""
    tried = play(playbook, folder, variables, check=True, **how)
    assert tried.succeeded, tried.output
    return tried


class Told(NamedTuple):
    """How a play ended for one of its hosts."""

    succeeded: bool
    changed: int
    said: str
    """The message of the task that failed, with what its command wrote to stderr; empty when none did."""


def play_each(playbook: str, folder: Path, cases: Mapping[str, Mapping[str, object]]) -> dict[str, Told]:
    """Play once for all `cases`, each on a host of that name whose inventory has the case's variables."""
    played = play(playbook, folder, {}, host="all", hosts=cases)
    told = {}
    for host in cases:
        recap = re.search(rf"^{host} +: .*?changed=(\d+) +unreachable=(\d+) +failed=(\d+)", played.output, re.MULTILINE)
        assert recap is not None, played.output
        fatal = re.findall(rf"^fatal: \[{host}( ->[^]]*)?\].*?(\{{.*?\}})$", played.output, re.MULTILINE | re.DOTALL)
        result = json.loads(fatal[-1][1]) if fatal else {}  # those before the last were rescued
        said = f"{result.get('msg', '')} {result.get('stderr', '')} {result.get('stdout', '')}".strip()
        told[host] = Told(recap[2] == recap[3] == "0", int(recap[1]), said)
    return told


def refusals(playbook: str, folder: Path, *cases: Mapping[str, object]) -> list[str]:
    """What `playbook` says to each of these sets of variables, all tried in one run; none may be let through."""
    named = {f"case{number}": case for number, case in enumerate(cases)}
    told = play_each(playbook, folder, named)
    for name, one in told.items():
        assert (one.succeeded, one.changed) == (False, 0), f"{named[name]} was not refused"
    return [one.said for one in told.values()]
