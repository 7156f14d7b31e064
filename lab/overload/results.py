"""What came of it: how many requests failed with and without the engine, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from lab.overload.customers import ANSWERED, FAILED, TURNED_AWAY
from lab.overload.scenario import TIDE
from lab.overload.story import WITH, WITHOUT, Course

Json = dict[str, Any]


def document(courses: Mapping[str, Course]) -> Json:
    """All figures."""
    found: Json = {name: _shop(course) for name, course in courses.items()}
    return {"without": found[WITHOUT], "with": found[WITH], "lead_s": lead_s(courses)}


def _shop(course: Course) -> Json:
    first_move = course.moved_s[0] if course.moved_s else None
    return {
        "customers": course.customers["services"],
        "why_failed": course.customers["why"],
        "slowest_answer_s": course.customers["slowest_s"],
        "fell_over_s": {web: round(at_s, 1) for web, at_s in course.died.items()},
        "last_words": course.deaths,
        "weights_moved_s": [round(at_s, 1) for at_s in course.moved_s],
        "greatest_use": round(course.use_until(float("inf")), 3),
        "greatest_use_before_move": round(course.use_until(first_move), 3) if first_move is not None else None,
        "longest_queue": max(one.queue for moment in course.moments for one in moment.servers.values()),
        "weights_at_first": course.moments[0].weights(),
        "weights_at_last": course.last.weights(),
        "greatest_shed": max((share for moment in course.moments for share in moment.shed.values()), default=0.0),
        "shed_at_last": dict(course.last.shed),
        "runs": [
            {name: run[name] for name in ("component", "playbook", "state", "reason", "outcome")}
            for run in course.last.runs
        ],
    }


def lead_s(courses: Mapping[str, Course]) -> float | None:
    """By how long weights moved before the first server falls over where nobody moves them; None: one of both never
    happened.
    """
    moved, died = courses[WITH].moved_s, courses[WITHOUT].died
    return round(min(died.values()) - moved[0], 1) if moved and died else None


def table(courses: Mapping[str, Course]) -> Table:
    made = Table(title="Requests, the same customers for both")
    made.add_column("service")
    for name in courses:
        for title in (f"failed {name}", "turned away", "answered"):
            made.add_column(title, justify="right")
    for service in TIDE.services:
        counts = [course.customers["services"][service] for course in courses.values()]
        made.add_row(service, *(str(one[how]) for one in counts for how in (FAILED, TURNED_AWAY, ANSWERED)))
    return made


def sentence(courses: Mapping[str, Course]) -> str:
    without, engine = courses[WITHOUT], courses[WITH]
    parts = [f"Without the engine {len(without.died)} of 3 web servers fell over, with it {len(engine.died)}."]
    lead = lead_s(courses)
    if lead is not None:
        use = engine.use_until(engine.moved_s[0])
        parts.append(
            f"Weights moved {lead:.0f} s before the first one would have, when the fullest was at {use:.0%} of what it "
            "can serve at all."
        )
    return " ".join(parts)
