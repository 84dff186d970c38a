# The front door: `make help`. Every target sets up first; the `assay` command does the work.

WORKLOAD ?= gemm:128x768x768
CONFIG ?= base
SIM ?= verilator
SEED ?= 0
MEMORY ?= fast

READY := .venv/.ready
ASSAY := .venv/bin/assay
PYTHON := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup run test sim waves bench regress correlate docs lint clean

help: ## list the targets
	@echo "WORKLOAD=$(WORKLOAD) CONFIG=$(CONFIG) SIM=$(SIM) MEMORY=$(MEMORY) SEED=$(SEED)"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name text; do \
		printf '  make %-9s %s\n' "$$name" "$$text"; done

setup: $(READY) ## make .venv, and install what the machine lacks where permitted

$(READY): requirements.lock requirements-models.lock pyproject.toml scripts/setup.sh
	@scripts/setup.sh

run: $(READY) ## sentences through all of MiniLM in RTL: bit-exact, every counter against the model
	$(ASSAY) run minilm:16x4 --config base

test: $(READY) ## every test, on two processes
	$(PYTHON) -m pytest -n 2

sim: $(READY) ## one simulation: WORKLOAD= CONFIG= SIM= MEMORY= SEED= WAVES=1|FROM:TO
	$(ASSAY) run "$(WORKLOAD)" --config "$(CONFIG)" --sim "$(SIM)" --memory "$(MEMORY)" \
		--seed "$(SEED)" $(if $(WAVES),--waves "$(patsubst 1,all,$(WAVES))")

waves: $(READY) ## GTKWave on the last simulation with WAVES
	$(ASSAY) waves

bench: $(READY) ## simulated kHz under cocotb and in a bare C++ loop: WORKLOAD= CONFIG= SEED=
	$(ASSAY) bench "$(WORKLOAD)" --config "$(CONFIG)" --seed "$(SEED)"

regress: $(READY) ## a suite of runs, in parallel: SUITE=smoke|nightly or a TOML file
	$(ASSAY) regress $(SUITE)

correlate: $(READY) ## model against RTL: SUITE=correlate or a TOML file; page in sim_build/
	@mkdir -p sim_build
	$(ASSAY) correlate $(SUITE) --json sim_build/correlate.json --csv sim_build/correlate.csv \
		--html sim_build/correlate.html

docs: $(READY) ## reference pages from the contract: docs/generated, sim_build/docs
	$(ASSAY) docs --html sim_build/docs

lint: $(READY) ## formatting, linting, types, stale documents
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy
	$(ASSAY) docs --check

clean: ## remove builds and caches, keep .venv
	rm -rf sim_build .pytest_cache .mypy_cache .ruff_cache .hypothesis
