from __future__ import annotations

import pytest

from bsm_remediate.adapters.ansible.events import Recap, one_line
from bsm_remediate.adapters.ansible.outcome import Ended, Stopped, classify
from bsm_remediate.domain.playbook import PlaybookOutcome

DONE = Recap(ok={"h1": 2}, changed={"h1": 1})
OUTCOMES = [
    (Ended(exit_code=0, recap=DONE), PlaybookOutcome.SUCCEEDED),
    (Ended(exit_code=0, recap=Recap(ok={"h1": 1}, rescued={"h1": 1})), PlaybookOutcome.SUCCEEDED),
    (Ended(exit_code=0, recap=Recap()), PlaybookOutcome.NO_HOST_MATCHED),
    (Ended(exit_code=0, recap=Recap(ok={"localhost": 3})), PlaybookOutcome.NO_HOST_MATCHED),
    (Ended(exit_code=0, recap=Recap(skipped={"h1": 3})), PlaybookOutcome.NO_HOST_MATCHED),
    (Ended(exit_code=2, recap=Recap(ok={"h1": 1}, failures={"h1": 1})), PlaybookOutcome.FAILED),
    (Ended(exit_code=0, recap=Recap(ok={"h1": 1}, failures={"h2": 1})), PlaybookOutcome.FAILED),
    (Ended(exit_code=4, recap=Recap(dark={"h1": 1})), PlaybookOutcome.UNREACHABLE),
    (Ended(exit_code=6, recap=Recap(dark={"h1": 1}, failures={"h2": 1})), PlaybookOutcome.FAILED),
    (Ended(exit_code=1, recap=DONE), PlaybookOutcome.FAILED),
    (Ended(exit_code=250, recap=DONE), PlaybookOutcome.FAILED),
    (Ended(exit_code=4), PlaybookOutcome.NOT_STARTED),
    (Ended(exit_code=1), PlaybookOutcome.NOT_STARTED),
    (Ended(exit_code=127), PlaybookOutcome.NOT_STARTED),
    (Ended(exit_code=1, begun=True), PlaybookOutcome.DIED),
    (Ended(exit_code=137), PlaybookOutcome.DIED),
    (Ended(exit_code=137, begun=True, tasks=3), PlaybookOutcome.DIED),
    (Ended(exit_code=0), PlaybookOutcome.DIED),
    (Ended(exit_code=None), PlaybookOutcome.DIED),
    (Ended(exit_code=None, stopped=Stopped.CANCELLED), PlaybookOutcome.CANCELLED),
    (Ended(exit_code=None, stopped=Stopped.TIMED_OUT, recap=DONE), PlaybookOutcome.TIMED_OUT),
]


@pytest.mark.parametrize(("ended", "outcome"), OUTCOMES)
def test_each_end_has_its_own_outcome_and_a_reason(ended: Ended, outcome: PlaybookOutcome) -> None:
    said, reason = classify(ended, ("h1",))
    assert said is outcome
    assert reason


def test_every_host_that_was_meant_must_be_in_the_recap() -> None:
    outcome, reason = classify(Ended(exit_code=0, recap=DONE), ("h1", "lb"))
    assert outcome is PlaybookOutcome.NO_HOST_MATCHED
    assert reason == "no task of the playbook ran on lb"


def test_messages_become_one_printable_line_of_bounded_length() -> None:
    assert one_line("\x1b[31mred\x1b[0m\r\nand\u2028\x07bell  ") == "red and bell"
    assert len(one_line("x" * 10_000)) == 500
