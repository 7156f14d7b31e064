"""The private folder of one execution, and the lock that says whether anything of it still lives."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import time
from pathlib import Path

from bsm_remediate.adapters.ansible.inert import assert_inert

_LOCK = "guard.lock"
_STEP_S = 0.02


class RunFolder:
    """A fresh folder (0700). Never used twice: ansible-runner merges what it finds of an earlier run into the next."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def fresh(cls, parent: Path, name: str) -> RunFolder:
        """Make `parent/name`, or `name-2`, `-3` where a rollback follows in the same attempt. Raises `OSError`."""
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in (parent / name, *(parent / f"{name}-{number}" for number in range(2, 100))):
            try:
                path.mkdir(mode=0o700)
            except FileExistsError:
                continue
            return cls(path)
        raise FileExistsError(f"{parent / name} and 98 more of that name exist")

    @property
    def lock(self) -> Path:
        return self.path / _LOCK

    @property
    def artifacts(self) -> Path:
        return self.path / "artifacts" / "run"

    def write_variables(self, text: str) -> None:
        """Put `text` where ansible-runner looks for extra variables, readable for us alone, and read it back.

        Raises `ValueError` when what is there now isn't inert.
        """
        folder = self.path / "env"
        folder.mkdir(mode=0o700)
        file = os.open(folder / "extravars", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(file, "w", encoding="ascii") as stream:
            stream.write(text)
        assert_inert((folder / "extravars").read_text(encoding="ascii"))

    def drop_secrets(self) -> None:
        """Remove the variables and the command's environment, which nobody needs after the run."""
        shutil.rmtree(self.path / "env", ignore_errors=True)
        shutil.rmtree(self.path / "tmp", ignore_errors=True)
        (self.artifacts / "command").unlink(missing_ok=True)

    def is_alive(self) -> bool:
        """Whether a process of it still runs (its guard holds the lock)."""
        try:
            file = os.open(self.lock, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(file)
        return False

    def wait_until_over(self, timeout_s: float) -> bool:
        """Whether nothing of it runs any more, within `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while self.is_alive():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_STEP_S)
        return True

    def end(self) -> None:
        """Kill the guard's outer level, if it still runs; the inner one then ends everything."""
        if self.is_alive():
            try:
                os.kill(int(self.lock.read_text()), signal.SIGKILL)
            except (OSError, ValueError):
                return

    def digest(self) -> str:
        """sha256 over the events that were kept, in their order; a person can compute it again."""
        events = sorted(
            (self.artifacts / "job_events").glob("[0-9]*-*.json"), key=lambda path: int(path.name.split("-")[0])
        )
        together = hashlib.sha256()
        for event in events:
            together.update(event.read_bytes())
        return f"sha256:{together.hexdigest()}"

    def last_words(self) -> str:
        """The error that Ansible printed, else the end of its output; "" when it said nothing."""
        try:
            lines = (self.artifacts / "stdout").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        spoken = [line.strip() for line in lines if line.strip()]
        errors = [number for number, line in enumerate(spoken) if line.startswith(("ERROR!", "[ERROR]"))]
        return " ".join(spoken[errors[0] :] if errors else spoken[-3:])
