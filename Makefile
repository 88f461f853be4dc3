# The same tasks that CI runs. The first two do everything on a fresh machine.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
RIG ?= sim_diff_drive
# Tests mostly wait for processes: more than there are cores pay.
WORKERS ?= 3

.PHONY: help run test check lint format soak bench firmware flash constraints setup clean

help: ## list the tasks
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

run: setup ## measure the simulated robot, judge it, write the report (RIG=name for another rig)
	$(BIN)/harness run $(RIG) $(ARGS)

test: setup lint ## lint, types, tests
	$(BIN)/python -m pytest -m "not soak" -n $(WORKERS) $(ARGS)

check: setup ## what `make run` would start and send
	$(BIN)/harness check $(RIG)

lint: setup ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

soak: setup ## long runs: an hour or so
	$(BIN)/python -m pytest -m soak --timeout 5400 -o faulthandler_timeout=3600 $(ARGS)

bench: setup ## what the harness itself costs, beside its peers
	$(BIN)/python -m benchmarks $(ARGS)

firmware: ## build the bench board's firmware: firmware/build/bench_board.hex
	$(MAKE) -C firmware firmware

flash: ## write it into an Arduino Uno or Nano (PORT=/dev/ttyACM0)
	$(MAKE) -C firmware flash PORT=$(PORT)

constraints: setup ## pin the newest versions that fit, with hashes and without addresses
	$(BIN)/python -m pip -q install uv
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.10 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links --upgrade -q -o constraints.txt

# What only tests need is required for them alone.
test: SETUP := tests
soak: SETUP := soak
setup:
	@PYTHON=$(PYTHON) scripts/setup.sh $(SETUP)

clean: ## remove what was installed and built
	rm -rf .venv build dist *.egg-info firmware/build .mypy_cache .ruff_cache .pytest_cache .hypothesis
