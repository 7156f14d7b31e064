"""The command as a person calls it: a process of its own in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def bsm(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`bsm-remediate ARGUMENTS` in `site`, where its state is, too; nobody is there to be asked."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BSM_")}
    return subprocess.run(
        [sys.executable, "-m", "bsm_remediate", *arguments],
        cwd=site,
        env={**inherited, "BSM_STATE_DIR": str(site / "state")},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )
