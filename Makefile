# Everything runs in .venv, made on first use. `make` lists what there is.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OLDEST := .venv-oldest
OLDEST_TORCH := .venv-oldest-torch
TRACKERS := .venv-trackers

# The versions that all tests have passed with, on the Python that they name; `make versions` writes them.
TESTED := -c tests/versions/frameworks.txt
TESTED_TRACKERS := -c tests/versions/trackers.txt
FREEZE := -m pip freeze --exclude-editable | sed -E 's/(==[^+]*)\+[a-z]+$$/\1/; s/$$/; python_version == "3.11"/'

# make demo FRAMEWORK=lightgbm
FRAMEWORK ?=
TORCH_FRAMEWORKS := torch lightning pytorch_lightning transformers
FRAMEWORKS := sklearn xgboost lightgbm catboost keras statsmodels $(TORCH_FRAMEWORKS)
ifneq ($(filter-out $(FRAMEWORKS),$(FRAMEWORK)),)
$(error There is no demo of '$(FRAMEWORK)'; there is of: $(FRAMEWORKS))
endif

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench captures oldest versions clean

help:  ## list these targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1|/' | awk -F'|' '{printf "  make %-9s %s\n", $$1, $$2}'

demo: $(VENV)/.demo$(FRAMEWORK:%=-%)  ## train two small models and look at what was captured (20 s); FRAMEWORK=keras: with that one
	@$(BIN)/reticent demo $(FRAMEWORK)

# Each process needs 3 GB. A file's tests stay in one: they share what takes long to make. Trackers have an environment of their own.
test: $(VENV)/.test $(TRACKERS)/.made  ## run all tests, in up to four processes; ARGS="-n 0 tests/unit/store": some, in one
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile $(ARGS)
	$(if $(ARGS),,$(TRACKERS)/bin/python -m pytest tests/trackers)

lint: $(VENV)/.test  ## check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench:  ## measure what logging costs a training, beside other trackers (20 to 30 minutes); ARGS="log_call crash": only these
	@$(MAKE) --no-print-directory --jobs 2 $(VENV)/.bench $(TRACKERS)/.made
	@$(BIN)/python -m benchmarks $(ARGS)

captures: $(VENV)/.test  ## write docs/captures.md and the README's table from what the tests of the integrations have seen
	@$(BIN)/reticent doctor --captures --markdown > docs/captures.md
	@$(BIN)/python docs/summary.py

oldest: $(OLDEST)/.made $(OLDEST_TORCH)/.made  ## run the integrations' contract with the oldest versions of frameworks
	$(OLDEST)/bin/python tests/oldest.py sklearn xgboost lightgbm catboost statsmodels
	KERAS_BACKEND=torch $(OLDEST_TORCH)/bin/python tests/oldest.py keras lightning transformers

versions: $(VENV)/.bench $(TRACKERS)/.made  ## bring all packages to their newest versions and write them to tests/versions; `make lint test` next
	$(BIN)/python -m pip install --upgrade --upgrade-strategy eager torch==2.13.0 -e . --group bench --group dev
	$(BIN)/python $(FREEZE) > tests/versions/frameworks.txt
	$(TRACKERS)/bin/python -m pip install --upgrade --upgrade-strategy eager -e . --group trackers
	$(TRACKERS)/bin/python $(FREEZE) > tests/versions/trackers.txt

clean:  ## remove .venv and all caches; runs in .reticent stay
	rm -rf $(VENV) $(OLDEST) $(OLDEST_TORCH) $(TRACKERS) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find core integrations redact tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# A stamp file per set of packages: each is installed once, and again when pyproject.toml changes.

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
		echo "Reticent needs Python 3.10 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo 'not found')."; \
		echo "Name another one: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.demo: pyproject.toml tests/versions/frameworks.txt | $(VENV)/.made
	@echo "Installing scikit-learn, XGBoost and Reticent into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet -e . --group demo $(TESTED)
	@touch $@

$(VENV)/.demo-%: pyproject.toml tests/versions/frameworks.txt | $(VENV)/.made
	@echo "Installing Reticent and what the demo of $* needs into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet -e . --group demo-$* $(TESTED)
	@touch $@

$(TORCH_FRAMEWORKS:%=$(VENV)/.demo-%): $(VENV)/.torch

$(VENV)/.bench: pyproject.toml tests/versions/frameworks.txt $(VENV)/.torch | $(VENV)/.made
	@echo "Installing all frameworks, and what is compared with, into $(VENV): 4 GB (once)"
	@$(BIN)/python -m pip install --quiet -e . --group bench $(TESTED)
	@touch $@ $(VENV)/.demo

$(VENV)/.test: pyproject.toml tests/versions/frameworks.txt $(VENV)/.torch | $(VENV)/.made
	@echo "Installing what the tests need into $(VENV): all frameworks, 4 GB (once)"
	@$(BIN)/python -m pip install --quiet -e . --group dev $(TESTED)
	@touch $@ $(VENV)/.demo

# torch comes first and alone: asked for later, another one than this could have been chosen already.
$(VENV)/.torch: pyproject.toml tests/versions/frameworks.txt | $(VENV)/.made
	@$(BIN)/python -m pip install --quiet torch==2.13.0 $(TESTED)
	@$(BIN)/python -m pip install --quiet -e . --group torch $(TESTED)
	@touch $@

$(OLDEST)/.made: pyproject.toml
	@echo "Making $(OLDEST) with the oldest versions of frameworks (once)"
	@$(PYTHON) -m venv $(OLDEST)
	@$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(OLDEST)/bin/python -m pip install --quiet -e . --group oldest
	@touch $@

$(OLDEST_TORCH)/.made: pyproject.toml
	@echo "Making $(OLDEST_TORCH) with the oldest versions of the frameworks that need torch (once)"
	@$(PYTHON) -m venv $(OLDEST_TORCH)
	@$(OLDEST_TORCH)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(OLDEST_TORCH)/bin/python -m pip install --quiet torch==2.13.0
	@$(OLDEST_TORCH)/bin/python -m pip install --quiet -e . --group oldest-torch
	@touch $@

$(TRACKERS)/.made: pyproject.toml tests/versions/trackers.txt
	@echo "Making $(TRACKERS) with the SDKs of trackers (once)"
	@$(PYTHON) -m venv $(TRACKERS)
	@$(TRACKERS)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(TRACKERS)/bin/python -m pip install --quiet -e . --group trackers $(TESTED_TRACKERS)
	@touch $@
