# Targets people use: run, test, check, lock, golden. `make help` tells what each does.
SHELL := /bin/sh
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet

.PHONY: help run test check format lock golden dashboards locale deb windows-zip clean

help: ## Lists the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/'

$(BIN)/pip:
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh deploy/make-venv.sh

$(VENV)/installed-collector: locks/collector.txt pyproject.toml | $(BIN)/pip
	@echo "Installing the agent and the collector into $(VENV) (versions pinned in locks/collector.txt) ..."
	@$(PIP) install --require-hashes -r locks/collector.txt
	@$(PIP) install --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/installed-dev: locks/dev.txt pyproject.toml | $(BIN)/pip
	@echo "Installing what the tests need into $(VENV) (versions pinned in locks/dev.txt) ..."
	@$(PIP) install --require-hashes -r locks/dev.txt
	@$(PIP) install --no-build-isolation --no-deps -e .
	@touch $@ $(VENV)/installed-collector

run: $(VENV)/installed-collector ## Starts the collector and an agent on this machine
	@exec $(BIN)/thongmang local

test: $(VENV)/installed-dev ## Installs what the tests need, Debian packages too, and runs everything
	@sh deploy/test-packages.sh
	@$(MAKE) --no-print-directory check
	@BIN="$(BIN)" sh deploy/run-tests.sh

check: $(VENV)/installed-dev ## Lint, types, import arrows
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: $(VENV)/installed-dev ## Formats the code
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

golden: $(VENV)/installed-dev ## Rewrites the golden files; read the diff
	@$(BIN)/pytest -q --rewrite-golden tests/inventory/age

dashboards: $(VENV)/installed-dev ## Rebuilds dashboards/generated
	@$(BIN)/python -m dashboards

locale: $(VENV)/installed-dev ## Extracts and compiles the translations
	@BIN="$(BIN)" sh deploy/locale.sh

deb: ## Builds the agent's Debian package in dist/ (needs dpkg-deb)
	@$(PYTHON) deploy/agent/build_deb.py

# The interpreter is handed in: PYTHON_EMBED_AMD64=python-3.8.10-embed-amd64.zip PYTHON_SHA256_AMD64=..., and _WIN32.
EMBED = $(if $(1),--python-embed "$(1)" --python-sha256 "$(2)",--without-python)
windows-zip: | $(BIN)/pip ## Builds the agent's packages for 32- and 64-bit Windows in dist/
	@$(BIN)/python deploy/agent/build_windows.py --arch amd64 $(call EMBED,$(PYTHON_EMBED_AMD64),$(PYTHON_SHA256_AMD64))
	@$(BIN)/python deploy/agent/build_windows.py --arch win32 $(call EMBED,$(PYTHON_EMBED_WIN32),$(PYTHON_SHA256_WIN32))

lock: | $(BIN)/pip ## Pins the newest allowed versions of every dependency in locks/
	@$(PIP) install uv
	@BIN="$(BIN)" sh deploy/lock.sh

clean: ## Removes what builds and tests left; keeps var/
	@rm -rf $(VENV) .venv-py38 dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis test-results
