"""The story: the same customers come to two shops at the same time, and only one of them has the engine."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lab.children import Children
from lab.overload.customers import FAILED
from lab.overload.scenario import MOST, TIDE, WEBS
from lab.overload.site import Site
from lab.overload.watching import Moment, Watcher

WITHOUT, WITH = "without the engine", "with the engine"
SHORT = {WITHOUT: "without", WITH: "with"}
_LOOK_EVERY_S = 0.5
_BEFORE_S = 1.0
_LONGEST_S = 60.0
"""After the last customer has come."""
_NOTED = 0.005
"""Difference of a share that is one."""


class Screen(Protocol):
    """Where it is told."""

    def say(self, text: str, *, at: float | None = None, style: str = "") -> None: ...

    def show(self, moments: Mapping[str, Moment]) -> None: ...


@dataclass
class Course:
    """What happened in one shop."""

    moments: list[Moment] = field(default_factory=list)
    died: dict[str, float] = field(default_factory=dict)
    """Server → when it was found dead."""
    deaths: dict[str, str] = field(default_factory=dict)
    """In its own last words."""
    moved_s: list[float] = field(default_factory=list)
    """When HAProxy was found with other weights."""
    customers: Mapping[str, Any] = field(default_factory=dict)
    """What they told last."""

    @property
    def last(self) -> Moment:
        return self.moments[-1]

    def use_until(self, at_s: float) -> float:
        """The greatest share of what a server can serve at all that any of them got until then."""
        seen = [one.rate / MOST for moment in self.moments if moment.at_s <= at_s for one in moment.servers.values()]
        return max(seen, default=0.0)


def play(folder: Path, children: Children, screen: Screen, prices: Mapping[str, float]) -> dict[str, Course]:
    """The whole story. Raises `RuntimeError` when it can't be told."""
    began = time.monotonic()
    screen.say("Starting two shops, each of three web servers, HAProxy and Prometheus ...")
    sites = {name: Site(folder / short, children) for name, short in SHORT.items()}
    for site in sites.values():
        site.launch()
    for site in sites.values():
        site.wait_until_up()
    screen.say("Starting the engine of one of them (bsm-remediate serve) ...")
    sites[WITH].start_engine()
    screen.say(f"Both are up after {time.monotonic() - began:.0f} s. The same customers come to both.", style="green")
    begin_at = time.monotonic() + _BEFORE_S
    for site in sites.values():
        site.open_doors(begin_at)
    story = _Story(sites, screen, prices)
    while not story.is_over:
        at_s = time.monotonic() - begin_at
        if at_s > TIDE.ends_s + _LONGEST_S:
            raise RuntimeError("the customers are still there though their time is over")
        story.look(at_s)
        time.sleep(_LOOK_EVERY_S)
    for name, site in sites.items():
        story.courses[name].customers = site.customers()
        story.courses[name].deaths = {web: site.death_of(web) for web in WEBS if not site.is_alive(web)}
    return story.courses


class _Story:
    """Both shops, and what has been said of them."""

    def __init__(self, sites: Mapping[str, Site], screen: Screen, prices: Mapping[str, float]) -> None:
        self._screen = screen
        self._watchers = {name: Watcher(site, prices) for name, site in sites.items()}
        self.courses = {name: Course() for name in sites}
        self._told: set[tuple[str, str]] = set()
        self.is_over = False

    def look(self, at_s: float) -> None:
        for name, watcher in self._watchers.items():
            moment = watcher.look(at_s)
            course = self.courses[name]
            before = course.moments[-1] if course.moments else moment
            course.moments.append(moment)
            self._note(name, course, before, moment)
        latest = {name: course.last for name, course in self.courses.items()}
        self.is_over = all(moment.is_over for moment in latest.values())
        if not self.is_over:
            self._screen.show(latest)

    def _note(self, name: str, course: Course, before: Moment, now: Moment) -> None:
        for run in now.runs:
            self._once(name, f"run {run['id']}", f"the engine decides: {run['reason']}", now, "cyan")
        if _differ(before.weights(), now.weights()):
            course.moved_s.append(now.at_s)
            self._say(name, f"HAProxy's weights are {_shares(now.weights())}", now, "bold cyan")
        if _differ(before.shed, now.shed):
            self._say(name, f"HAProxy turns away {_shares(now.shed) or 'nobody any more'}", now, "bold cyan")
        for web, server in now.servers.items():
            if not server.is_alive and web not in course.died:
                course.died[web] = now.at_s
                self._say(name, f"{web} has fallen over", now, "bold red")
        for service, counts in now.customers.items():
            if counts[FAILED]:
                self._once(name, f"{service} fails", f"{service}: the first requests fail", now, "red")

    def _once(self, name: str, key: str, text: str, now: Moment, style: str) -> None:
        if (name, key) not in self._told:
            self._told.add((name, key))
            self._say(name, text, now, style)

    def _say(self, name: str, text: str, now: Moment, style: str) -> None:
        self._screen.say(f"{SHORT[name]:>7}: {text}", at=now.at_s, style=style)


def _differ(before: Mapping[str, float], now: Mapping[str, float]) -> bool:
    return any(abs(before.get(one, 0.0) - now.get(one, 0.0)) > _NOTED for one in {*before, *now})


def _shares(shares: Mapping[str, float]) -> str:
    named: Sequence[str] = [f"{name} {share:.0%}" for name, share in sorted(shares.items()) if share > 0]
    return ", ".join(named)
