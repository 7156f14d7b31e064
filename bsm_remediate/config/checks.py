"""Checks of `verify`: from their sections to domain values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bsm_remediate.config.draft import Draft, Entry
from bsm_remediate.config.expression import compile_component_template
from bsm_remediate.config.patterns import make_matcher
from bsm_remediate.config.promql import compile_promql
from bsm_remediate.config.reader import Place
from bsm_remediate.config.schema_parts import CheckSection
from bsm_remediate.config.sources import HOW_TO_CONFIGURE, PROMETHEUS, prometheus_meant
from bsm_remediate.domain.matcher import MatchOperator
from bsm_remediate.domain.policy import Check, CheckKind, Template
from bsm_remediate.domain.work_order import Written

_HOST_AND_PORT = re.compile(r"\S.*:(\d{1,5}|\{\{.*\}\})")
_KEEPS_ZEROS = re.compile(r"==\s*-?0(\.0*)?\s*$")


@dataclass(frozen=True, kw_only=True)
class CheckReader:
    """Builds the checks of a draft's policies."""

    draft: Draft
    playbooks: Path | None
    metric_sources: Mapping[str, str] | None
    """What can be asked for figures, and its kind; None: nobody has looked."""

    def read(self, sections: Sequence[CheckSection], entry: Entry) -> tuple[Check, ...]:
        """Those of `verify` in `entry`, without those that are wrong."""
        found = [self._check(section, entry, ("verify", number)) for number, section in enumerate(sections)]
        return tuple(one for one in found if one is not None)

    def know_playbook(self, name: str, place: Place) -> None:
        """A finding when there can be, or is, no playbook `name`."""
        written = Path(name)
        if written.is_absolute() or {"..", ""} & {*written.parts, name} or name.startswith("-") or "\0" in name:
            self.draft.add(place.error("bad-playbook", f"{name!r} must be a file inside the playbooks folder"))
        elif self.playbooks is not None and not _is_file_in(self.playbooks, written):
            there = [one.name for one in self.playbooks.glob("*.yml")] if self.playbooks.is_dir() else []
            message = f"there is no playbook '{name}' in {self.playbooks}"
            self.draft.add(place.error("missing-playbook", message, self.draft.nearest(name, there)))

    def _check(self, section: CheckSection, entry: Entry, path: tuple[str | int, ...]) -> Check | None:
        kind = next(kind for kind in CheckKind if getattr(section, kind) is not None)
        target = None
        if kind is not CheckKind.ALERT:
            place = entry.place(*path, kind.value)
            source = str(getattr(section, kind))
            self._complain_of_target(kind, source, place)
            target = self.draft.compiled(place, lambda: _compiled(kind, source))
            if target is None:
                return None
        if kind is CheckKind.PROMQL:
            self._know_prometheus(section, entry.place(*path, "source" if section.source is not None else kind.value))
        body = None
        if section.body is not None:
            expression = section.body
            body = self.draft.attempt(
                entry.place(*path, "body"), "bad-matcher", lambda: make_matcher("body", MatchOperator.REGEX, expression)
            )
        return Check(
            kind=kind,
            target=target,
            status=section.status,
            body=body,
            source=section.source,
            within=section.within if section.within is not None else timedelta(seconds=60),
            hold=section.hold if section.hold is not None else timedelta(0),
            every=section.every if section.every is not None else timedelta(seconds=1),
        )

    def _complain_of_target(self, kind: CheckKind, source: str, place: Place) -> None:
        if kind is CheckKind.TCP and not _HOST_AND_PORT.fullmatch(source):
            self.draft.add(place.error("bad-check", f"'{source}' is no host:port"))
        if kind is CheckKind.HTTP and not source.startswith(("http://", "https://", "{{")):
            self.draft.add(place.error("bad-check", f"'{source}' is no address like http://db-1:8080/healthz"))
        if kind in {CheckKind.COMMAND, CheckKind.PROMQL} and not source.strip():
            self.draft.add(place.error("bad-check", f"a {kind} of nothing"))
        if kind is CheckKind.PROMQL and _KEEPS_ZEROS.search(source):
            message = "never holds: what is compared with 0 keeps its value, which is 0"
            self.draft.add(place.warning("never-holds", message, "write `== bool 0`"))
        if kind is CheckKind.PLAYBOOK:
            self.know_playbook(source, place)

    def _know_prometheus(self, section: CheckSection, place: Place) -> None:
        if self.metric_sources is None:
            return
        there = sorted(name for name, kind in self.metric_sources.items() if kind == PROMETHEUS)
        if not there:
            message = "there is no Prometheus to ask: none is configured"
            self.draft.add(place.error("no-prometheus", message, HOW_TO_CONFIGURE))
        elif section.source is not None:
            self.draft.known(place, section.source, there, "source")
        elif prometheus_meant(there) is None:
            message = "there are several Prometheus, and it isn't said which of them is asked"
            self.draft.add(place.error("unknown-source", message, f"say `source:` with one of {', '.join(there)}"))


def _compiled(kind: CheckKind, source: str) -> Template:
    if kind is CheckKind.PLAYBOOK:
        return Written(source)  # a file's name is never a template
    return compile_promql(source) if kind is CheckKind.PROMQL else compile_component_template(source)


def _is_file_in(folder: Path, name: Path) -> bool:
    try:
        return (folder / name).is_file() and (folder / name).resolve().is_relative_to(folder.resolve())
    except OSError:  # a name of more than 255 bytes, a folder that may not be read
        return False
