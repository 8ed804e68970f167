# Needs Python 3.11 or newer, make and a C compiler. Everything else goes into .venv, pinned by
# hash in requirements-dev.lock. `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# For instance: make test PYTEST_ARGS="-x tests/imaging"
PYTEST_ARGS ?=
# For instance: make bench BENCH_ARGS="--only normaliser --rounds 3"
BENCH_ARGS ?=
# For instance: make lock LOCK_ARGS=--upgrade
LOCK_ARGS ?=

# uv works with the Python that is there; it need not have 3.11 itself to resolve for it.
export UV_PYTHON_DOWNLOADS := never

LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header --quiet
SERVER := pyproject.toml --extra heic --extra embedded
SDK := sdk/pyproject.toml $(addprefix --extra ,cli images backfill postgresql mysql queue verify)

.DEFAULT_GOAL := help
.PHONY: help setup serve demo test check format openapi bench bench-peers lock clean

help:
	@echo "Altwright: one image URL in, one checked caption out."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.installed ## create .venv with everything that is pinned

# The stamp is a copy of what is installed from: a checkout that only touches the files installs
# nothing, and an install that was interrupted is done again. The SDK is installed as it lies here
# (editable); what builds it is pinned like everything else, so pip fetches nothing for it.
INSTALLED_FROM := requirements-dev.lock sdk/pyproject.toml
$(VENV)/.installed: $(INSTALLED_FROM)
	@if cat $(INSTALLED_FROM) | cmp -s - $@ && $(BIN)/python -c '' 2>/dev/null; then touch $@; exit 0; fi; \
	command -v "$(PYTHON)" >/dev/null || { \
	  echo "$(PYTHON) was not found. Install Python 3.11 or newer, or name it: make setup PYTHON=python3.12" >&2; exit 1; }; \
	"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Altwright needs Python 3.11 or newer; $(PYTHON) is $$("$(PYTHON)" -c 'import platform; print(platform.python_version())'). Name another: make setup PYTHON=python3.12" >&2; exit 1; }; \
	"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "This Python lacks its venv module. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }; \
	again=--clear; \
	"$(BIN)/python" -m pip --version >/dev/null 2>&1 \
	  && "$(BIN)/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' && again=; \
	echo "Installing into $(VENV) (the first time takes a minute or two) ..." \
	  && rm -f $@ \
	  && "$(PYTHON)" -m venv $$again $(VENV) \
	  && $(BIN)/python -m pip install -qq --no-input --disable-pip-version-check \
	       --require-hashes -r requirements-dev.lock \
	  && $(BIN)/python -m pip install -qq --no-input --disable-pip-version-check \
	       --no-index --no-deps --no-build-isolation --editable sdk \
	  && cat $(INSTALLED_FROM) > $@

serve: setup ## start the server with the embedded captioner on 127.0.0.1:8000
	@$(BIN)/python -m app serve

demo: setup ## caption three bundled pictures in three styles, print them, exit
	@$(BIN)/python -m demo

test: setup ## run the tests, without those marked slow or measures
	$(BIN)/python -m pytest -m "not slow and not measures" $(PYTEST_ARGS)

check: setup ## formatter, linter, types, import layers, generated files up to date
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file sdk/pyproject.toml
	$(BIN)/lint-imports
	$(BIN)/python sdk/unasync.py --check
	$(BIN)/python -m app openapi --check

format: setup ## write the code the way that check wants it
	$(BIN)/python sdk/unasync.py
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

openapi: setup ## write openapi/openapi.json from the code
	$(BIN)/python -m app openapi --write

bench: setup ## measure everything that is promised about speed; one table, and build/bench.json
	$(BIN)/python -m benchmarks.bench $(BENCH_ARGS)

bench-peers: setup ## the same beside libvips, sharp, thumbor and LiteLLM, which it installs first
	$(BIN)/python -m benchmarks.bench --install-peers $(BENCH_ARGS)

lock: setup ## write both lock files from pyproject.toml
	$(LOCK) $(LOCK_ARGS) $(SERVER) -o requirements.lock
	$(LOCK) $(LOCK_ARGS) $(SERVER) $(SDK) --group pyproject.toml:dev -c requirements.lock -o requirements-dev.lock

clean: ## remove .venv and every cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './node_modules/*' -prune -exec rm -rf {} +
