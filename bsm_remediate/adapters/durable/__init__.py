"""Durable execution by DBOS, on the store's own database."""
