"""What happens while the shop is being restored: read from the engine and from customers, told to the screen."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from queue import Empty
from typing import Any

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.loss import Prices
from lab.customers import Customers
from lab.engine import Engine
from lab.screen import Picture, Screen

_ACTIVE = {"queued", "running", "verifying"}
_ENDS = {
    "run.failed": "bold red",
    "run.escalated": "bold red",
    "run.rolled_back": "bold red",
    "run.cancelled": "yellow",
}


@dataclass(slots=True)
class _Seen:
    """What was told already."""

    plan: tuple[str, ...] = ()
    held: frozenset[str] = frozenset()
    down: frozenset[str] = frozenset()


class Story:
    """Begins when things are broken."""

    def __init__(self, screen: Screen, engine: Engine, customers: Customers, bundle: Bundle, goal: str) -> None:
        self._screen = screen
        self._engine = engine
        self._customers = customers
        self._bundle = bundle
        self._goal = goal
        self._begin = time.monotonic()
        self.began_at = datetime.now(UTC)
        self._seen = _Seen()
        self._component_of: dict[str, str] = {}
        self._doing: dict[str, str] = {}
        self.runs: list[dict[str, Any]] = []
        """Rows of the engine's `/runs`, oldest first."""
        self.steps: list[dict[str, Any]] = []
        self.changed_at: dict[str, str] = {}
        """By run: when its playbook had changed the last thing."""
        self.playbook_ended_at: dict[str, str] = {}
        """By run."""
        self.chosen: list[str] = []
        """Components in the order in which their first runs began."""

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._begin

    def outages(self) -> dict[str, float]:
        """Seconds that the customers of each service were turned away."""
        return {service: outage.seconds for service, outage in self._customers.outages.items()}

    def is_over(self) -> bool:
        """Whether customers are served, something was done, and the engine has nothing more to do."""
        active = any(run["state"] in _ACTIVE for run in self.runs)
        return bool(self.runs) and not active and not self.steps and self._customers.are_all_served()

    def look(self) -> None:
        """Read everything once, tell what is new."""
        plan = self._engine.get("/api/v1/plan")
        services = self._engine.listing("services")
        self.runs = self._engine.listing("runs")[::-1]
        self.steps = plan["steps"]
        self._tell_plan(plan)
        self._tell_journal()
        self._tell_customers()
        sold, prices = self._bundle.service_map.services, Prices(self._bundle.calendars, self.began_at)
        lost = sum(prices.full(sold[NodeId(one)]) * seconds / 60 for one, seconds in self.outages().items())
        self._screen.show(
            Picture(
                elapsed_s=self.elapsed_s,
                currency=self._bundle.currency,
                goal=self._goal,
                loss_per_minute=plan["loss_per_minute"],
                lost=lost,
                services=services,
                steps=self.steps,
                running=dict(self._doing),
                customers=self._customers.outages,
            )
        )

    # --- telling ---------------------------------------------------------------------------------------------------

    def _say(self, text: str, style: str = "") -> None:
        self._screen.say(text, at=self.elapsed_s, style=style)

    def _tell_plan(self, plan: dict[str, Any]) -> None:
        order = tuple(step["component"] for step in plan["steps"])
        if order and not _is_part_of(order, self._seen.plan):
            if not self._seen.plan:
                self._tell_impact(plan)
            started = [run for run in self.runs if run["state"] in _ACTIVE]
            what = "changes" if self._seen.plan else f"by goal {plan['goal']}"
            self._seen.plan = (*(run["component"] for run in started), *order)
            self._say(f"The plan {what}:", "bold")
            for place, step in enumerate([*started, *plan["steps"]], start=1):
                self._say(f"  {place}. {step['component']}: {step['playbook']}; {step['reason']}")
        held = frozenset(
            f"{one['component']} waits, it is a symptom: {one['reason']}"
            for one in plan["held"]
            if one["verdict"] == "symptom" and one["component"] not in self._seen.held
        )
        for text in sorted(held):
            self._say(f"  {text}")
        self._seen.held |= {text.partition(" ")[0] for text in held}

    def _tell_impact(self, plan: dict[str, Any]) -> None:
        self._say(f"The engine sees a loss of {plan['loss_per_minute']:.2f} {plan['currency']}/min:", "bold red")
        for service in plan["services"]:
            causes = ", ".join(service["causes"])
            loss = f"{service['loss_per_minute']:.2f} {plan['currency']}/min"
            self._say(f"  {service['id']} is {service['state']}, {loss}, because of {causes}")

    def _tell_journal(self) -> None:
        while True:
            try:
                event = self._engine.journal.get_nowait()
            except Empty:
                return
            if event["kind"] == "run.task" and event["facts"]["status"] == "changed":
                self.changed_at[event["subject"]] = event["at"]
            if event["kind"] == "run.playbook_ended":
                self.playbook_ended_at[event["subject"]] = event["at"]
            self._tell_event(event["kind"], event["subject"], event["facts"])

    def _tell_event(self, kind: str, run: str, facts: dict[str, Any]) -> None:
        component = self._component_of.get(run, str(facts.get("component", "")))
        if kind == "run.started":
            self._component_of[run] = component
            if component not in self.chosen:
                self.chosen.append(component)
            self._doing[component] = f"{facts['playbook']} on {', '.join(facts['hosts'])}"
            self._say(f"▶ {component}: {self._doing[component]}", "bold yellow")
        elif kind == "run.task":
            took = f" ({facts['duration_s']:.1f} s)" if "duration_s" in facts else ""
            self._doing[component] = str(facts["task"])
            self._say(f"    {component}: {facts['task']}: {facts['status']}{took}")
        elif kind == "run.checks_hold":
            self._doing[component] = "checks hold"
        elif kind == "run.succeeded":
            self._doing.pop(component, None)
            self._say(f"✔ {component}: {facts.get('outcome', 'restored')}", "green")
        elif kind in _ENDS:
            self._doing.pop(component, None)
            self._say(f"✘ {component}: {facts.get('outcome', kind)}", _ENDS[kind])

    def _tell_customers(self) -> None:
        down = frozenset(one for one, outage in self._customers.outages.items() if not outage.is_served)
        for service in sorted(down - self._seen.down):
            self._say(f"Customers of {service} are turned away.", "red")
        for service in sorted(self._seen.down - down):
            seconds = self._customers.outages[service].seconds
            self._say(f"Customers of {service} are served again, after {seconds:.1f} s.", "bold green")
        self._seen.down = down


def _is_part_of(order: tuple[str, ...], known: tuple[str, ...]) -> bool:
    """Whether `order` is what is left of `known`."""
    rest = iter(known)
    return all(component in rest for component in order)
