"""Webhooks: from the bodies that senders post to alerts. Adding a sender is one file and a line in `SOURCES`."""

from __future__ import annotations

from bsm_remediate.adapters.webhooks.alertmanager import read_alertmanager
from bsm_remediate.adapters.webhooks.delivery import Source
from bsm_remediate.adapters.webhooks.generic import read_generic

SOURCES: dict[str, Source] = {"alertmanager": read_alertmanager, "generic": read_generic}
"""By the name in `POST /api/v1/webhooks/{source}`."""
