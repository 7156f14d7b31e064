"""The demo: a shop of real processes is broken in several places at once, and brought back in business order."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bsm_remediate.config.loader import load_bundle
from bsm_remediate.domain.bundle import Bundle
from lab.children import Children
from lab.customers import Customers
from lab.engine import Engine
from lab.results import account_of, show_results
from lab.screen import Screen, screen_for
from lab.shop import CHECKOUT, DISK_FAULT, FAULTS, Shop, end_on_signals, lab_folder, open_shop
from lab.staged import staged
from lab.story import Story

BREAKS = ("web-2", "historian", "line", "cache", "database")
_LONGEST_S = 100.0
_SETTLED_S = 1.5


def main() -> int:
    given = _options()
    end_on_signals()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    screen, folder = screen_for(console), lab_folder()
    return staged(
        lambda children: play(screen, folder, children, goal=given.goal, breaks=given.breaks),
        folder=folder,
        screen=screen,
        say=lambda text: console.print(text, markup=False, soft_wrap=True),
        name="The demo",
    )


def play(screen: Screen, folder: Path, children: Children, *, goal: str, breaks: Sequence[str]) -> int:
    """The whole story; 0 when all customers are served again."""
    began = time.monotonic()
    bundle = _bundle(goal)
    screen.say("Starting the shop: 9 processes on 8 hosts, each host with a supervisor of its own ...")
    shop = open_shop(children, folder)
    screen.say("Starting the engine (bsm-remediate serve) and the shop's monitoring ...")
    engine = Engine.start(children, shop, goal=goal, token=secrets.token_urlsafe(24))
    engine.watch(children, shop)
    engine.follow()
    customers = Customers(shop.network)
    customers.start()
    _wait_until_all_is_well(engine, customers)
    took = time.monotonic() - began
    screen.say(f"All is well after {took:.0f} s: customers are served, nothing alerts.", style="green")
    _break(screen, shop, breaks)
    story = Story(screen, engine, customers, bundle, goal)
    restored = _follow(story)
    engine.unfollow()
    screen.close()
    if not restored:
        screen.say(f"Not restored within {_LONGEST_S:.0f} s.", style="bold red")
    account = account_of(story, bundle, goal, breaks)
    show_results(screen, account, story, breaks)
    screen.say(f"The whole demo took {time.monotonic() - began:.0f} s.")
    return 0 if restored else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./demo", description=__doc__)
    parser.add_argument("--goal", default="default", help="default, or production-first: changes the order")
    parser.add_argument(
        "--breaks",
        type=lambda text: tuple(text.split(",")),
        default=BREAKS,
        metavar="A,B",
        help=f"what to break, in this order (default {','.join(BREAKS)}); of {', '.join(FAULTS)}; "
        f"{DISK_FAULT} damages its data too, so that only the standby helps",
    )
    given = parser.parse_args()
    unknown = [one for one in given.breaks if one not in FAULTS]
    if unknown:
        parser.error(f"can't break {', '.join(unknown)}; known are {', '.join(FAULTS)}")
    if len({one.removesuffix("-disk") for one in given.breaks}) < len(given.breaks):
        parser.error("each thing can be broken once")
    return given


def _bundle(goal: str) -> Bundle:
    loaded = load_bundle(CHECKOUT / "policies", inventory=None, playbooks=None, scrutinise=False)
    if loaded.bundle is None:
        raise RuntimeError("the bundle in policies/ is invalid; see `bsm-remediate check`")
    if goal not in loaded.bundle.goals:
        raise RuntimeError(f"there is no goal '{goal}', only {', '.join(loaded.bundle.goals)}")
    return loaded.bundle


def _wait_until_all_is_well(engine: Engine, customers: Customers) -> None:
    deadline = time.monotonic() + 20
    while True:
        alerts = engine.listing("alerts")
        if not alerts and customers.are_all_served():
            break
        if time.monotonic() > deadline:
            raise RuntimeError(f"the shop isn't well before anything was broken: {alerts or customers.outages}")
        time.sleep(0.2)
    for outage in customers.outages.values():
        outage.seconds = 0.0


def _break(screen: Screen, shop: Shop, breaks: Sequence[str]) -> None:
    screen.say("Now several things break at once:")
    pids = {fault: shop.pid("database" if fault == DISK_FAULT else fault) for fault in breaks}
    for fault in breaks:
        shop.break_(fault, pids[fault])
        damage = " and its data damaged" if fault == DISK_FAULT else ""
        screen.say(f"  kill -9 {pids[fault]:>6}  {fault}{damage}", style="red")


def _follow(story: Story) -> bool:
    quiet_since: float | None = None
    while story.elapsed_s < _LONGEST_S:
        story.look()
        if not story.is_over():
            quiet_since = None
        elif quiet_since is None:
            quiet_since = time.monotonic()
        elif time.monotonic() - quiet_since > _SETTLED_S:
            return True
        time.sleep(0.2)
    return False


if __name__ == "__main__":
    sys.exit(main())
