"""The lab of real parts, for every integration test that wants real hosts: `def test_…(real_lab: Lab)`.

`real_lab` (`lab.real.shop.Lab`) is started once per session, on ports and addresses that are free. It has
`layout.file("inventory.yml")` (hosts lb1, web1, web2, app1, cache1, db1, db2; SSH with host key checking), `ssh(host,
…)`, `page(path)`, `layout.at(host, kind)`; `lab.real.faults` breaks it (`break_`) and mends it by hand (`mend`,
`mend_all`). Whoever breaks something mends it: the next test finds the lab as it was made.
"""

from __future__ import annotations

import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bsm_remediate.adapters.ansible.warm import WarmServers
from lab.real.layout import CHECKOUT
from lab.real.shop import Lab

_PAGER_AFTER_S = 15
_NETWORKS = range(100, 250)
_DOWN_WITHIN_S = 60


@pytest.fixture(scope="session")
def real_lab() -> Iterator[Lab]:
    """A lab in a folder of its own, cleared away at the end, even when the tests are killed."""
    folder = Path(tempfile.mkdtemp(prefix="bsm-", dir="/tmp")) / "lab"  # sockets need a short path
    folder.parent.chmod(0o711)  # PostgreSQL crosses it as a user of its own
    keeper = subprocess.Popen(
        [sys.executable, "-m", "lab.real", "down", "--after-input"],
        cwd=CHECKOUT,
        env={"BSM_LAB_DIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield Lab.up(folder, network=secrets.choice(_NETWORKS), pager_after_s=_PAGER_AFTER_S)
    finally:
        keeper.communicate(timeout=_DOWN_WITHIN_S)
        left = list(folder.parent.iterdir())
        folder.parent.rmdir()
    assert left == []


@pytest.fixture(scope="session")
def warm_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmServers]:
    """For tests that need no servers of their own: runs that call Ansible in the same way share one."""
    servers = WarmServers(tmp_path_factory.mktemp("servers"))
    yield servers
    servers.close()


@pytest.fixture(scope="session", params=["cold", "warm"])
def maybe_warm(request: pytest.FixtureRequest) -> WarmServers | None:
    """Whoever asks for it is tested with both ways to start Ansible."""
    return request.getfixturevalue("warm_servers") if request.param == "warm" else None
