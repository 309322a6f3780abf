# The commands of this project, the same for people and for CI. Needs Python 3.11 or newer and make.

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/uv pip install --system-certs --quiet --python $(BIN)/python
LOCK := $(BIN)/uv pip compile --system-certs --quiet --upgrade --generate-hashes --universal --python-version 3.11 \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.PHONY: help setup develop system run video test lint format chaos crashtest fuzz bench lock clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## */\1\t/' | expand -t 12

setup: .venv/ready  ## a virtual environment with craton and what it needs to run
develop: .venv/ready-dev  ## the same, and what tests, checks and benchmarks need

$(BIN)/uv: requirements-uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Craton needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "$(PYTHON) cannot make virtual environments: install its venv package"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt
	@touch $@

.venv/ready: $(BIN)/uv requirements.txt pyproject.toml
	@$(INSTALL) --require-hashes -r requirements.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/ready-dev: .venv/ready requirements-dev.txt
	@$(INSTALL) --require-hashes -r requirements-dev.txt
	@touch $@

system:  ## what tests need of the machine: the programs of PostgreSQL and RabbitMQ, Node.js, Chromium
	@scripts/system

tests/node/node_modules/ready: tests/node/package-lock.json | system
	@npm ci --prefix tests/node --prefer-offline --loglevel=error
	@touch $@

workers/node/node_modules/ready: workers/node/package-lock.json | system
	@npm ci --prefix workers/node --prefer-offline --loglevel=error
	@touch $@

apps/video/node_modules/ready: apps/video/package-lock.json | system
	@npm ci --prefix apps/video --prefer-offline --loglevel=error
	@touch $@

run: setup  ## the store, as a monolith on SQLite, at http://127.0.0.1:8000
	@$(BIN)/craton run apps.store

video: setup apps/video/node_modules/ready  ## the video application, as a monolith on SQLite, at http://127.0.0.1:8000
	@$(BIN)/craton run apps.video

NODE = $(addsuffix /node_modules/ready,tests/node workers/node apps/video)

test: develop system $(NODE)  ## all tests but the nightly ones
	@$(BIN)/pytest -m "not chaos" --numprocesses=auto --dist=loadfile --max-worker-restart=0

lint: develop  ## style and types
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/pyright

format: develop  ## mend what can be mended by itself
	@$(BIN)/ruff check --fix .

chaos: develop system $(NODE)  ## the nightly form: many seeds of checkouts under kill -9, other examples
	@CRATON_TEST_DAY=$$(date +%j | sed "s/^0*//") $(BIN)/pytest -m "chaos or hypothesis"

crashtest: develop system  ## the store, struck at every failpoint, in every structure, on SQLite and PostgreSQL
	@CRATON_PAYMENTS_TIMEOUT=1 $(BIN)/python -m tests.lab.crashtest

bench: develop system  ## every benchmark, ours beside its peers
	@for group in $$($(BIN)/python -m bench list --names); do $(BIN)/python -m bench $$group || exit 1; done

fuzz: develop  ## ten million hostile frames against both ends of rpc
	@$(BIN)/python -m fuzz.rpc --frames 10000000

lock: $(BIN)/uv  ## the newest versions of everything, written down with their hashes
	@$(LOCK) pyproject.toml --all-extras --group dev --group build -o requirements-dev.txt
	@$(LOCK) pyproject.toml --all-extras --group build -c requirements-dev.txt -o requirements.txt
	@echo uv | $(LOCK) - -o requirements-uv.txt

clean:  ## remove what the other commands made, the store's data included
	@rm -rf .venv .craton .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist workers/java/out $(dir $(NODE))
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
