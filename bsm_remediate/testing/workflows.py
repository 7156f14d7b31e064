"""Workflows and a lease without a database: what is under way dies with the object."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from bsm_remediate.domain.ids import RunId

Stage = Callable[[str, Callable[[], None]], None]


class MemoryWorkflows:
    """Implements `Workflows`: each run in a thread that `spawn` starts."""

    def __init__(self, spawn: Callable[[Callable[[], None], str], None]) -> None:
        self._spawn = spawn
        self._carry_out: Callable[[RunId, Stage], None] | None = None
        self._under_way: set[RunId] = set()

    def launch(self, carry_out: Callable[[RunId, Stage], None]) -> None:
        self._carry_out = carry_out

    def start(self, run: RunId, *, is_new: bool) -> None:  # noqa: ARG002 - it knows by itself
        if run not in self._under_way:
            self._under_way.add(run)
            self._spawn(lambda: self._work(run), f"run-{run}")

    def take_over(self, replicas: Sequence[str]) -> None:
        """There are no others."""

    def close(self) -> None:
        self._carry_out = None

    def _work(self, run: RunId) -> None:
        try:
            if self._carry_out is not None:
                self._carry_out(run, lambda _name, work: work())
        finally:
            self._under_way.discard(run)


class SoleLease:
    """Implements `Lease` for an engine that is alone. Set `valid` to False to take it away, `leading` to demote it."""

    replica = "engine"
    remains_s = 2.0

    def __init__(self) -> None:
        self.valid = True
        self.leading = True
        self._seen = 0

    @contextmanager
    def hold(self, *, alone: bool) -> Iterator[None]:  # noqa: ARG002 - it always is
        yield

    def is_held(self) -> bool:
        return self.valid

    def is_valid(self) -> bool:
        return self.valid

    def leads(self) -> bool:
        return self.valid and self.leading

    def dead(self) -> Sequence[str]:
        return ()

    def bury(self, replica: str) -> None:
        """There are no others."""

    def saw(self, served: int) -> None:
        self._seen = served

    def behind(self, served: int) -> Sequence[str]:
        return (self.replica,) if self.valid and self._seen < served else ()
