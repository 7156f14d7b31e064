"""What the engine itself writes among the standing orders: since when policies act, and what stays quarantined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.policy import Mode
from bsm_remediate.domain.quarantine import leaves_unknown
from bsm_remediate.domain.run import Run
from bsm_remediate.records import Controls


def note_active_policies(records: Controls, bundle: Bundle, *, cap: Mode, now: datetime) -> None:
    """Since when each policy acts: signals from before wait for a person (DESIGN 4)."""
    standing = records.standing()
    acting = {one.id for one in bundle.policies.values() if one.do and min(one.mode, cap) >= Mode.APPROVE}
    since = {policy: standing.policy_active_since.get(policy, now) for policy in acting}
    noted = replace(standing, policy_active_since=since, max_mode=cap)
    if noted != standing:
        records.stand(noted)


def note_quarantines(records: Controls, runs: Sequence[Run]) -> None:
    """Which runs are to be known until a person releases what they left, however long ago they were."""
    standing = records.standing()
    quarantined = tuple(run.id for run in runs if leaves_unknown(run, standing.released))
    if set(quarantined) != set(standing.quarantined):
        records.stand(replace(standing, quarantined=quarantined))
