"""`python -m lab.real up | down | status | break FAULT... | mend [FAULT...] | reload | faults`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time

from lab.real.faults import break_, known_faults, mend, mend_all
from lab.real.hosts import supervisorctl
from lab.real.layout import PROGRAMS, Layout, default_folder
from lab.real.monitoring import reload
from lab.real.packages import PackagesMissing
from lab.real.processes import engine_of_lab
from lab.real.shop import Lab

_ENGINE_READS_S = 3.0
"""Until the engine has looked at its inventory and playbooks again."""


def main() -> int:
    given = _options()
    if given.command == "down" and given.after_input:
        # Whoever holds the other end may die by any means: the pipe ends with him.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.stdin.buffer.read()
    try:
        if given.command == "up":
            return _up()
        if given.command == "faults":
            print("\n".join(f"{name:<16} {what}" for name, what in known_faults().items()))
            return 0
        return _on_running(given, Lab.of())
    except FileNotFoundError:
        print(f"No lab runs in {default_folder()}: `make lab` starts one.", file=sys.stderr)
        return 0 if given.command == "down" else 3
    except (PackagesMissing, RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lab.real", description="The shop of real parts (docs/lab.md).")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start it")
    down = commands.add_parser("down", help="end every process of it and remove its files")
    down.add_argument("--after-input", action="store_true", help="once standard input has ended (for the tests)")
    commands.add_parser("status", help="what runs, and where")
    commands.add_parser("faults", help="what can be broken")
    commands.add_parser("reload", help="let Prometheus, Alertmanager and the engine read their files again")
    commands.add_parser("break", help="break something").add_argument("fault", nargs="+")
    commands.add_parser("mend", help="mend by hand; everything, when nothing is named").add_argument("fault", nargs="*")
    return parser.parse_args()


def _up() -> int:
    folder = default_folder()
    if folder.exists():
        print(f"{folder} is there already: `make lab-down` clears it away.", file=sys.stderr)
        return 1
    began = time.monotonic()
    print(
        "Starting 7 hosts, HAProxy, nginx, Redis, PostgreSQL with a standby, Prometheus, Alertmanager ...", flush=True
    )
    lab = Lab.up(folder)
    print(_GUIDE.format(seconds=time.monotonic() - began, folder=folder, **_addresses(lab.layout)))
    return 0


def _addresses(layout: Layout) -> dict[str, str]:
    return {
        "shop": layout.url("lb1", "lb"),
        "prometheus": layout.url("mon", "prometheus"),
        "alertmanager": layout.url("mon", "alertmanager"),
        "pager_after": str(layout.pager_after_s),
    }


_GUIDE = """The lab runs (after {seconds:.0f} s); everything is in {folder}.

  shop          {shop}/catalogue and /checkout
  Prometheus    {prometheus}
  Alertmanager  {alertmanager}

What to type next, in a terminal of its own:

  . {folder}/env                   # goes to the lab's folder, finds its engine
  bsm-remediate serve                        # the engine; Alertmanager posts to it already

and in another:

  . {folder}/env
  lab break cache database
  watch -n 1 bsm-remediate status            # what is broken, what it costs, what is being done
  bsm-remediate runs                         # what was done
  tail -f {folder}/pages.jsonl     # who was paged: nobody, unless it burns for {pager_after} s

`lab faults` lists what can be broken; docs/lab.md adds an alert rule of your own.
`make lab-down` leaves nothing."""


def _on_running(given: argparse.Namespace, lab: Lab) -> int:
    match given.command:
        case "down":
            if engine_of_lab(lab.layout):
                print("The engine of this lab runs: it is ended too.")
            lab.down()
            print("Nothing is left of the lab.")
        case "break":
            unknown = [fault for fault in given.fault if fault not in known_faults()]
            if unknown:
                raise ValueError(f"can't break {', '.join(unknown)}; `lab faults` lists what can be")
            for fault in given.fault:
                print(break_(lab, fault))
        case "mend":
            for fault in given.fault:
                mend(lab, fault)
            if not given.fault:
                mend_all(lab)
            print("mended")
        case "reload":
            print(_reloaded(lab))
        case _:
            return _status(lab)
    return 0


def _reloaded(lab: Lab) -> str:
    reload(lab.layout)
    said = "Prometheus and Alertmanager have read their files again."
    engines = engine_of_lab(lab.layout)
    for pid in engines:
        os.kill(pid, signal.SIGHUP)
    if not engines:
        return f"{said} No engine of this lab runs."
    time.sleep(_ENGINE_READS_S)
    status, body = lab.get(lab.layout.engine_url + "/readyz")
    problems = json.loads(body).get("problems", []) if status in (200, 503) else [f"it answers {status}"]
    return f"{said} The engine too{': ' + '; '.join(problems) if problems else '.'}"


def _status(lab: Lab) -> int:
    healthy = True
    for one in PROGRAMS:
        answers = lab.answers(one)
        healthy = healthy and answers
        pid = supervisorctl(lab.layout, one.host, "pid", one.name)
        where = lab.layout.at(one.host, one.port)
        print(f"{one.host:<7} {one.name:<18} {where:<20} {pid:>7}  {'answers' if answers else 'DOES NOT ANSWER'}")
    for alertname, component in sorted(lab.firing()):
        print(f"alert   {alertname} {component}")
    return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main())
