"""The live picture for the commands that look and steer: a server's, or the local database's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import quote, urlencode

import click

from bsm_remediate.errors import NoLiveEngine, NotReachable, RemediationError, UnknownId, WrongUsage

if TYPE_CHECKING:
    from bsm_remediate.app import Installation
    from bsm_remediate.cli.context import Deployment
    from bsm_remediate.config.settings import Secret
    from bsm_remediate.domain.bundle import Bundle
    from bsm_remediate.domain.evaluation import Evaluation
    from bsm_remediate.engine.asking import Reply, Request
    from bsm_remediate.records import Store

Function = TypeVar("Function", bound=Callable[..., Any])
Row = dict[str, Any]
_SHOWN_RUNS = timedelta(days=30)
_SHOWN_CHANGES = timedelta(days=90)
_ADDED_UP_WITHIN_S = 120.0
"""What a report reads may be a million buckets: some 8 s of a core for a week of 10,000 series."""


class Picture(Protocol):
    """What is, as rows of the API."""

    def rows(self, kind: str) -> list[Row]:
        """alerts, services, components, runs or, of what is live, notifications."""

    def plan(self) -> Row: ...

    def run(self, run_id: str) -> tuple[Row, list[Row]]:
        """A run and its events. Raises `UnknownId`."""


class Live(Picture, Protocol):
    """What is now; and where people's wishes go."""

    def max_mode(self) -> str:
        """How far policies may go on that engine, or on the latest one of that database."""

    def report(self, since: datetime | None, until: datetime | None) -> Row:
        """What happened from `since` (a week before without it) to `until` (now). Raises `WrongUsage`."""

    def metrics(
        self, policy: str | None, since: datetime | None, until: datetime | None, resolution: str | None
    ) -> Row:
        """What the figures of a policy were, or in short those of all. Raises `WrongUsage` or `UnknownId`."""

    def incidents(self, since: datetime | None, until: datetime | None) -> Row:
        """Incidents as `items`, newest first, of the same time. Raises `WrongUsage`."""

    def review(self, name: str) -> Row:
        """The facts of an incident's review, by its id, a run's, or `latest`. Raises `UnknownId`."""

    def guards(self) -> Row:
        """What keeps the engine from acting."""

    def maintenance(self) -> list[Row]:
        """The windows that aren't over."""

    def changes(self) -> list[Row]:
        """The planned changes, newest first."""

    def change(self, change_id: str) -> Row:
        """One with its events. Raises `UnknownId`."""

    def ask(self, request: Request) -> Reply:
        """What became of it. Raises `NotReachable`, `NoLiveEngine` or `WrongUsage`."""


class Evaluated:
    """What one evaluation says; it knows no runs."""

    def __init__(self, bundle: Bundle, evaluation: Evaluation) -> None:
        self.bundle = bundle
        self.evaluation = evaluation

    def rows(self, kind: str) -> list[Row]:
        from bsm_remediate.web import rows

        if kind == "runs":
            return []
        if kind == "alerts":
            return rows.alert_rows(self.evaluation, 0, len(self.evaluation.situation.alerts))
        make = rows.service_rows if kind == "services" else rows.component_rows
        return make(self.bundle, self.evaluation)

    def plan(self, *further: str) -> Row:
        """`further`: what it rests on beside alerts and bundle."""
        from bsm_remediate.domain.plan_document import plan_document

        return plan_document(self.evaluation, self.bundle, considered=("alerts", "bundle", *further))

    def run(self, run_id: str) -> tuple[Row, list[Row]]:
        raise UnknownId(f"there is no run '{run_id}'")


def url_option(function: Function) -> Function:
    """Adds `--url`."""
    return click.option("--url", envvar="BSM_URL", help="Ask that server instead of the local database.")(function)


def live_of(deployment: Deployment, url: str | None) -> Live:
    installation = deployment.installation()
    address = url or installation.settings.url
    if address is not None:
        return Server(address.rstrip("/"), installation.settings.client_token)
    return LocalDatabase(deployment, installation)


