# ruff: noqa: INP001 - a script, no package
"""The image's health check: 0 when the engine of this container is alive, else 1 and why."""

import os
import sys
import urllib.request

_WITHIN_S = 4


def is_alive(port: str) -> bool:
    address = f"http://127.0.0.1:{port}/healthz"
    try:
        with urllib.request.urlopen(address, timeout=_WITHIN_S) as answer:
            return bool(answer.status == 200)
    except OSError as error:
        sys.stderr.write(f"{address}: {error}\n")
        return False


if __name__ == "__main__":
    sys.exit(not is_alive(os.environ.get("BSM_PORT", "8470")))
