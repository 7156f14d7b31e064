"""Attempts: in which order alternatives are tried on one component, and which are worth trying.

An attempt costs its duration and succeeds with its chance, given that those before it failed; when all have failed, a
person has it, which costs a time too. The expected time is least by chance over duration, and an attempt pays while its
chance saves more of the person's time than it takes (Kadane 1969).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from bsm_remediate.domain.policy import Alternative

BY_A_PERSON = timedelta(minutes=30)
"""How long a person takes to mend something, unless `settings: person` says."""
_SHORTEST_S = 1.0


def by_gain(alternatives: Iterable[Alternative]) -> list[Alternative]:
    """The best first; of equal ones those that were first."""
    return sorted(alternatives, key=lambda one: -one.success / max(one.duration.total_seconds(), _SHORTEST_S))


def worth_trying(alternatives: Sequence[Alternative], person: timedelta) -> list[Alternative]:
    """The first, and of the others those that save more of a person's time, `person`, than they take."""
    return [one for place, one in enumerate(alternatives) if not place or one.success * person > one.duration]
