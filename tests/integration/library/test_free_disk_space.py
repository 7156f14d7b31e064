"""Disk space is freed on a real file system that is full: a small one in memory, in a namespace of its own."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.library.daemons import program, wait_until
from tests.integration.library.playing import does_its_work_once, only_looks_in_check_mode, play, refusals

MEBIBYTE = 1 << 20
DAY_S = 86400


class SmallDisk:
    """20 MiB at `mount`, seen by those who come through `enter`; from here it is found through `/proc`."""

    def __init__(self, folder: Path) -> None:
        self.mount = folder / "disk"
        self.mount.mkdir()
        script = f"mount -t tmpfs -o size=20m small {self.mount} && touch {folder}/ready && exec sleep 600"
        command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]
        self._keeper = subprocess.Popen(command)
        wait_until((folder / "ready").exists, "the small file system is mounted")
        self.here = Path(f"/proc/{self._keeper.pid}/root{self.mount}")
        target = str(self._keeper.pid)
        self.enter = (program("nsenter"), "--target", target, "--user", "--preserve-credentials", "--mount")

    def write(self, name: str, *, days: float, mebibytes: int) -> Path:
        path = self.here / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(bytes(mebibytes * MEBIBYTE))
        os.utime(path, (time.time() - days * DAY_S,) * 2)
        return path

    def names(self) -> set[str]:
        return {str(path.relative_to(self.here)) for path in self.here.rglob("*") if not path.is_dir()}

    @contextmanager
    def opened(self, name: str) -> Iterator[None]:
        """`name` is held open by a process that lives there, as the playbook may look at no other."""
        reader = subprocess.Popen([*self.enter, "sh", "-c", f"exec sleep 600 < {self.mount}/{name}"])
        stdin = Path(f"/proc/{reader.pid}/fd/0")
        wait_until(lambda: stdin.readlink().name == Path(name).name, "the file is open")
        yield
        reader.kill()
        reader.wait()

    def end(self) -> None:
        self._keeper.kill()
        self._keeper.wait()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(tmp_path)
    yield disk
    disk.end()


def test_old_files_go_the_oldest_first_until_enough_is_free(disk: SmallDisk, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "far.gz").write_bytes(b"x")
    os.utime(outside / "far.gz", (0, 0))
    for name, days in (("logs/a.gz", 30), ("logs/b.gz", 20), ("logs/c.gz", 10), ("logs/young.gz", 1)):
        disk.write(name, days=days, mebibytes=4)
    for name in ("logs/d.txt", "logs/deep/e.gz", "logs/open.gz", "logs/twice.gz"):
        disk.write(name, days=40, mebibytes=0)
    os.link(disk.here / "logs/twice.gz", disk.here / "logs/again.gz")
    (disk.here / "logs/far").symlink_to(outside)
    (disk.here / "logs/link.gz").symlink_to(outside / "far.gz")
    before = disk.names()
    given: dict[str, object] = {
        "disk_path": str(disk.mount),
        "disk_free_percent": 55,
        "disk_old_files": [{"path": str(disk.mount / "logs"), "patterns": ["*.gz"], "days": 5}],
    }
    with disk.opened("logs/open.gz"):
        only_looks_in_check_mode("free_disk_space.yml", tmp_path, given, through=disk.enter)
        assert disk.names() == before
        does_its_work_once("free_disk_space.yml", tmp_path, given, through=disk.enter)
    assert before - disk.names() == {"logs/a.gz", "logs/b.gz"}
    assert (outside / "far.gz").exists()


def test_too_little_that_may_go_is_a_failure(disk: SmallDisk, tmp_path: Path) -> None:
    disk.write("precious", days=99, mebibytes=15)
    disk.write("logs/deep/a.log.1", days=9, mebibytes=1)
    files = [{"path": str(disk.mount), "patterns": ["*.log.[0-9]"], "recurse": True}]
    given: dict[str, object] = {"disk_path": str(disk.mount), "disk_free_percent": 80, "disk_old_files": files}
    rotated = disk.here / "rotated"
    played = play(
        "free_disk_space.yml",
        tmp_path,
        {**given, "disk_rotate_command": ["touch", str(disk.mount / "rotated")]},
        through=disk.enter,
    )
    assert not played.succeeded
    assert "% of the file system" in played.output
    assert rotated.exists()
    assert disk.names() == {"precious", "rotated"}


def test_what_could_delete_too_much_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    victim = tmp_path / "real" / "a.gz"
    victim.write_text("x")
    os.utime(victim, (0, 0))

    def case(**changed: Any) -> dict[str, object]:
        rule = {"path": str(tmp_path / "real"), "patterns": ["*.gz"], "days": 1, **changed}
        return {"disk_path": str(tmp_path), "disk_free_percent": 99, "disk_old_files": [rule]}

    said = refusals(
        "free_disk_space.yml",
        tmp_path,
        case(patterns=["*"]),
        case(patterns=["?*"]),
        case(patterns="*.gz"),
        case(patterns=[]),
        case(patterns=["../*.gz"]),
        case(path="/"),
        case(path="/etc/ssl"),
        case(path="/usr"),
        case(path="relative"),
        case(days=0),
        case(days=-3),
        {**case(), "disk_free_percent": 100},
        {"disk_old_files": case()["disk_old_files"]},
        {**case(), "disk_journal_keep": "all; rm -rf /"},
        case(path=str(tmp_path / "link")),
        case(path=f"{tmp_path}/real/../../../etc"),
        {**case(), "disk_path": "/proc"},
    )
    assert all("free_disk_space.yml needs" in message for message in said[:-3]), said
    assert "reached through a link" in said[-3]
    assert "reached through a link" in said[-2]
    assert "lies on another file system" in said[-1]
    assert victim.exists()
