"""`/metrics` pages read directly, for who has no Prometheus. Implements `ports.MetricSource`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from bsm_remediate.adapters.metrics.exposition import read_page
from bsm_remediate.adapters.metrics.http import HttpReader
from bsm_remediate.adapters.metrics.remembered import NAME, Remembered
from bsm_remediate.domain.sample import Sample, Series
from bsm_remediate.errors import SourceUnreachable
from bsm_remediate.ports import Clock

_log = logging.getLogger(__name__)

_AT_ONCE = 8
_ACCEPT = "text/plain;version=0.0.4"


class ScrapedPages:
    """The pages at some addresses. Each figure has its page's host and port as `instance`, and each page the figure
    `up`: 1, or 0 while it doesn't answer.
    """

    def __init__(self, urls: Sequence[str], reader: HttpReader, clock: Clock, *, every: timedelta) -> None:
        self._urls = tuple(urls)
        self._reader = reader
        self._clock = clock
        self._every = every
        self._remembered = Remembered()
        self._read_at: datetime | None = None
        self._failing: dict[str, str] = {}
        """Address → why, by the last reading."""
        self._guard = threading.Lock()

    def samples(self, query: str) -> Sequence[Sample]:
        """What `query` is now. Raises `SourceUnreachable` when no page answers."""
        with self._guard:
            self._read()
            if len(self._failing) == len(self._urls):
                raise SourceUnreachable("; ".join(self._failing.values()))
            return self._remembered.samples(query)

    def history(self, query: str, *, start: datetime, end: datetime, step: timedelta) -> Sequence[Series]:  # noqa: ARG002 - as often as it was read
        """What it was at each reading since the engine's start."""
        with self._guard:
            return self._remembered.history(query, start=start, end=end)

    def _read(self) -> None:
        now = self._clock.now()
        if self._read_at is not None and now - self._read_at < self._every:
            return
        self._read_at = now
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="scrape") as pool:
            found = list(pool.map(self._page, self._urls))
        failing = {url: why for url, why in zip(self._urls, found, strict=True) if isinstance(why, str)}
        for url in failing.keys() - self._failing.keys():
            _log.warning("source.page_away url=%s: %s", url, failing[url])
        self._failing = failing
        self._remembered.take([one for page in found if isinstance(page, list) for one in page] + self._up(), now)

    def _up(self) -> list[Sample]:
        return [
            Sample(labels={NAME: "up", "instance": _instance(url)}, value=float(url not in self._failing))
            for url in self._urls
        ]

    def _page(self, url: str) -> list[Sample] | str:
        """Its figures, or why there are none."""
        try:
            answer = self._reader.get(url, accept=_ACCEPT)
            if answer.status != 200:
                return f"{url} answers {answer.status}"
            return read_page(answer.body.decode("utf-8", "replace"), {"instance": _instance(url)})
        except SourceUnreachable as error:
            return str(error.args[0])
        except ValueError as error:
            return f"{url}: {error}"


def _instance(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]
