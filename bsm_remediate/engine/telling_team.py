"""One text for a team: to every address of it, once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bsm_remediate.domain.message import Message, MessageKind
from bsm_remediate.domain.notice import NoticeSeverity
from bsm_remediate.domain.route import Route, shown


def messages_to(
    routes: Sequence[Route], *, team: str, subject: str, title: str, body: str, now: datetime
) -> list[Message]:
    """`body` for every address of `team`; `subject` names it, so that it is written once however often it is asked."""
    return [
        Message(
            id=f"{subject}-{route.id}",
            kind=MessageKind.REPORT,
            route=route.id,
            to=shown(route.address),
            title=title,
            body=body,
            severity=NoticeSeverity.INFO,
            at=now,
            next_try=now,
        )
        for route in routes
        if any(rule.team == team and not rule.person for rule in route.rules)
    ]
