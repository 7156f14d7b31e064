"""Tells systemd how the service is (sd_notify(3), `Type=notify`). Without systemd nothing happens."""

from __future__ import annotations

import os
import socket

READY, STOPPING = "READY=1", "STOPPING=1"


def tell(state: str) -> None:
    """Send `state`, lines of `NAME=value`. Who doesn't listen isn't waited for; never raises."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    target = f"\0{address[1:]}" if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as sender:
            sender.sendto(state.encode(), target)
    except OSError:
        return  # the service manager is gone, or busy: it isn't worth the engine
