# The verbs people type. Each one prepares what it needs; the second time it starts at once.
# `make help` lists them; settings are given behind the verb: make check PYTHON=python3.12

PYTHON ?= python3
VENV ?= .venv

BIN := $(VENV)/bin
RUN := $(VENV)/.ready
DEV := $(VENV)/.ready-dev
PIP := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help test check fix

help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

check: $(DEV) ## Format, lint, types, layers and fast tests, in under a minute
	@$(BIN)/ruff format --check --quiet . || { echo "make fix mends the format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m pytest -q tests/unit

fix: $(DEV) ## Mend what ruff can mend
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format .

test: $(DEV) ## Run every test; those whose tool is missing say so (SPARKANYWHERE_REQUIRE_TOOLS=1: they fail)
	@$(BIN)/python -m pytest tests

# --- the environment -----------------------------------------------------------------------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..., or apt-get install python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "Python's venv module is missing: apt-get install python3-venv"; exit 1; }
	@echo "Preparing $(VENV) (once, about a minute)"
	@$(PYTHON) -m venv $(VENV)

$(RUN): pyproject.toml constraints.txt | $(BIN)/python
	@$(PIP) --editable '.[docker]'
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	@$(PIP) --editable '.[dev]'
	@touch $@ $(RUN)
