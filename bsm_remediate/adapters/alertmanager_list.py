"""Alertmanager's own list of alerts, read over its API (version 2). Implements `ports.AlertSource`.

Source: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import requests

from bsm_remediate.domain.alert import Alert, AlertKey, AlertStatus
from bsm_remediate.domain.ids import Fingerprint
from bsm_remediate.domain.listing import Listing
from bsm_remediate.errors import SourceUnreachable

_TIMEOUT_S = (2.0, 5.0)
"""To connect, and between two bytes of the answer."""
_LARGEST = 256 * 1024 * 1024
SETTLES_AFTER = timedelta(minutes=3)
"""Prometheus sends what fires each minute, so a restarted Alertmanager knows all of it well before that."""


class AlertmanagerList:
    """One Alertmanager, or the peers of a cluster: what any of them lists is listed."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        now: Callable[[], datetime],
        name: str = "alertmanager",
        receiver: str = "",
        token: str = "",
        settles_after: timedelta = SETTLES_AFTER,
    ) -> None:
        """`receiver` restricts the list to alerts routed to that receiver; `token` is sent as bearer."""
        self._urls = [url.rstrip("/") for url in urls]
        self._now = now
        self._name = name
        self._receiver = receiver
        self._settles_after = settles_after
        self._session = requests.Session()
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    @property
    def name(self) -> str:
        return self._name

    def listing(self) -> Listing:
        """The list of those that answer. Raises `SourceUnreachable` when none does."""
        found: dict[AlertKey, Alert] = {}
        suppressed: dict[AlertKey, str] = {}
        settled = False
        failures: list[str] = []
        asked_at = self._now()
        for url in self._urls:
            try:
                settled = self._has_settled(url, asked_at) or settled
                self._read(url, asked_at, found, suppressed)
            except SourceUnreachable as error:
                failures.append(str(error.args[0]))
        if len(failures) == len(self._urls):
            raise SourceUnreachable("; ".join(failures))
        return Listing(
            source=self._name,
            asked_at=asked_at,
            alerts=tuple(found.values()),
            suppressed=suppressed,
            # A peer that is away may be the only one that has heard of an alert.
            is_settled=settled and not failures,
        )

    def _read(
        self, url: str, asked_at: datetime, found: dict[AlertKey, Alert], suppressed: dict[AlertKey, str]
    ) -> None:
        parameters = {"receiver": f"^(?:{_quoted(self._receiver)})$"} if self._receiver else {}
        listed = self._get(url, "/api/v2/alerts", parameters)
        silences: Mapping[str, str] | None = None
        for one in _objects(listed, url):
            alert = self._alert(one, asked_at, url)
            found.setdefault(alert.key, alert)
            status = one.get("status")
            status = status if isinstance(status, dict) else {}
            by = status.get("silencedBy")
            if isinstance(by, list) and by:
                if silences is None:
                    silences = self._silences(url)
                suppressed[alert.key] = "silenced " + "; ".join(silences.get(str(one), f"by {one}") for one in by[:3])
            elif status.get("inhibitedBy"):
                suppressed[alert.key] = "inhibited by another alert"

    def _silences(self, url: str) -> dict[str, str]:
        """Silence → by whom, until when and why, for people."""
        told = {}
        for one in _objects(self._get(url, "/api/v2/silences", {}), url):
            until = str(one.get("endsAt", ""))[:16].replace("T", " ")
            told[str(one.get("id"))] = f"by {one.get('createdBy')} until {until}: {one.get('comment')}"
        return told

    def _has_settled(self, url: str, now: datetime) -> bool:
        status = self._get(url, "/api/v2/status", {})
        began = _time(status.get("uptime") if isinstance(status, dict) else None)
        return began is not None and now - began >= self._settles_after

    def _alert(self, one: Mapping[str, Any], asked_at: datetime, url: str) -> Alert:
        labels, starts_at = _texts(one.get("labels")), _time(one.get("startsAt"))
        fingerprint = one.get("fingerprint")
        if not labels or starts_at is None or not isinstance(fingerprint, str) or not fingerprint:
            raise SourceUnreachable(f"{url}/api/v2/alerts lists something that is no alert")
        return Alert(
            source=self._name,
            fingerprint=Fingerprint(fingerprint[:200]),
            status=AlertStatus.FIRING,
            labels=labels,
            annotations=_texts(one.get("annotations")),
            starts_at=min(starts_at, asked_at),
            received_at=asked_at,
        )

    def _get(self, url: str, path: str, parameters: Mapping[str, str]) -> Any:
        try:
            answer = self._session.get(url + path, params=parameters, timeout=_TIMEOUT_S, stream=True)
            with answer:
                if answer.status_code != 200:
                    raise SourceUnreachable(f"{url}{path} answers {answer.status_code}")
                body = answer.raw.read(_LARGEST + 1, decode_content=True)
            if len(body) > _LARGEST:
                raise SourceUnreachable(f"{url}{path} answers with more than {_LARGEST} bytes")
            return orjson.loads(body)
        except requests.RequestException as error:
            raise SourceUnreachable(f"{url} does not answer: {_why(error)}") from error
        except (orjson.JSONDecodeError, OSError) as error:
            raise SourceUnreachable(f"{url}{path} does not answer with JSON: {error}") from error


def _objects(listed: Any, url: str) -> list[Mapping[str, Any]]:
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise SourceUnreachable(f"{url} is no Alertmanager: it answers without a list")
    return listed


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {
        str(name).replace("\0", "�"): text.replace("\0", "�") for name, text in value.items() if isinstance(text, str)
    }


def _time(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        return found.astimezone(UTC) if found is not None and found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _quoted(receiver: str) -> str:
    """As a literal of Go's regular expressions."""
    return "".join(char if char.isalnum() or ord(char) > 127 else f"\\{char}" for char in receiver)


def _why(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "it took too long"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return type(error).__name__
