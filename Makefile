# Three commands for everybody: `make demo`, `make example` and `make test`. They make what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo example test lint types format chaos fuzz kills bench readme dist clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/'

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[sandbox]' --group dev
	@touch $@

# The programs around the target, each in an environment of its own: a group of pyproject.toml.
NEIGHBOURS := $(foreach name,tap meltano meltanolabs pipelinewise,.venv-$(name)/.ready)

$(NEIGHBOURS): .venv-%/.ready: pyproject.toml $(READY)
	$(PYTHON) -m venv --without-pip .venv-$*
	$(BIN)/python -m pip --python .venv-$*/bin/python install --quiet $(PIP_OPTIONS) --group $*
	@touch $@

# Its own pins ask for a psycopg2 that only builds with a compiler and an old Python.
.venv-pipelinewise/.ready: PIP_OPTIONS := --no-deps

demo: $(READY) ## Sync real tap output into a sandbox segment and show what changed
	@$(BIN)/python demo/demo.py

example: $(READY) .venv-meltano/.ready ## Build dbt models and sync them by Meltano, without any account
	@$(BIN)/python demo/example.py

test: lint types $(NEIGHBOURS) ## Run lint, types and all tests
	$(BIN)/python -m pytest -n auto --dist loadfile

lint: $(READY) ## Check style and dependencies
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/deptry .
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml examples/schedule/github_actions.yml

types: $(READY) ## Check types
	$(BIN)/mypy

chaos: $(READY) ## Run 10,000 random cases with faults, cuts and restarts
	$(BIN)/python tests/chaos/chaos.py --cases 10000 --jobs $$(nproc)

fuzz: $(READY) ## Run 200,000 cases with odd settings, input and answers
	$(BIN)/python tests/fuzz/fuzz.py --cases 200000 --jobs $$(nproc)

kills: $(READY) ## Send signals at 1,000 random moments of runs under load
	$(BIN)/python tests/kills/kills.py --moments 1000 --jobs 4

bench: $(READY) ## Measure against other ways to do it, and print a table
	$(BIN)/python benchmarks/bench.py

readme: $(READY) ## Renew the docs' table of settings
	$(BIN)/python tests/readme_settings.py

dist: $(READY) ## Build the sdist and the wheel
	$(BIN)/python -m build

format: $(READY) ## Rewrite the code in the project's format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean: ## Remove the environment and all caches
	rm -rf $(VENV) $(dir $(NEIGHBOURS)) examples/*/.meltano examples/*/warehouse .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
