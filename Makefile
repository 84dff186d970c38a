# The front door: `make help`. Every target sets up first; the `assay` command does the work.

WORKLOAD ?= gemm:128x768x768
CONFIG ?= base
SIM ?= verilator
SEED ?= 0

READY := .venv/.ready
ASSAY := .venv/bin/assay
PYTHON := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup run test sim bench lint clean

help: ## list the targets
	@echo "variables of sim and bench: WORKLOAD=$(WORKLOAD) CONFIG=$(CONFIG) SIM=$(SIM) SEED=$(SEED)"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name text; do \
		printf '  make %-8s %s\n' "$$name" "$$text"; done

setup: $(READY) ## make .venv, and install what the machine lacks where permitted

$(READY): requirements.lock requirements-models.lock pyproject.toml scripts/setup.sh
	@scripts/setup.sh

run: $(READY) ## real MiniLM weights through RTL: bit-exact, every counter against the model
	$(ASSAY) run minilm_linear --config base

test: $(READY) ## every test, on two processes
	$(PYTHON) -m pytest -n 2

sim: $(READY) ## one simulation: WORKLOAD= CONFIG= SIM=verilator|icarus SEED=
	$(ASSAY) run "$(WORKLOAD)" --config "$(CONFIG)" --sim "$(SIM)" --seed "$(SEED)"

bench: $(READY) ## simulated kHz under cocotb and in a bare C++ loop: WORKLOAD= CONFIG= SEED=
	$(ASSAY) bench "$(WORKLOAD)" --config "$(CONFIG)" --seed "$(SEED)"

lint: $(READY) ## formatting, linting and types
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy

clean: ## remove builds and caches, keep .venv
	rm -rf sim_build .pytest_cache .mypy_cache .ruff_cache .hypothesis
