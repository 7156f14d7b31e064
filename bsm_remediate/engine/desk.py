"""The desk at which people's controls are served: what every verb works on, and how it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.run import Run
from bsm_remediate.engine.picture import Picture
from bsm_remediate.records import Control, Standing, Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What became of a wish, and what now stands."""

    done: bool
    text: str
    standing: Standing


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """Everything that the verbs work on."""

    store: Store
    bundle: Bundle
    picture: Picture
    reload: Callable[[], str]
    dry_run: Callable[[Run, str], str]
    """Begins one as that person asked; says why not where it can't."""
    now: datetime


class Verb(Protocol):
    def __call__(self, desk: Desk, wish: Control, standing: Standing, /) -> Answer: ...


def refused(standing: Standing, text: str) -> Answer:
    """Nothing changes, and why."""
    return Answer(done=False, text=text, standing=standing)
