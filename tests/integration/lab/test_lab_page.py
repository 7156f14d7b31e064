"""docs/lab.md holds what it promises: a rule and a policy of one's own, taken from the page, lead to a remediation."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.real.engine import LabEngine, now, until
from lab.real.layout import CHECKOUT, USUAL_PORT
from lab.real.packages import program
from lab.real.site import engine_environment

PAGES = ("lab.md", "paging.md")
_BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _blocks(page: str) -> list[str]:
    return _BLOCK.findall((CHECKOUT / "docs" / page).read_text(encoding="utf-8"))


@pytest.fixture
def own_files(shop: LabEngine) -> Iterator[list[Path]]:
    """Those of the page that begin with their name, in the lab's folder with the addresses of this lab."""
    layout = shop.lab.layout
    files = []
    for block in _blocks("lab.md"):
        named = re.match(r"# (rules|policies)/own\.yml\n", block)
        if named:
            usual = f"127.0.20.14:{USUAL_PORT['app']}"
            file = layout.folder / named[1] / "own.yml"
            file.write_text(block.replace(usual, layout.at("app1", "app")))
            files.append(file)
    yield files
    for file in files:
        file.unlink()
    assert "The engine too." in _typed(shop, "lab reload")


def _typed(shop: LabEngine, line: str) -> str:
    """What a reader's shell says, after `. env`."""
    done = subprocess.run(
        ["sh", "-c", f". {shop.lab.layout.file('env')} && {line}"],
        env=engine_environment(shop.lab.layout) | {"HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout + done.stderr


def test_the_first_remediation_of_a_readers_own_rule(shop: LabEngine, own_files: list[Path]) -> None:
    assert [file.parent.name for file in own_files] == ["rules", "policies"]
    assert "sound" in _typed(shop, "bsm-remediate check")
    assert "The engine too." in _typed(shop, "lab reload")
    broken = now()
    assert "rubbish" in _typed(shop, "lab break cache-poison")
    until(lambda: shop.run(since=broken, component="cache", state="succeeded"), "the cache is cleaned")
    (run,) = shop.runs(since=broken)
    assert (run["policy"], run["playbook"]) == ("clean-cache", "flush_cache.yml")
    until(lambda: shop.lab.page("/catalogue") == 200, "customers find products")
    assert run["id"] in _typed(shop, "bsm-remediate runs")


def test_a_rule_that_prometheus_would_not_read_is_refused_with_its_reason(shop: LabEngine) -> None:
    rule = shop.lab.layout.folder / "rules" / "wrong.yml"
    rule.write_text("groups: [{name: own, rules: [{alert: A, expr: 'up =='}]}]\n")
    try:
        assert "parse error" in _typed(shop, "lab reload")
    finally:
        rule.unlink()


@pytest.mark.parametrize("page", PAGES)
def test_alertmanager_reads_the_routes_of_a_page(page: str, tmp_path: Path) -> None:
    (routes,) = (block for block in _blocks(page) if block.startswith("route:"))
    file = tmp_path / "alertmanager.yml"
    file.write_text(routes)
    said = subprocess.run([program("amtool"), "check-config", str(file)], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


def test_the_lab_has_the_routes_of_the_paging_page_with_seconds_for_minutes(shop: LabEngine) -> None:
    (documented,) = (block for block in _blocks("paging.md") if block.startswith("route:"))
    used = (shop.lab.layout.home("mon") / "alertmanager.yml").read_text()
    for text in (documented, used):
        order = [text.index(part) for part in ('alertname="Watchdog"', 'alertname!="Watchdog"', 'group_by: ["..."]')]
        assert order == sorted(order)
        assert text.count("continue: true") == 1
        assert text.index("continue: true") < text.index("- receiver: pager")
