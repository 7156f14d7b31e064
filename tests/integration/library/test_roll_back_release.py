"""A release is rolled back once: the link, the service behind it, the record, also after an interruption."""

from __future__ import annotations

import json
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.integration.library.playing import does_its_work_once, only_looks_in_check_mode, play, refusals


class Site:
    """Three releases and a link; what "restarts" it notes which release it then found."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("r1", "r2", "r3"):
            (root / "releases" / name).mkdir(parents=True)
            (root / "releases" / name / "version").write_text(name)
        (root / "current").symlink_to("releases/r3")
        self.given: dict[str, object] = {
            "release_root": str(root),
            "release_restart_command": ["sh", "-c", f"cat {root}/current/version >> {root}/runs; env > {root}/env"],
        }

    def current(self) -> str:
        return str((self.root / "current").readlink())

    def runs(self) -> str:
        log = self.root / "runs"
        return log.read_text() if log.exists() else ""

    def record(self) -> dict[str, object]:
        found: dict[str, object] = json.loads((self.root / "rollback.json").read_text())
        return found


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


def test_the_release_before_runs_again_and_a_second_run_goes_no_further_back(site: Site, tmp_path: Path) -> None:
    only_looks_in_check_mode("roll_back_release.yml", tmp_path, site.given)
    assert (site.current(), site.runs()) == ("releases/r3", "")
    assert not (site.root / "rollback.json").exists()
    does_its_work_once("roll_back_release.yml", tmp_path, site.given, run=(3, 1))
    assert (site.current(), site.runs()) == ("releases/r2", "r2")
    assert site.record() == {"from": "r3", "to": "r2", "bad": ["r3"], "run": "run-1", "done": True}
    assert "BSM_RUN" not in (site.root / "env").read_text()
    assert {path.name for path in (site.root / "releases").iterdir()} == {"r1", "r2", "r3"}


def test_a_new_bad_release_never_leads_back_to_an_older_bad_one(site: Site, tmp_path: Path) -> None:
    record = {"from": "r2", "to": "r1", "bad": ["r2"], "run": "run-0", "done": True}
    (site.root / "rollback.json").write_text(json.dumps(record))
    played = play("roll_back_release.yml", tmp_path, site.given)
    assert played.succeeded, played.output
    assert (site.current(), site.runs()) == ("releases/r1", "r1")
    assert site.record()["bad"] == ["r2", "r3"]


def test_a_release_to_go_back_to_can_be_named(site: Site, tmp_path: Path) -> None:
    does_its_work_once("roll_back_release.yml", tmp_path, {**site.given, "release_to": "r1"})
    assert (site.current(), site.runs()) == ("releases/r1", "r1")


@pytest.mark.parametrize("link", ["releases/r3", "releases/r2"])
def test_what_an_interrupted_run_has_begun_is_finished(site: Site, tmp_path: Path, link: str) -> None:
    (site.root / "rollback.json").write_text('{"from": "r3", "to": "r2", "run": "run-0", "done": false}')
    (site.root / "current").unlink()
    (site.root / "current").symlink_to(link)
    played = play("roll_back_release.yml", tmp_path, site.given)
    assert played.succeeded, played.output
    assert (site.current(), site.runs(), site.record()["done"]) == ("releases/r2", "r2", True)


def test_an_older_release_that_does_not_answer_is_a_failure(site: Site, tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=site.root / "current"))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        base = f"http://127.0.0.1:{server.server_port}"
        given = {**site.given, "release_wait": 1}
        failed = play("roll_back_release.yml", tmp_path, {**given, "release_url": f"{base}/missing"})
        assert not failed.succeeded
        assert site.record()["done"] is False
        again = play("roll_back_release.yml", tmp_path, {**given, "release_url": f"{base}/version"})
        assert again.succeeded, again.output
    finally:
        server.shutdown()
        server.server_close()


def test_nothing_is_turned_where_there_is_nothing_to_go_back_to(site: Site, tmp_path: Path) -> None:
    oldest = Site(tmp_path / "oldest")
    (oldest.root / "current").unlink()
    (oldest.root / "current").symlink_to("releases/r1")
    unlinked = Site(tmp_path / "unlinked")
    (unlinked.root / "current").unlink()
    (unlinked.root / "current").mkdir()
    said = refusals(
        "roll_back_release.yml",
        tmp_path,
        {**site.given, "release_to": "../../etc"},
        {**site.given, "release_root": "site"},
        {**site.given, "release_restart_command": "systemctl restart shop"},
        {"release_root": str(site.root)},
        {**site.given, "release_to": "r9"},
        oldest.given,
        unlinked.given,
    )
    assert all("roll_back_release.yml needs" in message for message in said[:4]), said
    assert all("must be a link into" in message for message in said[4:]), said
    assert site.current() == "releases/r3"
    assert site.runs() + oldest.runs() + unlinked.runs() == ""
