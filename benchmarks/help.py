"""How long `--help` takes, as a multiple of importing click. The goal is at most 3.

python benchmarks/help.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import goals

ROUNDS = 15
GOAL = 3.0
CONTENDERS = {
    "import click": [sys.executable, "-c", "import click"],
    "--help": [sys.executable, "-m", "bsm_remediate", "--help"],
}


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for _ in range(ROUNDS):
        for name, command in CONTENDERS.items():
            begin = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times[name].append(time.perf_counter() - begin)
    medians = {name: statistics.median(found) for name, found in times.items()}
    for name, median in medians.items():
        print(f"{name:14} {median * 1000:6.0f} ms")
    ratio = medians["--help"] / medians["import click"]
    goals.told("`--help`, against importing click", f"{ratio:.1f} times", f"at most {GOAL:g} times", met=ratio <= GOAL)


if __name__ == "__main__":
    main()