class Server:
    """A server's live picture."""

    def __init__(self, url: str, token: Secret | None, *, within_s: float = 15.0) -> None:
        self._url = url
        self._within_s = within_s
        self._headers = {"Authorization": f"Bearer {token.reveal()}"} if token is not None else {}

    def rows(self, kind: str) -> list[Row]:
        items: list[Row] = []
        cursor: str | None = "0"
        while cursor is not None:
            page = self._get(f"/api/v1/{kind}?cursor={cursor}")
            items.extend(page["items"])
            cursor = page["next"]
        return items

    def plan(self) -> Row:
        return self._get("/api/v1/plan")

    def max_mode(self) -> str:
        return str(self._get("/api/v1/runs?limit=1").get("max_mode", "auto"))

    def run(self, run_id: str) -> tuple[Row, list[Row]]:
        path = f"/api/v1/runs/{quote(run_id, safe='')}"
        return self._get(path), self._get(f"{path}/events?limit=10000")["items"]

    def report(self, since: datetime | None, until: datetime | None) -> Row:
        return self._get(f"/api/v1/report?{_time_asked(since, until)}", within_s=_ADDED_UP_WITHIN_S)

    def metrics(
        self, policy: str | None, since: datetime | None, until: datetime | None, resolution: str | None
    ) -> Row:
        asked = _time_asked(since, until)
        if policy is None:
            return self._get(f"/api/v1/metrics?{asked}", within_s=_ADDED_UP_WITHIN_S)
        fine = f"&resolution={resolution}" if resolution is not None else ""
        path = f"/api/v1/metrics/{quote(policy, safe='')}?{asked}{fine}"
        return self._get(path, within_s=_ADDED_UP_WITHIN_S)

    def incidents(self, since: datetime | None, until: datetime | None) -> Row:
        return self._get(f"/api/v1/incidents?{_time_asked(since, until)}")

    def review(self, name: str) -> Row:
        return self._get(f"/api/v1/incidents/{quote(name, safe='')}/review?format=json")

    def guards(self) -> Row:
        return self._get("/api/v1/guards")

    def maintenance(self) -> list[Row]:
        found: list[Row] = self._get("/api/v1/maintenance")["items"]
        return found

    def changes(self) -> list[Row]:
        return self.rows("changes")

    def change(self, change_id: str) -> Row:
        return self._get(f"/api/v1/changes/{quote(change_id, safe='')}")

    def ask(self, request: Request) -> Reply:
        from bsm_remediate.cli.asked import posted
        from bsm_remediate.engine.asking import Reply

        found = self._call("POST", *posted(request))
        text = found["answer"]
        done = True if text is not None else None
        return Reply(control=found["control"], done=done, text=text, behind=tuple(found.get("behind", ())))

    def _get(self, path: str, *, within_s: float = 0.0) -> Row:
        return self._call("GET", path, None, within_s=within_s)

    def _call(self, method: str, path: str, body: Row | None, *, within_s: float = 0.0) -> Row:
        """`within_s`: for what takes longer than the others."""
        import requests

        try:
            waits_s = max(self._within_s, within_s)
            answer = requests.request(method, self._url + path, json=body, headers=self._headers, timeout=waits_s)
        except requests.RequestException as error:
            raise NotReachable(
                f"{self._url} cannot be reached: {type(error).__name__}", hint="is it running?"
            ) from error
        if answer.status_code == 404:
            raise UnknownId(_detail(answer.text))
        if answer.status_code in {401, 403}:
            raise WrongUsage(_detail(answer.text), hint="set BSM_TOKEN")
        if answer.status_code >= 500:
            raise NotReachable(f"{self._url} answers {answer.status_code}: {_detail(answer.text)}")
        if not answer.ok:
            raise RemediationError(_detail(answer.text))
        found: Row = answer.json()
        return found


def _time_asked(since: datetime | None, until: datetime | None) -> str:
    moments = {"from": since, "to": until}
    return urlencode({name: moment.isoformat() for name, moment in moments.items() if moment is not None})


def _detail(text: str) -> str:
    import json

    try:
        return str(json.loads(text).get("detail", text))[:500]
    except (ValueError, AttributeError):
        return text[:200] or "no answer"


