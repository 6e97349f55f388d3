# One command for each thing. PYTHON chooses the interpreter the environment is made with.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev

.PHONY: run install test check format lint types contracts faults bench bench-console screenshots snapshots keys man clean fuzz floors model planted real-agents

run: $(STAMP)  ## install, and open the console on a demo
	@$(BIN)/kugetsu demo

install: $(STAMP)  ## install into .venv

test: check  ## all that CI runs
check: lint types contracts pytest

pytest: $(DEV_STAMP)
	$(BIN)/python -m pytest -q -n auto --dist loadgroup

format: $(DEV_STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(DEV_STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(DEV_STAMP)
	$(BIN)/mypy

contracts: $(DEV_STAMP)
	$(BIN)/lint-imports

faults: $(DEV_STAMP)  ## the long fault loops, model, fuzz and planted bugs, with docs/reliability.md written anew; FAULTS='--scale 0.2 --only F20'
	$(BIN)/python -m tests.faults --write docs/reliability.md $(FAULTS)

bench: $(DEV_STAMP)  ## measure beside the peers that are installed; ARGS=--quick, ARGS='--write docs/benchmarks.md'
	$(BIN)/python -m tests.benchmarks $(ARGS)

bench-console: $(DEV_STAMP)  ## the console beside a fleet at work, into its section of docs/benchmarks.md; ARGS=--quick
	$(BIN)/python -m tests.benchmarks fleet console --section docs/benchmarks.md $(ARGS)

real-agents: $(DEV_STAMP)  ## the real opencode, fetched if need be, also in what takes minutes
	$(BIN)/python tests/support/real_opencode.py
	KUGETSU_LONG_TESTS=1 $(BIN)/python -m pytest -q -n 0 tests/real_agents

fuzz: $(DEV_STAMP)  ## 1.3 million broken files and other inputs, with a seed and a table
	$(BIN)/python -m tests.fuzz

floors:  ## the tests with the oldest version of every dependency; FLOORS=tests/unit
	@PYTHON=$(PYTHON) .ci/floors $(FLOORS)

model: $(DEV_STAMP)  ## 5,000 random histories of 100 steps of the engine's core, with a seed; MODEL='--histories 500 --seed 1'
	$(BIN)/python -m tests.model $(MODEL)

planted: $(DEV_STAMP)  ## plant each known bug in a copy and see that tests notice; writes docs/planted-bugs.md
	$(BIN)/python -m tests.planted

screenshots: $(DEV_STAMP)  ## make screenshots/ from the real console
	$(BIN)/python screenshots/make.py

snapshots: $(DEV_STAMP)  ## write tests/snapshots/ anew: what every screen is to look like
	KUGETSU_WRITE_SNAPSHOTS=1 $(BIN)/python -m pytest -q -n auto tests/tui/test_snapshots.py

man: $(DEV_STAMP)  ## write docs/kugetsu.1 from the table of verbs
	$(BIN)/python -m kugetsu_engine.cli.man_page > docs/kugetsu.1

keys: $(DEV_STAMP)  ## write docs/keys.md from the registry of actions
	$(BIN)/python -m kugetsu_tui.keys > docs/keys.md

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("kugetsu needs Python 3.11 or later, this is " + sys.version.split()[0] + ": make run PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(STAMP): $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(DEV_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build dist
