"""The shop made of real parts from Debian's packages: HAProxy, nginx, Redis, PostgreSQL with a standby, one sshd and
one supervisord per host, Prometheus and Alertmanager. `make lab` starts it, `make lab-down` clears it away.
"""
