"""The statistics of the store in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from bsm_remediate.domain.chapter import Chapter, Kept, Portion, Progress, Recorded, chapter_of
from bsm_remediate.domain.event import Event


class MemoryStatistics:
    """Implements `records.Statistics`, without locks."""

    def __init__(self) -> None:
        self._progress = Progress()
        self._chapters: dict[int, Chapter] = {}
        self._entries: defaultdict[int, list[Event]] = defaultdict(list)
        """By chapter."""

    def recorded(self, *, since: datetime, until: datetime) -> Recorded:
        found = [
            Kept(chapter, event)
            for number, chapter in self._chapters.items()
            if (not chapter.is_over or chapter.latest_at >= since) and chapter.began_at <= until
            for event in self._entries[number]
        ]
        found.sort(key=lambda one: one.event.position or 0)
        return Recorded(progress=self._progress, entries=tuple(found))

    def progress(self) -> Progress:
        return self._progress

    def latest_chapters(self, keys: Collection[str]) -> Mapping[str, Chapter]:
        return {one.key: one for _, one in sorted(self._chapters.items()) if one.key in keys}

    def keep(self, portion: Portion, *, after: int) -> bool:
        if self._progress.position != after:
            return False
        self._progress = portion.progress
        self._chapters.update((one.id, one) for one in portion.chapters)
        for one in portion.entries:
            self._entries[one.chapter.id].append(one.event)
        return True

    def rewind(self, position: int) -> None:
        if position >= self._progress.position:
            return
        for number, chapter in list(self._chapters.items()):
            left = [event for event in self._entries[number] if (event.position or 0) <= position]
            if not left:
                del self._chapters[number], self._entries[number]
            elif len(left) < len(self._entries[number]):
                self._chapters[number], self._entries[number] = chapter_of(chapter.key, left), left
        recorded_since = self._progress.recorded_since if position else None
        self._progress = Progress(position=position, recorded_since=recorded_since)

    def forget(self, before: datetime) -> int:
        old = [number for number, one in self._chapters.items() if one.is_over and one.latest_at < before]
        for number in old:
            del self._chapters[number], self._entries[number]
        since = self._progress.recorded_since
        if since is not None and since < before:
            self._progress = replace(self._progress, recorded_since=before)
        return len(old)
