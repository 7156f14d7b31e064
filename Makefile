# Only names for the scripts.
.PHONY: demo test bench
demo:
	./demo
test:
	./test
bench:
	sh scripts/bootstrap dev
	.venv/bin/python benchmarks/intake.py
	.venv/bin/python benchmarks/first_task.py
