# cert-exchange. `make help` lists the targets; each needs nothing but Python 3.11 or newer with its venv module.
#
# 1. Everything is installed into .venv from requirements.lock, by hash; nothing outside this folder is changed.
# 2. `setup` runs by itself before the others and does nothing while the lock and the project file are as they were.

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.cert-exchange-ready

# The first interpreter that starts, is new enough and can make a virtual environment.
FIND_PYTHON = for name in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	if "$$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then echo "$$name"; exit 0; fi; done; \
	echo "No Python 3.11 or newer with venv was found: install one (Debian: python3-venv) or name it: make setup PYTHON=/path/to/python3" >&2; exit 1

# Kept out of what tests and demo see, so that a developer's own settings change nothing. Modules stay compiled, also
# where the environment says otherwise (.ci/run): else each of the programs that are started compiles all of them anew.
CLEAN_ENV := env -u CERT_EXCHANGE_HOME -u PYTHONDONTWRITEBYTECODE PIP_DISABLE_PIP_VERSION_CHECK=1

# Where `make run` keeps its node, and what `make demo` is told besides.
NODE_HOME ?= demo-run/node
KEEP ?=
JOBS ?= 3
ENGINES ?=

# `make chaos`: how many runs, and the seed of the first; JOBS of them at a time.
RUNS ?= 20
SEED ?= 1

# `make attack`: which engine the two nodes run on, and which attempts.
ENGINE ?= sqlite

.PHONY: help setup demo run check test soak attack chaos bench bench-quick bench-policy bench-channel bench-sync bench-taking bench-feeds lock

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## install everything into .venv, by hash (runs by itself when it is needed)

$(READY): requirements.lock pyproject.toml
	@python="$$($(FIND_PYTHON))"; \
	if [ ! -x $(PY) ]; then echo "setup: making $(VENV) with $$python"; "$$python" -m venv $(VENV); fi
	@echo "setup: installing $$(grep -c '^[a-z]' requirements.lock) locked packages (a minute or two the first time)"
	@$(CLEAN_ENV) $(PY) -m pip install --quiet --require-hashes -r requirements.lock
	@$(CLEAN_ENV) $(PY) -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@
	@echo "setup: ready; the program is $(VENV)/bin/cert-exchange"

demo: $(READY) ## two nodes exchange real indicators and prove it; KEEP=1 leaves them running
	@$(CLEAN_ENV) $(PY) deploy/demo/demo.py $(if $(KEEP),--keep)

run: $(READY) ## one node on 127.0.0.1:8443 with the shipped policies; NODE_HOME=folder
	@$(CLEAN_ENV) $(PY) deploy/demo/run_node.py --home "$(NODE_HOME)"

check: $(READY) ## style, types and the import rules
	@echo "check: ruff"; $(VENV)/bin/ruff check --quiet .
	@echo "check: format"; $(VENV)/bin/ruff format --quiet --check . || { $(VENV)/bin/ruff format --check . | tail -n 20; exit 1; }
	@echo "check: mypy"; $(VENV)/bin/mypy --no-error-summary
	@echo "check: imports"; $(VENV)/bin/lint-imports --no-logo >.venv/lint-imports.txt 2>&1 || { cat .venv/lint-imports.txt; exit 1; }

test: $(READY) ## every test but the soaking ones (JOBS=3 processes); ENGINES=both: all of them on both engines
	@CERT_EXCHANGE_TEST_ENGINES=$(ENGINES) $(CLEAN_ENV) $(PY) -m pytest -n $(JOBS) --dist worksteal -m "not soak and not attack" $(ARGS)

soak: $(READY) ## the long tests: writers against a poll loop, for minutes
	@$(CLEAN_ENV) $(PY) -m pytest -m soak --timeout 1800 $(ARGS)

attack: $(READY) ## the attack suite against two nodes; ENGINE=postgresql, ARGS="--only words"
	@$(CLEAN_ENV) $(PY) -m pytest -m attack tests/attack/test_stolen_credential.py
	@$(CLEAN_ENV) $(PY) -m tests.attack --engine $(ENGINE) $(ARGS)

chaos: $(READY) ## two nodes under faults of network, machines and clocks; RUNS=500 SEED=1
	@$(CLEAN_ENV) $(PY) -m tests.chaos --runs $(RUNS) --seed $(SEED) --jobs $(JOBS) $(ARGS)

bench: $(READY) ## the whole benchmark against the peers; writes benchmarks/results/
	@$(CLEAN_ENV) $(PY) -m benchmarks $(ARGS)

bench-quick: $(READY) ## the page cases only, under four minutes
	@$(CLEAN_ENV) $(PY) -m benchmarks --quick $(ARGS)

bench-policy: $(READY) ## deciding, previewing and changing policies; OBJECTS=100000 makes it smaller
	@$(CLEAN_ENV) OBJECTS=$(or $(OBJECTS),1000000) $(PY) -m benchmarks.sharing

bench-channel: $(READY) ## polls with client certificates against polls with TLS alone
	@$(CLEAN_ENV) $(PY) -m benchmarks.channel

bench-sync: $(READY) ## two nodes: the first full sync, and how late a publication arrives
	@$(CLEAN_ENV) OBJECTS=$(or $(OBJECTS),100000) $(PY) -m benchmarks.exchanging

bench-feeds: $(READY) ## feeds made, asked for again, and made anew after a withdrawal; OBJECTS=10000 makes it smaller
	@$(CLEAN_ENV) OBJECTS=$(or $(OBJECTS),100000) $(PY) -m benchmarks.feeds

bench-taking: $(READY) ## a table of 1,000,000 lines: understood, published, published again; LINES=100000 STORED=20000
	@$(CLEAN_ENV) LINES=$(or $(LINES),1000000) STORED=$(or $(STORED),$(or $(LINES),1000000)) $(PY) -m benchmarks.taking

lock: $(READY) ## resolve pyproject.toml anew into requirements.lock
	@$(VENV)/bin/uv export --quiet --no-header --no-emit-project --format requirements-txt --output-file requirements.lock >/dev/null
	@echo "lock: $$(grep -c '^[a-z]' requirements.lock) packages; run 'make setup test' before it is committed"
