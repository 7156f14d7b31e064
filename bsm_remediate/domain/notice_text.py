"""The words of a message: the business impact first, then what is new, what still stands, what is over.

Alert text and the output of playbooks are data here as everywhere: one line each, of bounded length, and nothing in
them is markup or calls anybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from bsm_remediate.domain.bundle import Bundle
from bsm_remediate.domain.evaluation import Evaluation
from bsm_remediate.domain.notice import Notice
from bsm_remediate.domain.state import State
from bsm_remediate.domain.telling import Digest

LONGEST_TITLE = 120
LONGEST_BODY = 1_800
"""The least that common services take whole is 2,000 characters."""
_LONGEST_LINE = 300
_SHOWN = {"new": 6, "still": 5, "over": 5}
_FEW = 3
_MARKUP = {ord("<"): "\u2039", ord(">"): "\u203a", ord("`"): "'"}
"""What makes tags and code, as it looks but isn't."""
_CALLS = re.compile(r"@(?=everyone|here|channel|all\b)", re.IGNORECASE)


def plain_text(text: str, longest: int = _LONGEST_LINE) -> str:
    """`text` on one line, without control characters, markup of links and mentions, at most so long."""
    printable = "".join(char if char.isprintable() else " " for char in text[: 4 * longest])
    inert = printable.translate(_MARKUP).replace("](", "] (")
    inert = " ".join(_CALLS.sub("@\u200b", inert).split())
    return inert if len(inert) <= longest else inert[: longest - 1] + "…"


def title_of(digest: Digest, evaluation: Evaluation, bundle: Bundle) -> str:
    """What the business loses now and by which services; then how grave the worst of it is."""
    impact = evaluation.impact
    losing = sorted(
        (one for one in impact.services.values() if one.state is not State.OK),
        key=lambda one: (-one.loss_per_minute, one.service),
    )
    services = [f"{one.service} {one.state}" for one in losing]
    if impact.loss_per_minute > 0:
        head = f"Losing {impact.loss_per_minute:,.2f} {bundle.currency}/min: {_listed(services)}"
    else:
        head = f"No loss now: {_listed(services)}" if services else "No loss now, all services ok"
    if not (digest.new or digest.still):
        return plain_text(f"{head}; all of it is over", LONGEST_TITLE)
    return plain_text(f"{head} [{digest.severity}]", LONGEST_TITLE)


def body_of(digest: Digest, evaluation: Evaluation, bundle: Bundle) -> str:
    """The whole of it, as plain text."""
    impact = evaluation.impact
    lines = [
        f"{one.service} is {one.state}, losing {one.loss_per_minute:,.2f} {bundle.currency}/min"
        for one in sorted(impact.services.values(), key=lambda one: (-one.loss_per_minute, one.service))
        if one.state is not State.OK
    ]
    head = [*lines[:_FEW], *([f"… and {len(lines) - _FEW} more services"] if len(lines) > _FEW else [])]
    parts = [
        *(plain_text(line) for line in head),
        *_section("New", digest.new, _SHOWN["new"], with_do=True),
        *_section("Still", digest.still, _SHOWN["still"], with_do=False),
        *_over(digest.over),
        "",
        f"As of {evaluation.situation.at:%Y-%m-%d %H:%M:%S} UTC",
    ]
    return _bounded(parts)


def late(body: str, written_at: datetime) -> str:
    """`body` where it could not be delivered before."""
    return f"Late: it could not be delivered before; so it was at {written_at:%Y-%m-%d %H:%M} UTC.\n\n{body}"


def _section(name: str, notices: Sequence[Notice], most: int, *, with_do: bool) -> Iterator[str]:
    if not notices:
        return
    yield from ("", f"{name}:")
    for one in notices[:most]:
        impact = f"{one.impact}; " if one.impact else ""
        yield plain_text(f"• [{one.severity}] {impact}{one.what}")
        if with_do and one.do:
            yield f"  → {plain_text(one.do)}"
    if len(notices) > most:
        yield f"… and {len(notices) - most} more (bsm-remediate status)"


def _over(over: Sequence[str]) -> Iterator[str]:
    if not over:
        return
    yield from ("", "Over:")
    yield from (plain_text(f"• {one}", _LONGEST_LINE // 2) for one in over[: _SHOWN["over"]])
    if len(over) > _SHOWN["over"]:
        yield f"… and {len(over) - _SHOWN['over']} more"


def _bounded(lines: Iterable[str]) -> str:
    """As many lines as fit; the last says so where not all do."""
    found: list[str] = []
    room = LONGEST_BODY - 40
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            return "\n".join([*found, "… (bsm-remediate status)"])
        found.append(line)
    return "\n".join(found).strip("\n")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return ", ".join(names[:_FEW]) + more
