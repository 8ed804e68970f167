# Needs Python 3.11 or newer, make and a C compiler. Everything else goes into .venv, pinned by hash
# in requirements.lock and requirements-dev.lock. `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# For instance: make test PYTEST_ARGS="-x tests/imaging"
PYTEST_ARGS ?=
# For instance: make bench BENCH_ARGS="--only normaliser --rounds 3"
BENCH_ARGS ?=
# For instance: make lock LOCK_ARGS=--upgrade
LOCK_ARGS ?=

# uv resolves for Python 3.11 with whatever Python it runs on, and downloads none.
export UV_PYTHON_DOWNLOADS := never

LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header --quiet
SERVER := pyproject.toml --extra heic --extra embedded --extra otel
SDK := sdk/pyproject.toml $(addprefix --extra ,cli images backfill postgresql mysql queue mcp verify)

.DEFAULT_GOAL := help
.PHONY: help setup setup-server require-python serve demo test check format openapi docs bench bench-peers lock clean

help:
	@echo "Altwright: one image URL in, one checked caption out."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: require-python ## create .venv with everything that is pinned
	@"$(PYTHON)" scripts/install.py development

# The server and the demo need a third of it.
setup-server: require-python
	@"$(PYTHON)" scripts/install.py server

require-python:
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "$(PYTHON) was not found. Install Python 3.11 or newer, or name it: make setup PYTHON=python3.12" >&2; exit 1; }

serve: setup-server ## start the server with the embedded captioner on 127.0.0.1:8000
	@$(BIN)/python -m app serve

demo: setup-server ## caption six bundled images in three styles, print them, exit
	@$(BIN)/python -m demo

test: setup ## run the tests, without those marked slow or measures
	$(BIN)/python -m pytest -m "not slow and not measures" -n auto --dist worksteal $(PYTEST_ARGS)

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

docs: setup ## build the guide, which the server shows at /docs/guide
	$(BIN)/python -m scripts.guide

bench: setup ## measure the performance targets; one table, and build/bench.json
	$(BIN)/python -m benchmarks.bench $(BENCH_ARGS)

bench-peers: setup ## the same beside libvips, sharp, thumbor and LiteLLM, which it installs first
	$(BIN)/python -m benchmarks.bench --install-peers $(BENCH_ARGS)

lock: setup ## write both lock files from pyproject.toml
	$(LOCK) $(LOCK_ARGS) $(SERVER) -o requirements.lock
	$(LOCK) $(LOCK_ARGS) $(SERVER) $(SDK) --group pyproject.toml:dev -c requirements.lock -o requirements-dev.lock

clean: ## remove .venv and every cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './node_modules/*' -prune -exec rm -rf {} +
