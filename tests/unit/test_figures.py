"""Figures without a Prometheus: pages that are scraped, programs that print them."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from bsm_remediate.adapters.metrics.command import CommandFigures
from bsm_remediate.adapters.metrics.exposition import read_output, read_page
from bsm_remediate.adapters.metrics.http import Access, HttpReader
from bsm_remediate.adapters.metrics.scrape import ScrapedPages
from bsm_remediate.adapters.system_clock import SystemClock
from bsm_remediate.domain.sample import Sample
from bsm_remediate.errors import QueryRefused, SourceUnreachable
from bsm_remediate.testing.clock import VirtualClock

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
PAGE = """# HELP queue_length What waits.
# TYPE queue_length gauge
queue_length{queue="mail",odd="a\\"} b\\n"} 3
queue_length{queue="sms"} NaN
# TYPE requests_total counter
requests_total{code="200"} 100 1700000000000
requests_total{code="500"} +Inf
bare 1e3
"""


class Page:
    def __init__(self) -> None:
        self.text, self.status = PAGE, 200
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = page.text.encode()
                self.send_response(page.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def instance(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def page() -> Iterator[Page]:
    made = Page()
    yield made
    made.server.shutdown()
    made.server.server_close()


def _scraped(clock: VirtualClock, *pages: str) -> ScrapedPages:
    urls = [f"http://{one}/metrics" for one in pages]
    return ScrapedPages(urls, HttpReader(Access(), SystemClock()), clock, every=timedelta(seconds=15))


def _values(samples: object) -> list[float]:
    assert isinstance(samples, list)
    return [one.value for one in samples if isinstance(one, Sample)]


# --- pages -----------------------------------------------------------------------------------------------------------


def test_a_page_is_read_with_its_instance_and_whether_it_is_up(page: Page) -> None:
    source = _scraped(VirtualClock(NINE), page.instance)
    (mail,) = source.samples('queue_length{queue="mail"}')
    assert mail.labels == {"__name__": "queue_length", "instance": page.instance, "queue": "mail", "odd": 'a"} b\n'}
    assert mail.value == 3
    assert math.isnan(_values(source.samples('queue_length{queue="sms"}'))[0])
    assert _values(source.samples('requests_total{code="500"}')) == [math.inf]
    assert _values(source.samples("bare")) == [1000]
    assert _values(source.samples("up")) == [1]
    assert source.samples("nothing") == []
    with pytest.raises(QueryRefused):
        source.samples("sum(bare)")


def test_a_rate_grows_from_reading_to_reading(page: Page) -> None:
    clock = VirtualClock(NINE)
    source = _scraped(clock, page.instance)
    page.text = "requests_total 100\n"
    assert source.samples("rate(requests_total[5m])") == []
    for count in (160, 220, 20):
        clock.advance(60)
        page.text = f"requests_total {count}\n"
        source.samples("up")
    (rate,) = source.samples("rate(requests_total[5m])")
    assert (rate.labels, rate.value) == ({"instance": page.instance}, (60 + 60 + 20) / 180)
    (series,) = source.history("rate(requests_total[5m])", start=NINE, end=clock.now(), step=timedelta(seconds=1))
    assert [at for at, _ in series.points] == [NINE + timedelta(minutes=n) for n in (1, 2, 3)]
    (series,) = source.history("requests_total", start=NINE + timedelta(minutes=2), end=clock.now(), step=timedelta(1))
    assert [value for _, value in series.points] == [220, 20]


def test_a_page_that_was_just_read_is_not_read_again(page: Page) -> None:
    clock = VirtualClock(NINE)
    source = _scraped(clock, page.instance)
    assert _values(source.samples("bare")) == [1000]
    page.text = "bare 7\n"
    clock.advance(14)
    assert _values(source.samples("bare")) == [1000]
    clock.advance(1)
    assert _values(source.samples("bare")) == [7]


def test_a_page_that_is_away_has_no_figures_and_all_of_them_are_no_source(page: Page) -> None:
    clock = VirtualClock(NINE)
    both = _scraped(clock, page.instance, "127.0.0.1:1")
    assert [(one.labels["instance"], one.value) for one in both.samples("up")] == [
        ("127.0.0.1:1", 0),
        (page.instance, 1),
    ]
    page.status = 500
    clock.advance(15)
    with pytest.raises(SourceUnreachable, match=r"answers 500; .*no connection"):
        both.samples("bare")
    page.status, page.text = 200, "bare {{{\n"
    clock.advance(15)
    with pytest.raises(SourceUnreachable, match="can't be read as metrics"):
        both.samples("bare")
    page.text = PAGE
    clock.advance(15)
    assert _values(both.samples("bare")) == [1000]


def test_a_series_that_a_page_no_longer_has_is_gone(page: Page) -> None:
    clock = VirtualClock(NINE)
    source = _scraped(clock, page.instance)
    assert len(source.samples("queue_length")) == 2
    page.text = 'queue_length{queue="sms"} 1\n'
    clock.advance(15)
    assert _values(source.samples("queue_length")) == [1]
    assert len(source.history("queue_length", start=NINE, end=clock.now(), step=timedelta(1))) == 2


# --- programs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("queue 3\n", {"queue": 3.0}),
        ('  # a comment\nqueue 3\nother{a="b"} -1.5', {"queue": 3.0, "other": -1.5}),
        ('{"queue": 3, "other": 1.5}', {"queue": 3.0, "other": 1.5}),
        ('[{"name": "queue", "labels": {"a": "b"}, "value": 3}]', {"queue": 3.0}),
        ("", {}),
        ("[]", {}),
    ],
)
def test_output_is_read_as_lines_or_json(text: str, found: dict[str, float]) -> None:
    assert {one.labels["__name__"]: one.value for one in read_output(text)} == found


@pytest.mark.parametrize(
    "text",
    ["queue", "queue x", "{", '{"queue": "3"}', '{"queue": true}', '{"queue": null}', '["queue"]', '[{"value": 3}]',
     '[{"name": "a", "labels": {"b": 1}, "value": 3}]', '[{"name": "a", "labels": [], "value": 3}]', '[{"name": "a"}]'],
)  # fmt: skip
def test_output_that_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_output(text)


def test_a_page_never_takes_a_label_that_it_has_itself() -> None:
    (sample,) = read_page('a{instance="own"} 1\n', {"instance": "page"})
    assert sample.labels == {"instance": "own", "__name__": "a"}


def _program(text: str, *, timeout_s: float = 10.0) -> CommandFigures:
    return CommandFigures(
        [sys.executable, "-I", "-c", text], SystemClock(), every=timedelta(0), timeout=timedelta(seconds=timeout_s)
    )


def test_what_a_program_prints_is_read() -> None:
    assert _values(_program("print('queue 3')").samples("queue")) == [3]


def test_a_program_sees_no_secrets_of_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BSM_TOKEN", "hush")
    (sample,) = _program("import os; print('n', int('BSM_TOKEN' in os.environ))").samples("n")
    assert sample.value == 0


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (lambda: _program("import sys; print('no disk', file=sys.stderr); sys.exit(3)"), "ends with 3: no disk"),
        (lambda: _program("print('nonsense')"), "prints something else"),
        (lambda: _program("while True: print('x' * 100000)"), "prints more than"),
        (lambda: _program("import time; time.sleep(300)", timeout_s=0.3), "takes more than 0.3 s"),
        (
            lambda: CommandFigures(["/no/such"], SystemClock(), every=timedelta(0), timeout=timedelta(seconds=1)),
            "/no/such can't be started: No such file",
        ),
    ],
)
def test_a_program_that_fails_has_no_figures_and_says_why(source: Callable[[], CommandFigures], said: str) -> None:
    with pytest.raises(SourceUnreachable, match=said):
        source().samples("queue")


def test_nothing_that_a_program_started_outlives_it(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    text = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen(['sleep', '300'])\nopen({str(mark)!r}, 'w').write(str(child.pid))\n"
        "print('queue 1', flush=True)\n"
    )
    began = time.monotonic()
    with pytest.raises(SourceUnreachable, match="takes more than 1 s"):
        _program(text, timeout_s=1).samples("queue")  # its child holds the output open
    assert time.monotonic() - began < 5
    deadline = time.monotonic() + 5
    while _is_alive(int(mark.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def test_a_failure_is_remembered_as_long_as_an_output(tmp_path: Path) -> None:
    clock = VirtualClock(NINE)
    count = tmp_path / "count"
    text = f"open({str(count)!r}, 'a').write('x'); raise SystemExit(1)"
    source = CommandFigures(
        [sys.executable, "-I", "-c", text], clock, every=timedelta(seconds=15), timeout=timedelta(seconds=10)
    )
    for _ in range(3):
        with pytest.raises(SourceUnreachable):
            source.samples("queue")
    assert count.read_text() == "x"
