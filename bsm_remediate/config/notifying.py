"""Where people are told: from the addresses of teams and people to routes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bsm_remediate.config.calendars import read_zone
from bsm_remediate.config.draft import Draft, Entry
from bsm_remediate.config.organisation_schema import NotifySection, PersonSection, TeamSection
from bsm_remediate.config.schema import SettingsSection
from bsm_remediate.domain.bundle import Team
from bsm_remediate.domain.calendar import Calendar
from bsm_remediate.domain.notice import NoticeKind, NoticeSeverity
from bsm_remediate.domain.route import ELSEWHERE, Route, Rule, may_hold_secret, shown

_HINT = "keep it outside: `env:NAME`, or `file:PATH`"


class RouteReader:
    """Reads the addresses of a bundle; those of unfit rules are left out, with findings."""

    def __init__(self, draft: Draft, calendars: Mapping[str, Calendar]) -> None:
        self._draft = draft
        self._calendars = calendars
        self._rules: dict[str, list[Rule]] = {}

    def read(self, teams: Mapping[str, Team], settings: SettingsSection) -> tuple[Route, ...]:
        """The routes, each address once; and findings about who can't be told."""
        for name, entry in self._draft.entries("teams"):
            team = self._draft.validated(TeamSection, entry)
            if team is not None:
                self._take(team.notify, entry, team=name)
        for name, entry in self._draft.entries("people"):
            person = self._draft.validated(PersonSection, entry)
            if person is not None:
                self._take(person.notify, entry, person=name)
                self._belongs(name, entry, teams)
        self._unreachable(teams)
        self._weekly(settings, teams)
        return tuple(Route(address=address, rules=tuple(rules)) for address, rules in self._rules.items())

    def _take(self, written: Sequence[str | NotifySection], entry: Entry, *, team: str = "", person: str = "") -> None:
        for number, one in enumerate(written):
            section = NotifySection(to=one) if isinstance(one, str) else one
            steps = ("notify", number) if isinstance(one, str) else ("notify", number, "to")
            if not self._is_sound(section.to, entry, steps):
                continue
            if section.when is not None:
                place = entry.place("notify", number, "when")
                if not self._draft.known(place, section.when, self._draft.names("calendars"), "calendar"):
                    continue
            rule = Rule(
                team=team,
                person=person,
                least=NoticeSeverity[section.severity.upper()],
                kinds=frozenset(NoticeKind(kind) for kind in section.kinds or NoticeKind),
                about_all=section.about == "all",
                when=self._calendars.get(section.when) if section.when is not None else None,
            )
            self._rules.setdefault(section.to, []).append(rule)

    def _is_sound(self, address: str, entry: Entry, steps: tuple[str | int, ...]) -> bool:
        place = entry.place(*steps)
        if address.startswith(ELSEWHERE):
            if address.partition(":")[2].strip():
                return True
            self._draft.add(place.error("bad-address", f"'{address}' names nothing", "like env:OPS_ADDRESS"))
            return False
        if "://" not in address:
            hint = "like mailto://ops.example, or env:NAME; see the page on notifications"
            self._draft.add(place.error("bad-address", "this is no address of Apprise", hint))
            return False
        if may_hold_secret(address):
            message = f"{shown(address)}: the address may hold a secret, which everybody reads who reads the bundle"
            self._draft.add(place.warning("secret-in-bundle", message, _HINT))
        return True

    def _belongs(self, name: str, entry: Entry, teams: Mapping[str, Team]) -> None:
        members = {member for team in teams.values() for member in team.members}
        if name not in members:
            message = f"'{name}' is a member of no team, and so is never told anything"
            self._draft.add(
                entry.place(of_key=True).warning("unused-person", message, self._draft.nearest(name, members))
            )

    def _unreachable(self, teams: Mapping[str, Team]) -> None:
        reachable = {rule.person for rules in self._rules.values() for rule in rules if rule.person}
        for name, entry in self._draft.entries("teams"):
            team = teams.get(name)
            if team is None or team.on_call is None or not reachable:
                continue
            silent = [one for one in team.on_call.rotation if one not in reachable]
            if silent:
                message = f"on call, but not reachable: {', '.join(silent)}; they take no turn in being told"
                place = entry.place("on_call", "rotation")
                self._draft.add(place.warning("unreachable", message, "people: {NAME: {notify: [ADDRESS]}}"))

    def _weekly(self, settings: SettingsSection, teams: Mapping[str, Team]) -> None:
        weekly = settings.notify.weekly_report
        if weekly is None:
            return
        entry = self._draft.single["settings"]
        self._draft.known(entry.place("notify", "weekly_report", "to"), weekly.to, teams, "team")
        read_zone(self._draft, entry, weekly.timezone, "notify", "weekly_report")
