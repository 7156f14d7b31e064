"""`make lab-overload`: three web servers behind HAProxy get more and more, once without the engine and once with it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime

from rich.console import Console

from bsm_remediate.config.loader import load_bundle
from bsm_remediate.domain.loss import Prices
from lab.children import Children
from lab.overload.results import document, sentence, table
from lab.overload.screen import screen_for
from lab.overload.site import EXAMPLE
from lab.overload.story import WITH, play
from lab.real.packages import PackagesMissing, program
from lab.shop import end_on_signals, lab_folder
from lab.staged import staged

_PROGRAMS = ("haproxy", "prometheus")


def main() -> int:
    given = _options()
    end_on_signals()
    # Where the figures go to standard output, the story goes beside it.
    is_json = given.output == "json"
    console = Console(highlight=False, stderr=is_json, width=None if sys.stdout.isatty() else 140)
    try:
        for name in _PROGRAMS:
            program(name)
    except PackagesMissing as error:
        print(error, file=sys.stderr)
        return 1
    screen, folder = screen_for(console), lab_folder()
    began = time.monotonic()

    def told(children: Children) -> int:
        courses = play(folder, children, screen, _prices())
        screen.close()
        if is_json:
            print(json.dumps(document(courses), indent=1))
        else:
            screen.table(table(courses))
        screen.say(f"{sentence(courses)} All took {time.monotonic() - began:.0f} s.")
        return 0 if courses[WITH].last.failed("checkout") == 0 else 1

    return staged(told, folder=folder, screen=screen, say=screen.say, name="The lab")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lab.overload", description=str(__doc__).partition("\n")[0])
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    return parser.parse_args()


def _prices() -> dict[str, float]:
    """Service → loss per minute, by the bundle."""
    loaded = load_bundle(EXAMPLE / "policies", inventory=None, playbooks=None, scrutinise=False)
    if loaded.bundle is None:
        raise RuntimeError(f"the bundle in {EXAMPLE} is invalid: {loaded.findings}")
    prices = Prices(loaded.bundle.calendars, datetime.now(UTC))
    return {name: prices.full(service) for name, service in loaded.bundle.service_map.services.items()}


if __name__ == "__main__":
    sys.exit(main())
