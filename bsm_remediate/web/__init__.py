"""The HTTP side: webhooks, API, events."""
