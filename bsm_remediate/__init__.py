"""Business service management for Ansible: restore first what the business needs most."""

__version__ = "0.1.0"