class LocalDatabase:
    """The local database's picture, evaluated here as the engine does."""

    def __init__(self, deployment: Deployment, installation: Installation) -> None:
        self._deployment = deployment
        self._installation = installation
        self._store: Store | None = None

    def _opened(self) -> Store:
        if self._store is None:
            self._store = self._installation.open_store()
        return self._store

    def rows(self, kind: str) -> list[Row]:
        from bsm_remediate.web import rows

        if kind == "runs":
            found = self._opened().runs(since=datetime.now(UTC) - _SHOWN_RUNS)
            return [rows.run_row(run) for run in reversed(found)]
        if kind == "notifications":
            return [rows.message_row(one) for one in self._opened().messages()]
        return self._evaluated().rows(kind)

    def plan(self) -> Row:
        return self._evaluated().plan("database")

    def max_mode(self) -> str:
        return str(self._opened().standing().max_mode)

    def run(self, run_id: str) -> tuple[Row, list[Row]]:
        from bsm_remediate.domain.ids import RunId
        from bsm_remediate.web.rows import event_row, run_row

        found = self._opened().run(RunId(run_id))
        if found is None:
            raise UnknownId(f"there is no run '{run_id}'", hint="`runs` lists them")
        return run_row(found), [event_row(event) for event in self._opened().events(subject=run_id, limit=10_000)]

    def report(self, since: datetime | None, until: datetime | None) -> Row:
        from bsm_remediate.web.report import period, report_document

        found = period(since, until, now=datetime.now(UTC))
        if found is None:
            raise WrongUsage("--from must lie before --to")
        store = self._opened()
        return report_document(store, self._deployment.load_bundle(), store.standing().max_mode, found)

    def metrics(
        self, policy: str | None, since: datetime | None, until: datetime | None, resolution: str | None
    ) -> Row:
        from bsm_remediate.web.report import histories_document, history_document, period

        found = period(since, until, now=datetime.now(UTC))
        if found is None:
            raise WrongUsage("--from must lie before --to")
        bundle = self._deployment.load_bundle()
        if policy is None:
            return histories_document(self._opened(), bundle, found)
        return history_document(self._opened(), bundle, policy, resolution, found)

    def incidents(self, since: datetime | None, until: datetime | None) -> Row:
        from bsm_remediate.engine.review import read_incidents
        from bsm_remediate.web.report import period

        found = period(since, until, now=datetime.now(UTC))
        if found is None:
            raise WrongUsage("--from must lie before --to")
        bundle = self._deployment.load_bundle()
        rows = read_incidents(self._opened(), bundle, since=found[0], until=found[1])
        return {"items": rows, "next": None, "currency": bundle.currency}

    def review(self, name: str) -> Row:
        from bsm_remediate.engine.review import read_review

        found = read_review(self._opened(), self._deployment.load_bundle(), name, now=datetime.now(UTC))
        if found is None:
            raise UnknownId(f"there is no incident '{name}', and no run of one", hint="`incidents` lists them")
        return found

    def guards(self) -> Row:
        from bsm_remediate.domain.brakes import brakes_document

        found = self._evaluated()
        return brakes_document(found.evaluation, found.bundle)

    def maintenance(self) -> list[Row]:
        return list(self.guards()["maintenance"])

    def changes(self) -> list[Row]:
        from bsm_remediate.domain.change_document import change_row

        currency = self._deployment.load_bundle().currency
        found = self._opened().planned(since=datetime.now(UTC) - _SHOWN_CHANGES)
        return [change_row(one, currency) for one in reversed(found)]

    def change(self, change_id: str) -> Row:
        from bsm_remediate.domain.change_document import change_row
        from bsm_remediate.domain.ids import ChangeId
        from bsm_remediate.web.rows import event_row

        found = self._opened().change(ChangeId(change_id))
        if found is None:
            raise UnknownId(f"there is no change '{change_id}'", hint="`change list` lists them")
        events = [event_row(event) for event in self._opened().events(subject=change_id)]
        return {**change_row(found, self._deployment.load_bundle().currency), "events": events}

    def _evaluated(self) -> Evaluated:
        from bsm_remediate.domain.evaluation import Evaluator
        from bsm_remediate.domain.flapping import WINDOW
        from bsm_remediate.domain.situation import Situation
        from bsm_remediate.engine.history import with_history

        bundle = self._deployment.load_bundle()
        store = self._opened()
        now = datetime.now(UTC)
        alerts, past = tuple(store.active()), store.past_onsets(now - WINDOW)
        onsets = {one.key: (*past[one.key], one.starts_at) for one in alerts if one.key in past}
        situation = with_history(Situation(at=now, alerts=alerts, onsets=onsets), store)
        goal = situation.goal if situation.goal in bundle.goals else "default"
        brake = self._installation.brake()
        pauses = situation.pauses if brake is None else (*situation.pauses, brake)
        return Evaluated(bundle, Evaluator(bundle).evaluate(replace(situation, goal=goal, pauses=pauses)))

    def ask(self, request: Request) -> Reply:
        from bsm_remediate.adapters.system_clock import SystemClock
        from bsm_remediate.cli.person import person
        from bsm_remediate.engine.asking import ask

        lease = self._installation.lease()
        if not lease.is_held():
            raise NoLiveEngine(f"no engine runs on {self._installation.settings.database}")
        try:
            control = request.control(person(), datetime.now(UTC))
        except ValueError as error:
            raise WrongUsage(str(error)) from error
        return ask(control, store=self._opened(), behind=lease.behind, clock=SystemClock())
