"""Overload on real processes: web servers behind a real HAProxy that fall over when they get too much, in two shops
with the same customers, one with the engine and one without. `make lab-overload` shows it.
"""
