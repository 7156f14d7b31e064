"""Routes: one address at which people are told, and what goes there."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from urllib.parse import urlsplit

from bsm_remediate.domain.calendar import Calendar
from bsm_remediate.domain.notice import Notice, NoticeKind, NoticeSeverity

ELSEWHERE = ("env:", "file:")
"""Addresses that stand in an environment variable or a file."""
_PLAIN = frozenset({"mailto", "mailtos", "json", "jsons", "xml", "xmls", "form", "forms", "ntfy", "ntfys", "syslog"})
"""What comes after `//` is a host there; elsewhere it is a token as often as not."""

Called = Callable[[Notice], Collection[str]]
"""The people who are to know of a notice by now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """What goes to an address for the sake of one team or person."""

    team: str = ""
    person: str = ""
    """Told only of what needs a person, when it is their turn; empty: the rule is a team's."""
    least: NoticeSeverity = NoticeSeverity.INFO
    kinds: frozenset[NoticeKind] = frozenset(NoticeKind)
    about_all: bool = False
    """Whether what concerns other teams goes there too."""
    when: Calendar | None = None
    """Only while that is in force; what stands then is told then."""

    def takes(self, kind: NoticeKind, severity: NoticeSeverity) -> bool:
        return kind in self.kinds and severity >= self.least

    def concerns(self, notice: Notice, called: Called) -> bool:
        """Whether `notice` is for it, whatever the time."""
        if not self.takes(notice.kind, notice.severity):
            return False
        if self.person:
            return notice.needs_person and self.person in called(notice)
        return self.about_all or not notice.teams or self.team in notice.teams

    def is_open(self, now: datetime) -> bool:
        return self.when is None or self.when.is_in_force(now)


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """One address, however many teams and people name it: who reads it gets one message, not one for each."""

    address: str
    """As the bundle has it: an Apprise address, `env:NAME` or `file:PATH`. It may hold a secret: never shown."""
    rules: tuple[Rule, ...]

    @property
    def id(self) -> str:
        return route_id(self.address)

    def concerns(self, notice: Notice, called: Called) -> bool:
        return any(rule.concerns(notice, called) for rule in self.rules)

    def wants(self, notice: Notice, called: Called, now: datetime) -> bool:
        """Whether `notice` may be told there at `now`."""
        return any(rule.is_open(now) and rule.concerns(notice, called) for rule in self.rules)

    def takes(self, kind: NoticeKind, severity: NoticeSeverity, now: datetime) -> bool:
        """Whether the end of such a notice, which was told there, may be told at `now`."""
        return any(rule.is_open(now) and rule.takes(kind, severity) for rule in self.rules)


def route_id(address: str) -> str:
    """By which the store knows it: without the address itself, since that may hold a secret."""
    return sha256(address.encode()).hexdigest()[:12]


def shown(address: str) -> str:
    """`address` for people: scheme and host, and not even the host where it may be a token.

    >>> shown("mailto://ops:secret@mail.example/team")
    'mailto://mail.example'
    """
    if address.startswith(ELSEWHERE):
        return address
    scheme, host = _parts(address)
    return f"{scheme}://{host}" if host and scheme in _PLAIN else f"{scheme or 'address'}://… ({route_id(address)[:4]})"


def may_hold_secret(address: str) -> bool:
    """Whether it should stand in a variable or file instead of the bundle."""
    if address.startswith(ELSEWHERE):
        return False
    scheme, _ = _parts(address)
    try:
        has_password = urlsplit(address).password is not None
    except ValueError:
        has_password = True
    return has_password or scheme not in _PLAIN or "pass=" in address or "token=" in address


def _parts(address: str) -> tuple[str, str]:
    try:
        split = urlsplit(address)
        host = split.hostname or ""
        port = f":{split.port}" if split.port is not None else ""
    except ValueError:
        return address.partition(":")[0][:20] if ":" in address else "", ""
    return split.scheme, f"{host}{port}" if host else ""
