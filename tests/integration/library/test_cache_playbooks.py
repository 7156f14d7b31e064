"""Flushing a real Redis, whole or by pattern, and warming by real requests."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from lab.children import Children
from tests.integration.library.daemons import Daemon, free_port, program
from tests.integration.library.playing import does_its_work_once, only_looks_in_check_mode, play, refusals

PASSWORD = "canary-of-the-cache"


class Cache:
    """A Redis with a password."""

    def __init__(self, children: Children, folder: Path) -> None:
        self.port = free_port()
        folder.mkdir()
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "dir": folder, "requirepass": PASSWORD}
        command = [program("redis-server"), *(f"--{name}={value}" for name, value in options.items())]
        flat = [part for option in command[1:] for part in option.split("=", 1)]
        Daemon(children, folder, [command[0], *flat], self.port).start()
        self.given: dict[str, object] = {"redis_port": self.port, "redis_password": PASSWORD}

    def say(self, *words: str, database: int = 0) -> str:
        command = ["redis-cli", "-p", str(self.port), "-n", str(database), "--no-auth-warning", "-a", PASSWORD, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()


@pytest.fixture(scope="module")
def started(children: Children, ground: Path) -> Cache:
    return Cache(children, ground / "redis")


@pytest.fixture
def cache(started: Cache) -> Cache:
    started.say("FLUSHALL")
    started.say("REPLICAOF", "NO", "ONE")
    return started


def test_only_keys_that_fit_are_dropped_whatever_they_look_like(cache: Cache, tmp_path: Path) -> None:
    odd = ["page:1", "page:with space", 'page:"quoted" \\', "page:two\nlines", "page:\u00fc"]
    kept = ["lines", "pages", "user:1"]
    for key in odd + kept:
        cache.say("SET", key, "x")
    given = {**cache.given, "cache_pattern": "page:*"}
    only_looks_in_check_mode("flush_cache.yml", tmp_path, given)
    assert cache.say("DBSIZE") == str(len(odd + kept))
    first = does_its_work_once("flush_cache.yml", tmp_path, given)
    assert sorted(cache.say("KEYS", "*").splitlines()) == kept
    assert PASSWORD not in first.output


def test_all_keys_of_one_database_are_dropped_and_no_other(cache: Cache, tmp_path: Path) -> None:
    for number in range(20):
        cache.say("SET", f"key{number}", "x")
    cache.say("SET", "other", "x", database=1)
    given = {**cache.given, "cache_all": True}
    only_looks_in_check_mode("flush_cache.yml", tmp_path, given)
    assert cache.say("DBSIZE") == "20"
    does_its_work_once("flush_cache.yml", tmp_path, given)
    assert (cache.say("DBSIZE"), cache.say("DBSIZE", database=1)) == ("0", "1")


def test_a_replica_and_unclear_orders_are_refused(cache: Cache, tmp_path: Path) -> None:
    cache.say("SET", "key", "x")
    cache.say("REPLICAOF", "127.0.0.1", str(free_port()))
    said = refusals(
        "flush_cache.yml",
        tmp_path,
        cache.given,
        {**cache.given, "cache_pattern": "*"},
        {**cache.given, "cache_pattern": ""},
        {**cache.given, "cache_pattern": "a\nFLUSHALL"},
        {**cache.given, "cache_pattern": "a*", "cache_all": True},
        {**cache.given, "cache_all": True, "redis_db": "-1"},
        {**cache.given, "cache_all": True},
    )
    assert all("flush_cache.yml needs" in message for message in said[:-1]), said
    assert cache.say("DBSIZE") == "1"


class Pages(ThreadingHTTPServer):
    """Answers everything but /missing, and notes in which order it was asked."""

    def __init__(self) -> None:
        asked: list[str] = []

        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(f"{self.headers['Host'].split(':')[0]}{self.path}")
                self.send_response(404 if self.path == "/missing" else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        super().__init__(("127.0.0.1", 0), Page)
        self.asked = asked
        self.base = f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def pages() -> Iterator[Pages]:
    server = Pages()
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_pages_are_asked_for_in_their_order(pages: Pages, tmp_path: Path) -> None:
    given = {"warm_urls": [f"{pages.base}/first", f"{pages.base}/second"], "warm_headers": {"Host": "shop.example"}}
    only_looks_in_check_mode("warm_cache.yml", tmp_path, given)
    assert pages.asked == []
    played = play("warm_cache.yml", tmp_path, given)
    assert (played.succeeded, played.changed) == (True, 0), played.output
    assert pages.asked == ["shop.example/first", "shop.example/second"]
    assert not play("warm_cache.yml", tmp_path, {"warm_urls": [f"{pages.base}/missing"]}).succeeded


def test_what_is_no_page_is_refused(pages: Pages, tmp_path: Path) -> None:
    said = refusals(
        "warm_cache.yml",
        tmp_path,
        {},
        {"warm_urls": []},
        {"warm_urls": f"{pages.base}/"},
        {"warm_urls": [f"{pages.base}/", "file:///etc/passwd"]},
    )
    assert all("warm_cache.yml needs" in message for message in said), said
    assert pages.asked == []
