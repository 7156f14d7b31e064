"""Figures from outside: Prometheus's queries, and the checks that ask it."""
