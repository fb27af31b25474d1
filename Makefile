# `make demo` and `make test` need Python 3.11 to 3.13, make and a package index; all else they set up in .venv themselves.

VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=
PACKAGES := dspex workflows activities practice examples tests benchmarks worker.py

# The first of these that is new enough, not too new, and able to make environments. Override: make PYTHON=... test
PYTHON ?= $(shell for each in python3.11 python3.12 python3.13 python3 python; do \
	"$$each" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo "$$each" && break; done)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test lint types bench clean

help:
	@echo 'make demo    a durable optimization run on this machine, start to end; interrupt it and start it again'
	@echo 'make test    all tests'
	@echo 'make lint    ruff: rules and format; import-linter: the layers of the code'
	@echo 'make types   mypy, strict'
	@echo 'make bench   every benchmark, one JSON line each'
	@echo 'make clean   remove .venv and what tools keep; runs and programs in .dspex stay'

demo: $(VENV)/demo.stamp
	@$(BIN)/python -m examples.support_intents.demo

# Two runs: what computes, on all cores; what starts servers and kills processes, and so mostly waits, four at a time.
test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -n auto --dist loadfile tests/unit tests/parity tests/tutorials tests/replay $(PYTEST_ARGS)
	$(BIN)/python -m pytest -n 4 --dist worksteal tests/chaos tests/durable tests/integration $(PYTEST_ARGS)

lint: $(VENV)/dev.stamp
	$(BIN)/python -m ruff check $(PACKAGES)
	$(BIN)/python -m ruff format --check $(PACKAGES)
	$(BIN)/lint-imports --no-cache

types: $(VENV)/dev.stamp
	$(BIN)/python -m mypy

bench: $(VENV)/dev.stamp
	@for each in $$(grep -l 'Prints one JSON line' benchmarks/*.py); do $(BIN)/python "$$each" || exit 1; done

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist

# Stamps, so that a second `make` starts at once and one that was interrupted starts its part anew.
$(VENV)/venv.stamp:
	@test -n "$(PYTHON)" || { echo 'No Python 3.11, 3.12 or 3.13 with venv and pip found. Name one: make PYTHON=/path/to/python' >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/demo.stamp: pyproject.toml constraints.txt $(VENV)/venv.stamp
	@echo 'Installing into $(VENV) (once; about a minute)...'
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev-server]'
	@touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt $(VENV)/venv.stamp
	@echo 'Installing into $(VENV), test tools included (once; a minute or two)...'
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $(VENV)/demo.stamp $@
