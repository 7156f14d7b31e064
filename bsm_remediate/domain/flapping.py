"""The guard over signals that go on and off: restarting what comes and goes hides its cause (DESIGN 5.7)."""

from __future__ import annotations

from datetime import timedelta

from bsm_remediate.domain.alert import AlertKey
from bsm_remediate.domain.case import Case
from bsm_remediate.domain.decision import Decision, Verdict
from bsm_remediate.domain.duration import format_duration

MOST = 3
"""Times that a signal may begin within `WINDOW`."""
WINDOW = timedelta(minutes=30)


class Flapping:
    """A signal that begins once more than `MOST` times within `WINDOW` goes to a person instead. One steady signal
    beside it is reason enough to act.
    """

    def check(self, case: Case) -> Decision | None:
        least = min(self._onsets(case, signal.alert.key) for signal in case.signals)
        if least <= MOST:
            return None
        owner = case.scene.bundle.teams.get(case.component.owner) if case.component.owner is not None else None
        person = owner.on_call_person(case.scene.now) if owner is not None else None
        who = f"{person}, on call for {owner.name}," if person and owner else "a person"
        reason = (
            f"began {least} times within {format_duration(WINDOW)}, more than {MOST}: {who} must look"
            f" (`release {case.component.id}` lets it act)"
        )
        return case.decided(Verdict.FLAPPING, reason)

    @staticmethod
    def _onsets(case: Case, key: AlertKey) -> int:
        situation = case.scene.situation
        since = situation.at - WINDOW
        released = situation.released.get(case.component.id)
        return sum(
            1
            for onset in situation.onsets.get(key, ())
            if since < onset <= situation.at and (released is None or released < onset)
        )
