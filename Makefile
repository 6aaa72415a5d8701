# The verbs people type. Each one prepares what it needs; the second time it starts at once.
# `make help` lists them; settings are given behind the verb: make pi INSTANCES=4 ARGS=1000

PYTHON ?= python3
VENV ?= .venv
STAGE ?= prod
SPARK ?= 4.3.0
UPGRADE ?=
QUICK ?=
MINUTES ?= 10
SEED ?=
SEEDS ?= 500
PROVIDER ?= process
INSTANCES ?= 2
ARGS ?= 100
EXAMPLE ?= SparkPi
CLASS ?=
BENCH ?=
S3 ?=
SPARK_SUBMIT ?=
WORKERS ?= 2
PORT ?=
ROW ?=
TO ?=

BIN := $(VENV)/bin
RUN := $(VENV)/.ready
DEV := $(VENV)/.ready-dev
DYNOXIDE := .make/dynoxide
PYTEST := $(BIN)/python -m pytest --numprocesses "$(WORKERS)"
PIP := $(BIN)/python -m pip install --disable-pip-version-check
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
  --no-header --no-annotate --constraint locks/platforms.in $(if $(UPGRADE),--upgrade)

# a Slurm of two nodes for as long as the command takes, unless one is there
LAB = $(if $(filter slurm,$(PROVIDER)),-m tools.slurm_lab)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help pi serve test test-slow test-clients test-podman test-dynoxide test-all check lint conformance fix e2e coverage bench spark image down vendor package config deploy docs jar-row jars wheel server-image lock audit soak simulate

help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  settings      SPARK=$(SPARK) PROVIDER=$(PROVIDER) INSTANCES=$(INSTANCES) ARGS=$(ARGS) EXAMPLE=$(EXAMPLE) PORT=(free)"

pi: $(RUN) ## Run SparkPi in cluster mode on this machine (EXAMPLE=your.py or .jar for your own)
	@exec $(BIN)/python $(LAB) -m sparkanywhere pi --spark "$(SPARK)" --provider "$(PROVIDER)" --instances "$(INSTANCES)" \
	  --example "$(EXAMPLE)" $(if $(CLASS),--class "$(CLASS)") --port "$(or $(PORT),0)" --args "$(ARGS)" \
	  $(if $(SPARK_SUBMIT),--spark-submit)

serve: $(RUN) ## Serve the Kubernetes API in the foreground (PORT=8001 PROVIDER=process|docker|none)
	@exec $(BIN)/python -m sparkanywhere serve --port "$(or $(PORT),8001)" --provider "$(PROVIDER)"

image: $(RUN) ## Build the image sparkanywhere/spark:4.3.0 in the Docker engine (SPARK=4.3.0)
	@exec $(BIN)/python -m sparkanywhere image "$(SPARK)"

down: $(RUN) ## Remove what ended control planes have left: processes, containers, networks, volumes
	@exec $(BIN)/python -m sparkanywhere down

spark: $(RUN) ## Download and lay out a Spark (SPARK=4.3.0)
	@exec $(BIN)/python -m sparkanywhere spark install "$(SPARK)"

lint: $(DEV) ## Check format, style, types and import layers
	@$(BIN)/ruff format --check --quiet . || { echo "make fix mends the format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

check: lint ## Lint, and run the unit tests
	@$(PYTEST) -q tests/unit -m "not slow and not dynoxide"

fix: $(DEV) ## Mend what ruff can mend
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format .

test: $(DEV) ## Run the tests, with a real Spark job on each provider that is there (WORKERS=2 files at a time)
	@$(PYTEST) -m "not slow and not clients and not podman and not dynoxide" --durations 15

test-slow: $(DEV) ## Run the tests that `make test` leaves out: every Spark scenario, further versions and emulators
	@$(PYTEST) -m "slow and not clients and not podman and not dynoxide" --durations 15

test-clients: $(DEV) ## Run third-party clients against us: kr8s, kopf, helm, Airflow, ... and kubectl 1.24 to 1.37 (QUICK=1: fewer)
	@$(BIN)/python -m tools.clients$(if $(QUICK), --quick)
	@$(PYTEST) -m "clients$(if $(QUICK), and not slow)" --durations 15

test-podman: $(DEV) ## Run the provider contract on a Podman of its own (QUICK=1: a quarter of it)
	@$(PYTEST) tests/contract -m "podman$(if $(QUICK), and not slow)" --durations 5

test-dynoxide: $(DEV) ## Run the storage contract, races and crashes on dynoxide, a DynamoDB by others, which cargo builds once, in minutes
	@if command -v cargo >/dev/null || test -x $(DYNOXIDE)/bin/dynoxide; then \
	  $(MAKE) --no-print-directory $(DYNOXIDE)/bin/dynoxide && $(PYTEST) -m dynoxide --durations 15; \
	else echo "dynoxide was left out: there is no cargo to build it"; fi

$(DYNOXIDE)/bin/dynoxide:
	@cargo install --quiet --locked --no-default-features --features native-sqlite,http-server,cli \
	  --root $(DYNOXIDE) --version "~3.2" dynoxide-rs

test-all: test test-slow test-clients test-podman test-dynoxide ## Run every test

soak: $(DEV) ## Send drawn requests, hold watches of two servers to lists under faults and kills, and simulate, for MINUTES=10 (SEED=n)
	@$(BIN)/python -m tests.soak --minutes "$(MINUTES)" $(if $(SEED),--seed "$(SEED)")

simulate: $(DEV) ## Run a control plane, its store and its tasks by virtual time under drawn faults (SEEDS=500; SEED=n: one, with its trace)
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed "$(SEED)",--seeds "$(SEEDS)" --workers "$(WORKERS)")

