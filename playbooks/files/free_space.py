"""Measure a file system, and delete expendable files: `free_space.py look|delete PERCENT PATH RULES`.

RULES is a JSON list of {path, patterns, days, recurse}. Prints JSON: the percentage that is free on the file system of
PATH, and the files that may be deleted (`look`) or were (`delete`: the oldest first, only until PERCENT is free).
Ends with 1 and a sentence when a folder isn't what it must be. Runs on Python 3.8 and newer.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Iterator

DAY_S = 86400
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
SHOWN = 1000


def main(verb: str, percent: float, path: str, rules: list[dict[str, Any]]) -> None:
    device = Path(path).stat().st_dev
    for rule in rules:
        assert_folder(rule["path"], device)
    opened = open_files()
    found = sorted(one for rule in rules for one in candidates(rule, device, opened))
    taken = [(folder, name) for _, folder, name in found]
    if verb == "delete":
        taken = list(deleted(taken, percent, path))
    names = [str(Path(folder, name)) for folder, name in taken]
    print(json.dumps({"free": free_percent(path), "count": len(names), "files": names[:SHOWN]}))


def free_percent(path: str) -> float:
    """Of what users without privileges can have, as `df` shows it."""
    system = os.statvfs(path)
    usable = system.f_blocks - system.f_bfree + system.f_bavail
    return 100.0 * system.f_bavail / usable if usable else 100.0


def assert_folder(path: str, device: int) -> None:
    if os.path.realpath(path) != path or not Path(path).is_dir():
        raise SystemExit(f"{path} is no folder, or it is reached through a link; nothing was deleted")
    if Path(path).stat().st_dev != device:
        raise SystemExit(f"{path} lies on another file system; nothing was deleted")


def candidates(rule: dict[str, Any], device: int, opened: set[tuple[int, int]]) -> Iterator[tuple[float, str, str]]:
    """Time of the last change, folder and name of what `rule` gives away."""
    youngest = time.time() - DAY_S * float(rule.get("days", 7))
    for folder, below, names, descriptor in os.fwalk(rule["path"]):
        here = os.fstat(descriptor).st_dev
        below[:] = below if rule.get("recurse", False) and here == device else []
        for name in names if here == device else []:
            with suppress(FileNotFoundError):
                seen = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                # A file with several names would free nothing.
                plain = stat.S_ISREG(seen.st_mode) and seen.st_nlink == 1
                fits = any(fnmatchcase(name, pattern) for pattern in rule["patterns"])
                if plain and fits and seen.st_mtime < youngest and (seen.st_dev, seen.st_ino) not in opened:
                    yield seen.st_mtime, folder, name


def open_files() -> set[tuple[int, int]]:
    """Device and inode of all that processes have open, as far as we may see."""
    found = set()
    for descriptors in Path("/proc").glob("[0-9]*/fd"):
        with suppress(OSError):
            for descriptor in descriptors.iterdir():
                with suppress(OSError):
                    seen = descriptor.stat()
                    found.add((seen.st_dev, seen.st_ino))
    return found


def deleted(found: list[tuple[str, str]], percent: float, path: str) -> Iterator[tuple[str, str]]:
    for folder, name in found:
        if free_percent(path) >= percent:
            return
        with suppress(FileNotFoundError):
            descriptor = opened_without_links(folder)
            try:
                os.unlink(name, dir_fd=descriptor)
            finally:
                os.close(descriptor)
            yield folder, name


def opened_without_links(folder: str) -> int:
    """A descriptor of `folder`; who owns a folder above it can't have put a link in its way since we looked."""
    descriptor = os.open("/", FOLDER)
    for part in Path(folder).parts[1:]:
        below = os.open(part, FOLDER, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    return descriptor


main(sys.argv[1], float(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4]))
