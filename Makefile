# Needs Python 3.11 or newer, make and a C compiler. Everything else goes into .venv, pinned by
# hash in requirements-dev.lock. `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# For instance: make test PYTEST_ARGS="-x tests/images"
PYTEST_ARGS ?=
# For instance: make lock LOCK_ARGS=--upgrade
LOCK_ARGS ?=

# uv works with the Python that is there; it need not have 3.11 itself to resolve for it.
export UV_PYTHON_DOWNLOADS := never

LOCK := $(BIN)/uv pip compile pyproject.toml --extra heic --extra embedded --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header --quiet

.DEFAULT_GOAL := help
.PHONY: help setup serve demo test check format openapi lock clean

help:
	@echo "Altwright: one image URL in, one checked caption out."
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.installed ## create .venv with everything that is pinned

# The stamp is a copy of the lock file: a checkout that only touches the file installs nothing, and
# an install that was interrupted is done again.
$(VENV)/.installed: requirements-dev.lock
	@if cmp -s requirements-dev.lock $@ && $(BIN)/python -c '' 2>/dev/null; then touch $@; exit 0; fi; \
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
	  && cp requirements-dev.lock $@

serve: setup ## start the server with the embedded captioner on 127.0.0.1:8000
	@$(BIN)/python -m app serve

demo: setup ## caption three bundled pictures in three styles, print them, exit
	@$(BIN)/python -m demo

test: setup ## run every test
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: setup ## formatter, linter, types, import layers, openapi.json up to date
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m app openapi --check

format: setup ## write the code the way that check wants it
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

openapi: setup ## write openapi/openapi.json from the code
	$(BIN)/python -m app openapi --write

lock: setup ## write both lock files from pyproject.toml
	$(LOCK) $(LOCK_ARGS) -o requirements.lock
	$(LOCK) $(LOCK_ARGS) --group dev -c requirements.lock -o requirements-dev.lock

clean: ## remove .venv and every cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './node_modules/*' -prune -exec rm -rf {} +
