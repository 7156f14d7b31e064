"""Why each step of a plan has its place, and what would have to change for the next one to come first, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bsm_remediate.domain.case import Scene
from bsm_remediate.domain.duration import format_duration
from bsm_remediate.domain.ids import NodeId
from bsm_remediate.domain.ordering.circuit import Var
from bsm_remediate.domain.ordering.course import Courses
from bsm_remediate.domain.ordering.order import Ordering
from bsm_remediate.domain.ordering.planner import WORTH_CHANGING
from bsm_remediate.domain.ordering.purpose import Purpose
from bsm_remediate.domain.policy import Alternative

_NO_PART = 1e-9
"""Of the loss: so little more is none."""
_NEARLY = 0.02
"""Of what the other order loses more: so little is left at the time from which on it is said to lose less."""
_MOST_COMPARED = 12
"""Steps that are compared with their next: each takes judging a few whole orders, and nobody reads a thousand."""
_WORK_OF_COMPARISONS, _FEWEST_COMPARED = 500_000, 3
"""Jobs and gates that are judged for it, all together; some 100 ms."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A step beside the next one."""

    before_next: str = ""
    flips: str = ""


class Wording:
    """Explains an order to people."""

    def __init__(self, scene: Scene, courses: Courses, order: Sequence[Var], why: Mapping[Var, Purpose]) -> None:
        self._scene = scene
        self._courses = courses
        self._order = order
        self._why = why
        self._times = courses.times(order)
        self._loss = courses.lost(self._times)
        judged = 5 * (len(courses.circuit.jobs) + len(courses.circuit.gates))
        self._compared = min(max(_WORK_OF_COMPARISONS // max(judged, 1), _FEWEST_COMPARED), _MOST_COMPARED)
        self._most = max((one.density for one in why.values()), default=0.0)
        self._services: dict[Var, list[NodeId]] = {}
        circuit = courses.circuit
        for node, not_down, ok in zip(circuit.services, circuit.not_down, circuit.ok, strict=True):
            for var in {not_down, ok}:
                self._services.setdefault(var, []).append(node)

    def reason(self, var: Var, *, is_first: bool) -> str:
        """What the loss is that the job of `var` helps to stop."""
        purpose = self._why[var]
        if not purpose.valued:
            return "stops no loss by itself; restores redundancy or what nobody sells"
        names = sorted({node for one in purpose.valued for node in self._services.get(one, ())})
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        is_most = is_first and purpose.density >= self._most * (1 - 1e-9)
        rank = ", the most per minute of work" if is_most else f", {purpose.density * 3600:.2f} per minute of work"
        verb = "needs" if len(names) == 1 else "need"
        return f"stops {self._rate(purpose)}{rank} ({shown} {verb} {purpose.work_s:.0f} s of work)"

    def comparison(self, begun: Sequence[Var], place: int) -> Comparison:
        """The step at `place` beside the one that starts next; empty for the last, and far down a long plan."""
        if place >= self._compared or place + 1 >= len(begun):
            return Comparison()
        one, next_ = begun[place], begun[place + 1]
        mine, other = self._why[one], self._why[next_]
        if mine is other:
            return Comparison(before_next="both are needed for the same, the order of the two plays no part")
        if not mine.valued or not other.valued:
            return Comparison(before_next="the next stops no loss by itself" if mine.valued else "")
        turned = self._turned(mine, other)
        turned_times = self._courses.times(turned)
        worse = self._courses.lost(turned_times) - self._loss
        unit = self._unit
        before = (
            f"{mine.density * 3600:.2f} {unit} per minute of work against {other.density * 3600:.2f}; "
            f"the other way round loses {max(worse, 0.0):.2f} more"
        )
        if worse <= _NO_PART * self._loss:
            return Comparison(before_next=before)
        limits = [
            f"takes over {mine.work_s + longer:.0f} s of work" if (longer := self._longer(one, turned, worse)) else "",
            f"stops under {mine.rate * part * 60:.2f} {unit}/min"
            if (part := self._part(mine, turned_times, worse))
            else "",
        ]
        flips = " or ".join(filter(None, limits))
        return Comparison(before_next=before, flips=f"the next comes first once this {flips}" if flips else "")

    def _longer(self, job: Var, turned: Sequence[Var], worse: float) -> float:
        """How many seconds longer `job` must take for the order `turned` to lose no more; 0: no such time is known."""
        tried = self._courses.circuit.jobs[job].work_s

        def still_worse(seconds: float) -> float:
            courses = self._courses.with_longer(job, seconds)
            return courses.loss(turned) - courses.loss(self._order)

        slope = (worse - still_worse(tried)) / tried
        found = worse / slope if slope > 0 else 0.0
        # A straight line, unless executors, locks or calendars bend it: so it is tried.
        return found if found and still_worse(found * 1.001) <= worse * _NEARLY else 0.0

    def _part(self, mine: Purpose, turned_times: Sequence[float], worse: float) -> float:
        """The part of what `mine` stops at which the other order is as good; 0: it isn't, whatever that is worth."""
        curves = dict(self._courses.circuit.valued)
        delay = sum(curves[var].until(turned_times[var]) - curves[var].until(self._times[var]) for var in mine.valued)
        return max(1 - worse / delay, 0.0) if delay > 0 else 0.0

    def _turned(self, mine: Purpose, other: Purpose) -> list[Var]:
        """The order with the other's jobs right before mine."""
        moved = set(other.jobs)
        first = next(place for place, var in enumerate(self._order) if var in mine.jobs)
        rest = [var for var in self._order[first:] if var not in moved]
        return [*self._order[:first], *(var for var in self._order[first:] if var in moved), *rest]

    @property
    def _unit(self) -> str:
        return self._scene.bundle.currency

    def _rate(self, purpose: Purpose) -> str:
        amount = f"{purpose.rate * 60:.2f} {self._unit}/min"
        goal = self._scene.bundle.goals[self._scene.situation.goal]
        if all(weight == 1 for weight in goal.weights.values()):
            return amount
        services = self._scene.bundle.service_map.services
        weights = {
            goal.weight(services[node].function) for one in purpose.valued for node in self._services.get(one, ())
        }
        return amount if weights <= {1.0} else f"{amount} weighted by goal {goal.name}"


def learned_words(written: Alternative, learned: Alternative, runs: int) -> str:
    """What past runs say beside what is written."""
    times = f"usually {format_duration(learned.duration)}, {format_duration(written.duration)} is written"
    return f"{times}; succeeds in {learned.success:.0%}, {written.success:.0%} is written (learned from {runs} runs)"


def kept_words(ordering: Ordering) -> str:
    """Why the standing order stays though a better one was found."""
    if not ordering.would_save:
        return ""
    return (
        f"the order stands as it was announced: another would save {ordering.would_save:,.2f} of"
        f" {ordering.loss:,.2f}, less than {WORTH_CHANGING:.0%}"
    )
