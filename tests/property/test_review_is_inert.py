"""Whatever alerts, people and playbooks say stays text in a review: no heading, link, image, HTML, code or cell of
theirs gets into the document, whichever text stands where.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from bsm_remediate.domain.account import Gathering
from bsm_remediate.domain.alert import Alert, AlertStatus
from bsm_remediate.domain.event import Event, Json
from bsm_remediate.domain.ids import Fingerprint
from bsm_remediate.domain.incident import incidents, requirements
from bsm_remediate.domain.ledger import SUBJECT
from bsm_remediate.domain.markdown import escaped
from bsm_remediate.domain.policy import Mode
from bsm_remediate.domain.review import review_document
from bsm_remediate.domain.review_page import review_page
from bsm_remediate.domain.run import RunEnd, RunState
from bsm_remediate.domain.statistics import History
from bsm_remediate.engine.statistics_keeper import pages
from bsm_remediate.testing import builders
from bsm_remediate.testing.store import MemoryStore
from bsm_remediate.testing.timeline import Timeline

MARK = "Qmarkq"
_OURS = re.compile(r"(^|_)at$|^(until|kind|window|schema)$")
"""Keys whose values the engine writes itself."""
NASTY = [
    *(
        "\n# h",
        "\n\n---\n",
        "# h",
        "- x",
        "+ x",
        "1. x",
        "2) x",
        "> q",
        "=",
        "===",
        "---",
        "***",
        "| x |",
        "|",
        "\n|--|\n",
    ),
    *("](http://e)", "[a](javascript:b)", "![i](x)", "[x]: http://y", "[x][y]", "<http://z>", "<a@b.c>", "http://evil"),
    *("https://evil/", "www.evil.com", "WWW.evil.com", "a@b.co", "<b>", "</td>", "<!--", "<script>", "&lt;", "&#60;"),
    *(
        "`",
        "``",
        "```\n",
        "~~~",
        "*",
        "**b**",
        "_",
        "__b__",
        "_a_b_",
        "~~s~~",
        "\\",
        "\\\n",
        "    code",
        "\t",
        "\r",
        "\r\n",
    ),
    *(
        "\u2028",
        "\x00",
        "\u202e",
        "$x$",
        "[^1]",
        "[ ]",
        "[x] ",
        "{% x %}",
        "^",
        "@ana",
        "!",
        "a_b",
        "  \n",
        "[!NOTE]",
        ":-:",
    ),
]
TEXTS = st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=6)), min_size=1, max_size=5).map("".join)
TEXTS = TEXTS.map(lambda text: text[:60]).filter(lambda text: not text.isspace() and text != "")
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def shown(text: str) -> str:
    """What a reader sees of it."""
    return " ".join("".join(c if c.isprintable() or c.isspace() else "�" for c in text).split())


def structure(page: str) -> list[str]:
    """All elements of the document, in order, without what they say."""
    return [
        one for token in PARSER.parse(page) for one in (token.type, *(child.type for child in token.children or ()))
    ]


def bare(page: str) -> list[str]:
    """The same with neighbouring texts as one: an escape ends a text and begins the next."""
    found: list[str] = []
    for one in structure(page):
        name = {"text_special": "text"}.get(one, one)
        if name != "text" or not found or found[-1] != "text":
            found.append(name)
    return found


def says(page: str) -> list[str]:
    """What each paragraph and cell says."""
    inline = [token for token in PARSER.parse(page) if token.type == "inline"]
    return [shown("".join(_content(child) for child in token.children or ())) for token in inline]


def _content(token: Token) -> str:
    return " " if token.type in {"softbreak", "hardbreak"} else token.content


@cache
def rich() -> dict[str, Any]:
    """The review of an incident in which there is something to say in every section."""
    shop = builders.bundle(
        builders.component("db-1"),
        builders.component("web-1", requires=["db-1"]),
        builders.service("checkout", requires=["web-1"]),
        builders.policy("restart", match={"alertname": "DbDown"}, mode=Mode.APPROVE),
    )
    story = Timeline(shop, MemoryStore())
    story.at("09:00:00").fires("DbDown", instance="db-1", since=datetime(2026, 1, 5, 8, 59, 5, tzinfo=UTC))
    story.fires("Odd", instance="elsewhere").at("09:02:00")
    story.asks("approve", story.run_of("db-1").id, reason="go")
    story.at("09:03:00").resolves("DbDown", instance="db-1").at("09:10:00")
    (incident,) = incidents(History().fold(pages(story.store, SUBJECT)), requirements(shop.service_map))
    gathering = Gathering(incident=incident, bundle=shop, now=story.clock.now(), runs=tuple(story.runs()))
    for event in story.store.events(limit=10_000):
        gathering.event(event)
    gathering.alert(alert("Odd", "elsewhere"))
    document: dict[str, Any] = dict(review_document(gathering.account()))
    people = {"team": "t", "duties": ["d"], "members": ["m"], "on_call_then": "a", "on_call_now": "b"}
    document["people"] = [{**people, "owns": ["checkout"], "owns_more": 1}]
    document["runs"][0]["rollback"] = "undone"
    document["impact"][0]["title"] = "title"
    for name in ("impact_left_out", "timeline_left_out", "causes_left_out", "runs_left_out", "affected"):
        document[name] = 3
    return document


def alert(name: str, instance: str) -> Alert:
    at = datetime(2026, 1, 5, 9, 0, 30, tzinfo=UTC)
    return Alert(
        source="alertmanager",
        fingerprint=Fingerprint("f"),
        status=AlertStatus.FIRING,
        labels={"alertname": name, "instance": instance},
        annotations={"summary": name},
        starts_at=at,
        received_at=at,
    )


def spoiled(value: Any, text: str, key: str = "") -> Any:
    """`value` with `text` in place of every text that isn't the engine's own."""
    if isinstance(value, dict):
        return {name: spoiled(one, text, name) for name, one in value.items()}
    if isinstance(value, list):
        return [spoiled(one, text, key) for one in value]
    return text if isinstance(value, str) and not _OURS.search(key) else value


def test_the_rich_review_has_something_in_every_section() -> None:
    page = review_page(rich())
    assert page.count("\n## ") == 8
    assert "Nothing" not in page.replace("- **Nothing", "")
    assert says(page).count(MARK) == 0
    assert says(review_page(spoiled(rich(), MARK))).count(MARK) > 10


@given(TEXTS)
@settings(max_examples=400, deadline=None)
def test_a_review_has_the_same_structure_whatever_its_texts_say(text: str) -> None:
    clean, hostile = review_page(spoiled(rich(), MARK)), review_page(spoiled(rich(), text))
    assert [one for one in bare(hostile) if one != "text"] == [one for one in bare(clean) if one != "text"]
    wanted = [shown(one.replace(MARK, shown(text))) for one in says(clean)]
    assert says(hostile) == wanted
    assert not re.search(r"(?<!\\)://|(?<!\\)\bwww\.|(?<![\\])@", hostile, re.IGNORECASE)


@given(TEXTS, TEXTS, TEXTS)
@settings(max_examples=200, deadline=None)
def test_hostile_labels_reasons_and_people_put_nothing_into_the_document(name: str, place: str, who: str) -> None:
    page = review_page(_review_of(name, place, who))
    kinds = set(structure(page))
    assert not kinds & {
        "link_open",
        "image",
        "html_block",
        "html_inline",
        "code_inline",
        "fence",
        "code_block",
        "em_open",
    }
    assert not kinds & {"s_open", "blockquote_open", "hr", "hardbreak", "softbreak"}
    assert [one for one in says(page) if one in _HEADINGS] == _HEADINGS
    assert sum(one == "heading_open" for one in structure(page)) == len(_HEADINGS)
    assert len({len(cells) for cells in _rows(page)}) == 1


_HEADINGS = [
    *("Incident review", "Summary", "Impact", "Timeline", "Causes", "What was done", "What the model got wrong"),
    *("Questions for people", "What this assumes"),
]


def _review_of(name: str, place: str, who: str) -> dict[str, Any]:
    shop = builders.bundle(builders.component("db-1"), builders.service("checkout", requires=["db-1"]))
    journal = _journal()
    (incident,) = incidents(History().fold(journal), requirements(shop.service_map))
    begun = datetime(2026, 1, 5, 9, 1, tzinfo=UTC)
    over = begun + timedelta(minutes=1)
    run = builders.run("db-1", "restart", RunState.FAILED, end=RunEnd.PLAYBOOK_FAILED, started_at=begun, ended_at=over)
    gathering = Gathering(incident=incident, bundle=shop, now=over + timedelta(hours=1), runs=(run,))
    for event in journal:
        gathering.event(event)
    facts: dict[str, Json] = {
        "component": "db-1",
        "policy": name,
        "verdict": name,
        "reason": place,
        "task": name,
        "message": place,
    }
    facts |= {"host": place, "status": "failed", "done": False, "answer": place}
    for kind, subject in (("decision.made", "db-1"), ("control.hold", place), ("run.task", run.id), ("x.y", "db-1")):
        gathering.event(Event(kind=kind, at=begun, subject=subject, facts=facts, actor=who))
    for one in (alert(name, place), alert(name, "db-1")):
        gathering.alert(one)
    document: dict[str, Any] = review_document(gathering.account())
    return document


def _journal() -> list[Event]:
    story = Timeline(
        builders.bundle(
            builders.component("db-1"),
            builders.service("checkout", requires=["db-1"]),
            builders.policy("means", match={"alertname": "DbDown"}, mode=Mode.SHADOW),
        ),
        MemoryStore(),
    )
    story.at("09:00:00").fires("DbDown", instance="db-1").at("09:01:00").resolves("DbDown", instance="db-1")
    return list(pages(story.at("09:01:05").store, SUBJECT))


def _rows(page: str) -> Iterator[list[str]]:
    """Cells of the timeline, by the pipes that no backslash stands before."""
    lines = page[page.index("## Timeline") : page.index("## Causes")].splitlines()
    for line in lines:
        if line.startswith("|"):
            yield re.split(r"(?<!\\)(?:\\\\)*\|", line)


@given(st.text(max_size=2_000), st.integers(2, 100))
def test_a_text_is_one_line_of_bounded_length(text: str, longest: int) -> None:
    found = escaped(text, longest)
    assert "\n" not in found
    assert len(found) <= 2 * longest + 1
