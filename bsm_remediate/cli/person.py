"""Who sits in front of this command line, as the journal shall know them."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

_LOGIN = Path("/proc/self/loginuid")
_NOBODY = 2**32 - 1
"""What the kernel says of what no login has started: services, containers."""


def person() -> str:
    """The user of the operating system who logged in, also behind `sudo`; without a login whoever runs this. Nothing
    that the environment says counts: approvals are by name.
    """
    try:
        uid = int(_LOGIN.read_text())
    except (OSError, ValueError):
        uid = _NOBODY
    uid = uid if uid != _NOBODY else os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
