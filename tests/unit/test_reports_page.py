"""The pages on reports and reviews, lived through: their bundle, their morning, and what their commands print."""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bsm_remediate.adapters.sql.store import open_store
from bsm_remediate.cli import main
from bsm_remediate.cli.report_csv import report_csv
from bsm_remediate.config.loader import load_bundle
from bsm_remediate.testing.executor import Scripted
from bsm_remediate.testing.timeline import Timeline
from bsm_remediate.web.report_page import report_page

PAGE = (Path(__file__).parents[2] / "docs" / "reports.md").read_text(encoding="utf-8")
REVIEWS = (Path(__file__).parents[2] / "docs" / "reviews.md").read_text(encoding="utf-8")
MORNING = ["report", "--from", "2026-01-05T09:00:00Z", "--to", "2026-01-05T10:00:00Z"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    bundle = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert bundle is not None
    (folder / "policies").mkdir()
    (folder / "policies" / "shop.yml").write_text(bundle[1])
    loaded = load_bundle(folder / "policies", inventory=None, playbooks=None, scrutinise=False)
    assert loaded.bundle is not None
    store = open_store(f"sqlite:///{folder / 'shop.sqlite'}")
    shop = Timeline(loaded.bundle, store)
    shop.executor.script("restart_database.yml", Scripted(duration_s=150))
    shop.at("09:00:20").fires("PostgresDown", instance="db-1", since=datetime(2026, 1, 5, 9, tzinfo=UTC))
    shop.at("09:03:10").resolves("PostgresDown", instance="db-1")
    shop.at("09:30:00").fires("WebDown", instance="web-1").at("09:42:00").resolves("WebDown", instance="web-1")
    shop.at("10:00:00")
    store.close()
    return folder


@pytest.fixture
def told(site: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(site)

    def tell(*words: str) -> str:
        database = f"sqlite:///{site / 'shop.sqlite'}"
        result = CliRunner().invoke(main, ["--database", database, *words])
        assert result.exit_code == 0, result.output
        return result.stdout

    return tell


def test_the_report_is_what_its_page_shows(told: Any) -> None:
    shown = [block for block in re.findall(r"```console\n\$ (.*?)```", PAGE, re.DOTALL) if "10:00:00Z" in block]
    assert len(shown) == 2
    for block in shown:
        line, _, output = block.partition("\n")
        assert {*line.split()[1:]} - {"--brief"} == {*MORNING}
        found = [one.rstrip() for one in told(*line.split()[1:]).strip().splitlines()]
        assert found == [one.rstrip() for one in output.strip().splitlines()]


def _steady(text: str) -> list[str]:
    """Without what is another one each time: ids of runs, and when it was written."""
    written = re.sub(r"^- Written \S+ \S+", "- Written", text, flags=re.MULTILINE)
    return [line.rstrip() for line in re.sub(r"\b[0-9a-f]{12}\b", "RUN", written).strip().splitlines()]


def test_the_incidents_and_the_review_are_what_their_page_shows(told: Any) -> None:
    shown = re.findall(r"^```console\n\$ bsm-remediate (.*?)\n(.*?)^```", REVIEWS, re.DOTALL | re.MULTILINE)
    assert [line.split()[0] for line, _ in shown] == ["incidents", "review"]
    for line, output in shown:
        assert _steady(told(*line.split())) == _steady(output)


def test_a_review_is_written_where_it_is_wanted_and_has_its_facts_as_json(told: Any, site: Path) -> None:
    assert told("review", "latest", "--out", str(site / "review.md")) == ""
    assert _steady((site / "review.md").read_text(encoding="utf-8")) == _steady(told("review", "latest"))
    facts = json.loads(told("review", "latest", "-o", "json"))
    assert (facts["schema"], facts["incident"]["id"]) == ("bsm-remediate/review/v1", "20260105T093000Z-web-1")


def test_a_report_is_written_where_it_is_wanted(told: Any, site: Path) -> None:
    assert told(*MORNING, "--out", str(site / "report.txt")) == ""
    assert (site / "report.txt").read_text(encoding="utf-8") == told(*MORNING)


def test_a_spreadsheet_has_a_figure_a_line_and_the_same_figures(told: Any) -> None:
    lines = list(csv.DictReader(StringIO(told(*MORNING, "-o", "csv"))))
    report = json.loads(told(*MORNING, "-o", "json"))
    lost = {one["subject"]: float(one["value"]) for one in lines if one["measure"] == "lost"}
    assert lost == {one["service"]: one["lost"] for one in report["loss"]["by_service"]}
    (avoided,) = [one for one in lines if one["section"] == "avoided" and one["measure"] == "money"]
    assert (float(avoided["value"]), avoided["detail"]) == (report["avoided"]["money"], report["avoided"]["assumption"])


def test_shadows_alone_are_told_without_the_statistics(told: Any) -> None:
    report = json.loads(told(*MORNING, "--shadow", "-o", "json"))
    assert set(report) == {"schema", "from", "to", "currency", "max_mode", "shadow"}
    assert "Lost" not in told(*MORNING, "--shadow")


class Page(HTMLParser):
    """Notes each element with its attributes; and that they close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag != "meta":
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_needs_no_script_and_nothing_from_elsewhere(told: Any) -> None:
    text = told(*MORNING, "-o", "html")
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "form", "a"} & {tag for tag, _ in page.elements}
    assert not {"src", "href", "onload", "onclick", "style"} & {name for _, found in page.elements for name in found}
    assert "default-src 'none'" in text
    assert "://" not in text
    assert "url(" not in text
    assert sum(tag == "svg" for tag, _ in page.elements) == 4


def test_the_page_says_the_money_and_what_that_assumes(told: Any) -> None:
    report = json.loads(told(*MORNING, "-o", "json"))
    said = " ".join(Page(told(*MORNING, "-o", "html")).text)
    assert "3,908.33 EUR" in said
    assert report["avoided"]["assumption"] in said


HOSTILE = """</title></style></svg><script>alert(1)</script>"'><img src=x onerror=alert(1)>&lt;"""


def test_names_stay_text_in_the_page_whatever_they_are(told: Any) -> None:
    report = json.loads(told(*MORNING, "-o", "json"))
    spoiled = json.loads(json.dumps(report).replace("web-1", json.dumps(HOSTILE)[1:-1]))
    for hostile in (*spoiled["playbooks"], *spoiled["objectives"]):
        hostile.update({"policy": HOSTILE, "service": HOSTILE, "told": HOSTILE, "currency": HOSTILE})
    spoiled["currency"] = HOSTILE
    elements = {tag for tag, _ in Page(report_page(spoiled)).elements}
    assert elements == {tag for tag, _ in Page(report_page(report)).elements}
    assert HOSTILE in " ".join(Page(report_page(spoiled)).text)


def test_a_name_is_no_formula_in_a_spreadsheet(told: Any) -> None:
    report = json.loads(told(*MORNING, "-o", "json").replace('"web-1"', '"=HYPERLINK(1)"'))
    details = [one[2] for one in csv.reader(StringIO(report_csv(report)))]
    assert "'=HYPERLINK(1)" in details
    assert not [one for one in details if one.startswith("=")]


def test_a_time_without_anything_makes_a_page_too(told: Any) -> None:
    nothing = ["report", "--from", "2025-12-01", "--to", "2025-12-02"]
    assert "Nothing failed" in told(*nothing, "-o", "html")
    assert "Lost" not in told(*nothing)
    assert "loss" not in {line.partition(",")[0] for line in told(*nothing, "-o", "csv").splitlines()}
