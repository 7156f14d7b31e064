"""The gate that each new run passes right before its playbook begins: what people have ordered since it was decided.

Whoever orders a pause is told that all engines keep to it once nothing can begin anywhere that doesn't know of it. So
looking at the orders and writing that the run begins are one step here, and between two such steps the engine says up
to where it has seen the orders (`Lease.saw`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.run import Run
from bsm_remediate.domain.situation import Pause
from bsm_remediate.domain.standing_orders import ordered_against
from bsm_remediate.ports import Clock
from bsm_remediate.records import Controls, Standing


class StartGate:
    """One for all runs of an engine."""

    def __init__(
        self,
        controls: Controls,
        clock: Clock,
        *,
        bundle: Callable[[], Bundle],
        brake: Callable[[], Pause | None],
        saw: Callable[[int], None],
    ) -> None:
        """`brake` is a pause from outside the store; `saw` tells the other engines."""
        self._controls = controls
        self._clock = clock
        self._bundle = bundle
        self._brake = brake
        self._saw = saw
        self._guard = threading.Lock()

    def is_braked(self) -> bool:
        """Whether this engine, and perhaps no other, may begin nothing."""
        return self._brake() is not None

    def pass_through(self, run: Run, begin: Callable[[], None]) -> str:
        """`begin`, which writes that `run` begins, unless a person has ordered otherwise; then by what, and nothing is
        written. Raises `StoreUnavailable`.
        """
        with self._guard:
            standing = self._controls.standing()
            brake = self._brake()
            pauses = standing.pauses if brake is None else (*standing.pauses, brake)
            objection = ordered_against(run, pauses, standing.holds, self._bundle(), self._clock.now())
            if not objection:
                begin()
        return objection

    def has_seen(self, standing: Standing) -> None:
        """From now on nothing begins here that what `standing` says would hold: tell it."""
        with self._guard:
            pass  # whatever was passing has been written by now
        self._saw(standing.served)
