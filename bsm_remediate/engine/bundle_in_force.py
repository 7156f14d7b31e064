"""The bundle that an engine works by, and how it comes to another: the one that leads is asked, the others follow."""

from __future__ import annotations

import logging
from collections.abc import Callable

from bsm_remediate.domain.evaluation import Evaluator

_log = logging.getLogger(__name__)


class BundleInForce:
    """A reload takes the new bundle whole, or leaves the old one in force."""

    def __init__(self, evaluator: Evaluator, read: Callable[[], Evaluator | str], *, taken: Callable[[], None]) -> None:
        """`read` gives the bundle as it is on disk, or why it is refused; `taken` hears that another is in force."""
        self.evaluator = evaluator
        self.refusal = ""
        """Why the last reload was refused; empty when it was taken."""
        self._read = read
        self._taken = taken
        self._followed: int | None = None
        """How often the bundle had been reloaded at the latest tick."""

    def reload(self) -> str:
        """As the engine that leads, when a person asks; why not, where the bundle is refused."""
        if not self._reloaded() and self._followed is not None:
            self._followed += 1
        return self.refusal

    def follow(self, reloads: int) -> None:
        """Read the bundle anew when the engine that leads was asked to: this one may lead next."""
        if self._followed is not None and self._followed < reloads:
            refusal = self._reloaded()
            _log.info("bundle.reloaded") if not refusal else _log.error("bundle.refused: %s", refusal)
        self._followed = reloads

    def _reloaded(self) -> str:
        found = self._read()
        if isinstance(found, str):
            self.refusal = found
            return found
        self.refusal, self.evaluator = "", found
        self._taken()
        return ""
