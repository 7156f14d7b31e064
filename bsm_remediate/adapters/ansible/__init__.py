"""The bridge to Ansible: inventory, runs, inert variables, checks on hosts, and a look at playbooks."""
