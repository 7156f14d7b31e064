# Only names for the scripts; `make help` lists them by the words behind ##.
.DEFAULT_GOAL := help
.PHONY: help demo test bench docs lab lab-down lab-overload
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
demo: ## A shop of small processes is broken and brought back, in about a minute
	./demo
test: ## All checks: style, types, import law, playbooks, tests
	./test
bench: ## Everything measured side by side with ansible-rulebook (Java 17), written to docs/benchmarks.md
	sh scripts/bootstrap dev
	.venv/bin/python benchmarks/all.py
docs: ## Write the pages that are made from the code: reference, man pages, playbooks
	.venv/bin/python scripts/reference.py
	.venv/bin/python scripts/man_pages.py
	.venv/bin/python scripts/playbook_pages.py
lab: ## The shop of real parts as a playground, see docs/lab.md
	sh scripts/bootstrap run
	.venv/bin/python -m lab.real up
lab-down: ## End the lab and leave nothing of it
	.venv/bin/python -m lab.real down
lab-overload: ## Web servers that fall over when they get too much, without the engine and with it, in a minute and a half
	sh scripts/bootstrap run
	.venv/bin/python -m lab.overload
