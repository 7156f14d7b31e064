# Only names for the scripts.
.PHONY: demo test bench lab lab-down
demo:
	./demo
test:
	./test
bench:
	sh scripts/bootstrap dev
	.venv/bin/python benchmarks/intake.py
	.venv/bin/python benchmarks/first_task.py
lab:
	sh scripts/bootstrap run
	.venv/bin/python -m lab.real up
lab-down:
	.venv/bin/python -m lab.real down
