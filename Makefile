# Everything a contributor types; `make help` lists it. Needs python3 >= 3.11 with venv, and git.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check install --constraint requirements.lock

# Arguments for the daemon or for pytest: make run ARGS="/var/log/nginx", make test ARGS="-k tailer"
ARGS ?=

.PHONY: help setup run demo test test-all bench lint fmt docs lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(DEV) ## Create .venv with everything for development
	@true

run: $(RUNTIME) ## Watch this host's journal, logs and metrics (ARGS="PATH…" for others)
	@exec $(BIN)/aiops run $(ARGS)

demo: $(RUNTIME) ## Show one simulated fault from first sign to explained incident
	@exec $(BIN)/aiops demo $(ARGS)

test: $(DEV) ## Run all tests but the slow ones, in parallel
	@$(BIN)/python -m pytest -q -n auto -m "not slow" $(ARGS)

test-all: $(DEV) ## Run all tests, the slow ones and those against real servers too
	@$(BIN)/python -m pytest -q -n auto $(ARGS)

bench: $(DEV) ## Print every benchmark's table beside its peers' (ARGS="lo2 nab" for some)
	@bad=; for file in $(or $(ARGS:%=benchmarks/%.py),$(sort $(wildcard benchmarks/[!_]*.py))); do \
	  echo "== $$file"; $(BIN)/python "$$file" || bad="$$bad $$file"; \
	done; [ -z "$$bad" ] || { echo "failed:$$bad" >&2; exit 1; }

lint: $(DEV) ## Check style, types, layers, spelling and generated documents
	@bad=0; for check in \
	  "ruff check ." \
	  "ruff format --check ." \
	  "mypy" \
	  "lint-imports --no-logo" \
	  "codespell" \
	  "python docs/generate.py --check"; do \
	    script=$${check#python }; \
	    if [ "$$script" != "$$check" ] && [ ! -e "$${script%% *}" ]; then continue; fi; \
	    echo "== $$check"; $(BIN)/$$check || bad=1; \
	done; exit $$bad

fmt: $(DEV) ## Format the code and mend what can be mended mechanically
	@$(BIN)/ruff check --fix-only --quiet . ; $(BIN)/ruff format .

docs: $(DEV) ## Renew the generated reference documents and the pictures
	@$(BIN)/python docs/generate.py
	@$(BIN)/python docs/pictures.py

lock: $(DEV) ## Renew requirements.lock from pyproject.toml
	@$(BIN)/python -m pip --quiet --disable-pip-version-check install pip-tools
	@{ sed -n '/^#/p;/^#/!q' requirements.lock; $(BIN)/pip-compile --quiet --upgrade --extra dev --strip-extras \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	  --output-file - pyproject.toml; } > requirements.lock.new
	@mv requirements.lock.new requirements.lock

clean: ## Remove the virtual environment and every cache
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "make: $(PYTHON) is missing, older than 3.11, or without venv. On Debian or Ubuntu:" >&2; \
	  echo "  apt-get install -y python3 python3-venv git make" >&2; exit 2; }
	@echo "Creating $(VENV) …" >&2
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); exit 2; }

$(RUNTIME): pyproject.toml requirements.lock | $(BIN)/python
	@echo "Installing the daemon into $(VENV) …" >&2
	@$(PIP) --editable .
	@touch $@

$(DEV): pyproject.toml requirements.lock | $(BIN)/python
	@echo "Installing the daemon and the development tools into $(VENV) …" >&2
	@$(PIP) --editable '.[dev]'
	@touch $@ $(RUNTIME)
