"""What is shipped for servers does what it says: the systemd unit, the container file, the health check."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[2]
UNIT = (ROOT / "packaging" / "systemd" / "bsm-remediate.service").read_text()
CONTAINER = ROOT / "packaging" / "container"
CONTAINERFILE = re.sub(r"\\\n\s*", "", (CONTAINER / "Containerfile").read_text())
HERE = Path(sys.executable).parent
MOST_EXPOSURE = 20  # tenths, as systemd counts it: 0 is a sealed box, 100 no protection at all
BUNDLE = "currency: EUR\nservices: {shop: {loss_per_minute: 10, requires: [db-1]}}\ncomponents: {db-1: {}}\n"


def values(key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", UNIT, re.MULTILINE)


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.*)$", CONTAINERFILE, re.MULTILINE)


def eventually(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end, "it didn't come true in time"
        time.sleep(0.05)


@pytest.fixture
def unit_file(tmp_path: Path) -> Path:
    """The unit, with a program that is there."""
    path = tmp_path / "bsm-remediate.service"
    path.write_text(UNIT.replace("/opt/bsm-remediate/bin", str(HERE)))
    return path


def analysed(*arguments: str | Path) -> None:
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_systemd_takes_the_unit(unit_file: Path) -> None:
    analysed("verify", "--man=no", unit_file)


def test_the_unit_leaves_little_exposed(unit_file: Path) -> None:
    analysed("security", "--offline=true", f"--threshold={MOST_EXPOSURE}", unit_file)


class Service:
    """What the unit starts, without systemd: its command, environment, folders and credentials."""

    def __init__(self, folder: Path) -> None:
        self.etc, state, credentials = (folder / name for name in ("etc", "state", "credentials"))
        for made in (self.etc / "policies", state, credentials):
            made.mkdir(parents=True)
        (self.etc / "policies" / "shop.yml").write_text(BUNDLE)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (self.etc / "bsm-remediate.toml").write_text(f"[server]\nport = {self.port}\n")
        for given in values("LoadCredential"):
            (credentials / given.split(":")[0]).write_text("the administrator's\n")
        environment = dict(line.split("=", 1) for line in values("Environment"))
        environment = {name: text.replace("%d", str(credentials)) for name, text in environment.items()}
        environment |= {"STATE_DIRECTORY": str(state), "HOME": str(state), "PATH": os.environ["PATH"]}
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(str(folder / "notify"))
        self.manager.settimeout(20)
        environment["NOTIFY_SOCKET"] = str(folder / "notify")
        command = values("ExecStart")[0].replace("/opt/bsm-remediate/bin", str(HERE))
        self.process = subprocess.Popen(
            command.replace("/etc/bsm-remediate", str(self.etc)).split(), cwd=self.etc, env=environment
        )
        self.database = state / "bsm-remediate.sqlite"

    def status(self, path: str, token: str = "") -> int:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            return requests.get(f"http://127.0.0.1:{self.port}{path}", headers=headers, timeout=5).status_code
        except requests.ConnectionError:
            return 0

    def is_healthy(self) -> bool:
        check = [sys.executable, str(CONTAINER / "healthy.py")]
        environment = {**os.environ, "BSM_PORT": str(self.port)}
        return subprocess.run(check, env=environment, capture_output=True, check=False).returncode == 0


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    started = Service(tmp_path)
    yield started
    started.process.kill()
    started.process.wait(timeout=10)
    started.manager.close()


def test_the_service_says_when_it_is_ready_and_when_it_ends(service: Service) -> None:
    assert values("Type") == ["notify"]
    assert service.manager.recv(100) == b"READY=1"
    assert service.status("/healthz") == 200
    service.process.send_signal(signal.SIGTERM)
    assert service.manager.recv(100) == b"STOPPING=1"


def test_the_command_of_the_unit_serves_with_its_credentials_and_its_state(service: Service) -> None:
    eventually(lambda: service.status("/healthz") == 200)
    assert service.status("/api/v1/services") == 401
    assert service.status("/api/v1/services", "the administrator's") == 200
    assert service.database.exists()


def test_the_unit_reloads_and_ends_by_the_signals_that_it_names(service: Service) -> None:
    eventually(lambda: service.status("/readyz") == 200)
    assert values("ExecReload") == ["/bin/kill -HUP $MAINPID"]
    (service.etc / "policies" / "shop.yml").write_text(BUNDLE.replace("shop", "store"))
    service.process.send_signal(signal.SIGHUP)
    token = "the administrator's"
    eventually(
        lambda: (
            "store"
            in requests.get(
                f"http://127.0.0.1:{service.port}/api/v1/services",
                headers={"Authorization": f"Bearer {token}"},
                timeout=5,
            ).text
        )
    )
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(timeout=int(values("TimeoutStopSec")[0])) == 0


def test_the_health_check_tells_a_live_engine_from_a_dead_one(service: Service) -> None:
    eventually(service.is_healthy)
    service.process.kill()
    service.process.wait(timeout=10)
    assert not service.is_healthy()


def test_the_image_is_made_of_what_is_here_and_what_is_locked() -> None:
    for instruction in instructions("COPY"):
        if not instruction.startswith("--from="):
            *sources, _ = instruction.split()
            assert [source for source in sources if not (ROOT / source).exists()] == []
    installs = re.findall(r"pip install (\S+)", CONTAINERFILE)
    assert installs
    assert set(installs) <= {"--require-hashes", "--no-deps"}
    assert re.search(r"^hatchling==", (CONTAINER / "build.lock").read_text(), re.MULTILINE)


def test_the_container_runs_as_somebody_else_than_root_and_is_checked() -> None:
    assert [user.split(":")[0].isdigit() and user.split(":")[0] != "0" for user in instructions("USER")] == [True]
    last_stage = CONTAINERFILE[CONTAINERFILE.rindex("\nFROM ") :]
    assert last_stage.index("\nUSER ") < last_stage.index("\nENTRYPOINT ")
    assert "healthy.py" in instructions("HEALTHCHECK")[0]
