"""What the HTTP side sees of the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.evaluation import Evaluation
from bsm_remediate.domain.policy import Mode
from bsm_remediate.records import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """Whether the engine does its work, and what people should know."""

    is_ready: bool
    problems: tuple[str, ...] = field(default_factory=tuple)
    bundle_is_current: bool = True
    """False after a reload that was refused."""
    max_mode: Mode = Mode.AUTO
    """How far this engine lets policies go (`serve --max-mode`)."""


class Live(Protocol):
    """A running engine."""

    @property
    def bundle(self) -> Bundle: ...

    @property
    def evaluation(self) -> Evaluation | None:
        """The latest; None before the first tick."""

    @property
    def store(self) -> Store: ...

    def wake(self) -> None: ...

    def behind(self, served: int) -> Sequence[str]:
        """Live engines of its database that haven't seen what stood when so many controls were answered."""

    def unseen_s(self) -> float:
        """For how many seconds something has waited to be looked at."""

    def read_source(self, name: str) -> None:
        """Ask that source for its own list: one of its webhooks left alerts out."""

    def health(self) -> Health: ...

    @property
    def notifications(self) -> Mapping[str, int]:
        """Attempts to reach people since the start, by their result."""

    def is_stopping(self) -> bool:
        """Whether it was asked to end: nothing is started any more, and open streams should close."""
