"""A release is rolled back once: the link, the service behind it, the record, also after an interruption."""

from __future__ import annotations

import json
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.integration.library.playing import does_its_work_once, only_looks_in_check_mode, play_each, refusals


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


def test_where_it_goes_back_to_depends_on_what_was_done_before(tmp_path: Path) -> None:
    sites = {name: Site(tmp_path / name) for name in ("named", "bad-before", "begun", "turned")}
    given = {name: site.given for name, site in sites.items()}
    given["named"] = {**given["named"], "release_to": "r1"}
    records = {
        "bad-before": {"from": "r2", "to": "r1", "bad": ["r2"], "run": "run-0", "done": True},
        "begun": {"from": "r3", "to": "r2", "bad": ["r3"], "run": "run-0", "done": False},
        "turned": {"from": "r3", "to": "r2", "bad": ["r3"], "run": "run-0", "done": False},
    }
    for name, record in records.items():
        (sites[name].root / "rollback.json").write_text(json.dumps(record))
    (sites["turned"].root / "current").unlink()
    (sites["turned"].root / "current").symlink_to("releases/r2")
    told = play_each("roll_back_release.yml", tmp_path, given)
    assert all(one.succeeded for one in told.values()), told
    went = {"named": "r1", "bad-before": "r1", "begun": "r2", "turned": "r2"}
    assert {name: site.runs() for name, site in sites.items()} == went  # "restarted" with that release
    assert {name: site.current() for name, site in sites.items()} == {n: f"releases/{to}" for n, to in went.items()}
    assert all(site.record()["done"] for site in sites.values())
    assert sites["bad-before"].record()["bad"] == ["r2", "r3"]


def test_an_older_release_that_does_not_answer_is_a_failure(tmp_path: Path) -> None:
    silent, answering = Site(tmp_path / "silent"), Site(tmp_path / "answering")
    pages = partial(SimpleHTTPRequestHandler, directory=answering.root / "current")
    server = ThreadingHTTPServer(("127.0.0.1", 0), pages)
    Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    cases = {
        "silent": {**silent.given, "release_wait": 1, "release_url": f"{base}/missing"},
        "answering": {**answering.given, "release_url": f"{base}/version"},
    }
    try:
        told = play_each("roll_back_release.yml", tmp_path, cases)
    finally:
        server.shutdown()
        server.server_close()
    assert (told["silent"].succeeded, told["answering"].succeeded) == (False, True)
    assert (silent.record()["done"], answering.record()["done"]) == (False, True)


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
