"""A real `serve` in a folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
_ENDS_WITHIN_S = 60


class Served:
    """Runs from its making until `stop`; what it writes to its log is in `log`."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        settings: str = "",
        environment: Mapping[str, str] | None = None,
        globally: tuple[str, ...] = (),
    ) -> None:
        """`folder` is its working folder; `globally` are options before `serve`."""
        folder.mkdir(exist_ok=True)
        (folder / "bsm-remediate.toml").write_text(settings)
        self.folder = folder
        self.log = folder / "log"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BSM_")}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bsm_remediate", *globally, "serve", "--port", "0", *options],
                cwd=folder,
                env={**inherited, "BSM_STATE_DIR": str(folder / "state"), **(environment or {})},
                stdout=log,
                stderr=subprocess.PIPE,
            )
        assert self._process.stderr is not None
        announced = ""
        with self.log.open("a") as log:
            while " at http" not in announced:
                announced = self._process.stderr.readline().decode()
                assert announced, f"the server has ended: {self.log.read_text()}"
                log.write(announced)
        self.url = announced.split(" at ")[1].split(";")[0]
        # What comes from here on must not fill the pipe while nobody reads it.
        kept = ["tee", "-a", str(self.log)]
        self._tee = subprocess.Popen(kept, stdin=self._process.stderr, stdout=subprocess.DEVNULL)

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> str:
        """End it as an administrator would; all that it wrote."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=_ENDS_WITHIN_S)
        finally:
            self._process.kill()
            self._tee.wait(timeout=10)
            assert self._process.stderr is not None
            self._process.stderr.close()
        return self.log.read_text(encoding="utf-8", errors="replace")