e2e: $(DEV) ## Run the tests with real Spark alone
	@$(PYTEST) tests/e2e

coverage: $(DEV) ## Measure what unit and contract tests run of the code; build/coverage/index.html shows the lines
	@$(PYTEST) -q tests/unit tests/contract -m "not slow and not podman and not dynoxide" --cov --cov-report term:skip-covered --cov-report html

bench: $(DEV) ## Measure, and write the tables of docs/benchmarks.md (BENCH=api for one; PI=1, DOCKER=1: those too)
	@$(BIN)/python -m benchmarks $(BENCH)

conformance: $(DEV) ## Compare our API with a real server's recorded answers (RECORD=1 KUBE_APISERVER=path ETCD=path: record them anew)
	@$(BIN)/python -m tools.conformance

docs: $(DEV) ## Write from the code docs/settings.md, docs/job-options.md and docs/job.schema.json
	@$(BIN)/python -m tools.settings_page
	@$(BIN)/python -m tools.job_options_page

jar-row: $(DEV) ## Put the newest jars into a row of the table of --with, and run it (ROW=iceberg/4.1; TO=VERSION for one)
	@$(BIN)/python -m tools.jar_row "$(ROW)" $(if $(TO),--to "$(TO)")

jars: $(DEV) ## Pin the jars of --with, run each set with each Spark, and write the matrix of docs/data.md (S3=URL)
	@$(BIN)/python -m tools.jar_sums
	@$(BIN)/python -m tools.jar_row
	@$(BIN)/python -m tools.jar_matrix $(if $(S3),--s3 "$(S3)")

vendor: $(RUN) ## Fetch what Lambda needs beside our code, as deploy and package do by themselves
	@$(BIN)/python -m sparkanywhere.deployment.libraries

package: $(RUN) ## Make the Lambda package and its template for CloudFormation in build/ (STAGE=prod)
	@$(BIN)/chalice package --stage "$(STAGE)" build

config: $(RUN) ## Write Terraform's outputs into the Chalice stage, after terraform apply (STAGE=prod)
	@$(BIN)/python -m sparkanywhere.cli.stage_config --stage "$(STAGE)"

deploy: $(RUN) ## Put the control plane up on AWS, after make config: chalice deploy (STAGE=prod)
	@$(BIN)/chalice deploy --stage "$(STAGE)"

wheel: $(DEV) ## Build the wheel, and beside it a CycloneDX bill of what it runs on, in dist/
	@$(BIN)/python -m pip wheel --disable-pip-version-check --quiet --no-deps --no-build-isolation --wheel-dir dist .
	@PYTHONWARNINGS=ignore $(BIN)/cyclonedx-py requirements locks/run.txt --pyproject pyproject.toml --output-reproducible \
	  --output-file "$$(ls -t dist/sparkanywhere-*.whl | head -n 1).cdx.json"

server-image: wheel ## Build the control plane's image sparkanywhere/server in the Docker engine (BASE=python:3.13-slim)
	@docker build --file images/server/Dockerfile $(if $(BASE),--build-arg BASE="$(BASE)") --tag sparkanywhere/server dist

lock: $(DEV) ## Pin all dependencies with the hashes of all their files, after a change of one (UPGRADE=1: the newest)
	@$(LOCK) --extra dev pyproject.toml locks/build.in --output-file locks/dev.txt
	@$(LOCK) --constraint locks/dev.txt --extra aws --extra azure --extra docker pyproject.toml locks/build.in --output-file locks/run.txt
	@$(LOCK) --constraint locks/dev.txt locks/lambda.in --output-file requirements.txt
	@$(LOCK) --constraint locks/dev.txt --no-deps locks/vendor.in --output-file locks/vendor.txt

audit: $(DEV) ## Look up the locked versions in the database of known vulnerabilities
	@$(BIN)/python -m tools.audit

# --- the environment -----------------------------------------------------------------------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed, which $(PYTHON) is not: make PYTHON=python3.12 ..., or install one:" \
	    "apt-get install python3, brew install python"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "Python's venv module is missing: apt-get install python3-venv"; exit 1; }
	@echo "Preparing $(VENV) (once, about a minute)"
	@$(PYTHON) -m venv $(VENV)

# pip's 150 lines are shown only where they tell what is wrong.
UNLESS_IT_FAILS = >$(VENV)/pip.log 2>&1 || { cat $(VENV)/pip.log; exit 1; }

# Chalice's command gives way to ours, which adds --docker and its like to `chalice local`.
$(RUN) $(DEV): pyproject.toml locks/run.txt locks/dev.txt | $(BIN)/python
	@if [ -e $(RUN) ]; then echo "Bringing $(VENV) up to date"; fi
	@$(PIP) --require-hashes --requirement $(if $(filter $@,$(DEV)),locks/dev.txt,locks/run.txt) $(UNLESS_IT_FAILS)
	@$(PIP) --no-deps --no-build-isolation --editable . $(UNLESS_IT_FAILS)
	@cp $(BIN)/sparkanywhere-chalice $(BIN)/chalice
	@touch $@ $(RUN)
