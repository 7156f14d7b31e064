"""Looks by PromQL: is there a sample that isn't 0."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from bsm_remediate.adapters.metrics.prometheus import PrometheusApi, Result, Shape
from bsm_remediate.domain.policy import Check
from bsm_remediate.domain.sample import Sample
from bsm_remediate.domain.service_map import Component
from bsm_remediate.domain.verification import Observation
from bsm_remediate.errors import RemediationError, SourceUnreachable
from bsm_remediate.ports import Clock

_SHOWN = 3


class PromqlProber:
    """Implements `ports.Prober` for `promql` checks. A Prometheus that doesn't answer has seen nothing that holds."""

    def __init__(self, sources: Mapping[str, PrometheusApi], *, usual: str | None, clock: Clock) -> None:
        """`usual` is the one that is asked where a check names none."""
        self._sources = sources
        self._usual = usual
        self._clock = clock

    def look(
        self,
        check: Check,
        component: Component,
        *,
        cancelled: Callable[[], bool],  # noqa: ARG002 - it takes seconds at most
    ) -> Observation:
        """Whether the query returns a sample that isn't 0 now. At most about 10 s for each address; never raises."""
        try:
            query = check.target(component) if check.target is not None else ""
            holds, detail = _judged(query, self._asked(check).instant(query))
        except RemediationError as error:
            holds, detail = False, str(error.args[0])
        return Observation(check=check, at=self._clock.now(), holds=holds, detail=detail)

    def _asked(self, check: Check) -> PrometheusApi:
        name = check.source if check.source is not None else self._usual
        found = self._sources.get(name) if name is not None else None
        if found is None:
            raise SourceUnreachable(
                f"there is no Prometheus {name!r} to ask" if name else "there is no Prometheus to ask"
            )
        return found


def _judged(query: str, result: Result) -> tuple[bool, str]:
    if result.shape not in {Shape.VECTOR, Shape.SCALAR}:
        return False, f"`{query}` is a {result.shape}, not one value for each series"
    if not result.samples:
        return False, f"`{query}` returns nothing"
    fitting = [one for one in result.samples if one.value != 0 and not math.isnan(one.value)]
    if fitting:
        return True, f"`{query}` is {_shown(fitting)}"
    return False, f"`{query}` is {_shown(result.samples)}"


def _shown(samples: tuple[Sample, ...] | list[Sample]) -> str:
    values = ", ".join(f"{one.value:g}" for one in samples[:_SHOWN])
    return f"{values} …" if len(samples) > _SHOWN else values
