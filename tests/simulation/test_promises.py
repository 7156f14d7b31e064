"""Random histories against the promises of docs/promises.md. A seed that fails is the name of the test to repeat.

BSM_HISTORIES=10000 pytest tests/simulation
"""

from __future__ import annotations

import os

import pytest

from tests.simulation.history import History

_BLOCKS = 10
_HISTORIES = int(os.environ.get("BSM_HISTORIES", "200"))
_LASTS_S = 60


@pytest.mark.parametrize("engines", [1, 2])
@pytest.mark.parametrize("block", range(_BLOCKS))
def test_no_history_breaks_a_promise(block: int, engines: int) -> None:
    size = max(1, _HISTORIES // (2 * _BLOCKS))
    for seed in range(block * size, (block + 1) * size):
        try:
            History(seed, engines=engines).run(_LASTS_S)
        except AssertionError as broken:
            raise AssertionError(f"seed {seed}, {engines} engines:\n{broken}") from None


@pytest.mark.parametrize(("seed", "engines"), [(223, 1), (273, 1), (432, 1), (946, 2), (1301, 2)])
def test_histories_that_broke_one_once_do_so_no_more(seed: int, engines: int) -> None:
    History(seed, engines=engines).run(_LASTS_S)
