# Pilothouse. `make help` lists what there is; `make run` and `make test` need Python 3.11+, git and make, nothing else.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Without this, a folder called `operator` or `http` on the path would shadow the standard library.
export PYTHONSAFEPATH := 1
export PYTHONPATH := $(CURDIR)

##@ Everyday
help: ## Show this list
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-zA-Z0-9_-]+:.*##/ {printf "  %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed ## Make the virtual environment with every pinned package

$(VENV)/.installed: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Pilothouse needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet 'uv==0.13.9'
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip sync --quiet --python $(BIN)/python requirements.lock
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps 'uv==0.13.9' -e .
	touch $@

lock: ## Pin every package anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header --extra dev pyproject.toml -o requirements.lock

##@ Quality
lint: setup crds-check docs-check prices-check ## Format, ruff, mypy, import contracts, layout guards, generated files
	@for d in operator proxy crds; do test ! -e $$d/__init__.py || { echo "$$d/__init__.py shadows the standard library or splits the packages: remove it"; exit 1; }; done
	@! grep -rn --include='*.py' "__name__ == .__main__." crds operator proxy | grep -v '__main__.py' || { echo 'only __main__.py may be run as a script'; exit 1; }
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy -m tests.load.train
	$(BIN)/lint-imports --config pyproject.toml

format: setup ## Format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

sizes: setup ## Show file and function sizes by room (more than 500 or 50 lines wants a reason)
	@$(BIN)/python tests/sizes.py

##@ Tests
test: lint test-units test-compiled test-cluster test-clients ## Everything: lint, types, import rules, unit, golden, integration, compiled, real API server, foreign clients

test-quick: setup ## The inner loop: unit and golden tests (under a minute)
	$(BIN)/pytest tests/unit tests/golden -q -x -n 2

test-units: setup ## Unit, golden and integration tests, and the conformance matrix
	$(BIN)/pytest tests/unit tests/golden tests/integration tests/conformance -q -n 2

coverage: setup ## The same, and which lines they reach
	$(BIN)/pytest tests/unit tests/golden tests/integration tests/conformance -q -n 2 --cov --cov-report=term:skip-covered

clean: ## Remove what setup and the tests made in this folder
	rm -rf $(VENV) .cache .run .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.* build dist

include $(sort $(wildcard mk/*.mk))

.PHONY: help setup lock lint format sizes test test-quick test-units coverage clean
