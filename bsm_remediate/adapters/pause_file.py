"""The emergency brake: a file `PAUSED` in the state directory, for when nothing else works."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from bsm_remediate.domain.situation import Pause

NAME = "PAUSED"
_LONGEST_REASON = 200


class PauseFile:
    """While the file is there nothing new is started. Its first line may say why."""

    def __init__(self, state: Path) -> None:
        self._path = state / NAME

    def __call__(self) -> Pause | None:
        """The pause that it orders; None while there is no such file. One that can't be looked at counts as there."""
        try:
            since = datetime.fromtimestamp(self._path.lstat().st_mtime, UTC)
        except FileNotFoundError:
            return None
        except OSError as error:
            now = datetime.now(UTC)
            return Pause(who=f"the file {self._path}", reason=f"it can't be looked at: {error.strerror}", since=now)
        return Pause(who=f"the file {self._path}", reason=self._reason(), since=since)

    def _reason(self) -> str:
        try:
            with self._path.open(encoding="utf-8", errors="replace") as file:
                line = file.readline(_LONGEST_REASON).strip()
        except OSError:
            return ""
        return "".join(one for one in line if one.isprintable())
