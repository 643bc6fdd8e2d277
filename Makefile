# Everything happens in .venv, made by any python3 >= 3.10: make PYTHON=python3.12 test
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check

# Versions that were tried on every supported Python; renewed by `make lock`.
LOCK := requirements.lock

.PHONY: demo test test-cluster lint format bench docs clean matrix lock next system

## demo: find the faces in a real clip; the first time it downloads libraries, models and the clip
demo: $(VENV)/.installed
	$(BIN)/visage demo

## test: every test; installs what they need, Debian's packages as well where it may (root, apt-get)
test: $(VENV)/.installed-dev system
	@$(BIN)/python -m pytest

## test-cluster: the tests of --cluster as well, which kill and freeze parts of real Ray clusters; takes minutes
test-cluster: $(VENV)/.installed-dev
	@$(PIP) --constraint $(LOCK) --editable '.[dev,cluster]'
	@$(BIN)/python -m pytest tests/unit/visage/cluster tests/integration/test_cluster.py

## matrix: the main job and the smoke tests on every Python that is here, with the newest and the lowest libraries
matrix:
	@$(PYTHON) .ci/matrix.py

## lock: pin the newest versions that pyproject.toml allows, for every supported Python
lock: $(BIN)/python
	@$(PIP) uv
	@$(BIN)/uv pip compile --quiet --universal --upgrade --python-version 3.10 --extra dev --extra serve --extra show --extra qdrant --extra encryption --extra cluster --no-emit-index-url \
		--no-header --no-annotate pyproject.toml -o $(LOCK)

## next: which dependencies have wheels for the Pythons that are to come
next: $(BIN)/python
	@$(BIN)/python .ci/resolve_next.py

system:
	@.ci/system-packages

## lint: style, formatting and types
lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

## bench: how fast this machine is, in a file to compare with others
bench: $(VENV)/.installed
	$(BIN)/visage bench --json bench.json

## docs: the documentation as a site in build/docs; broken links and pages outside the navigation are errors
docs: $(VENV)/.installed
	@$(PIP) --constraint $(LOCK) --editable '.[docs]'
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

## clean: remove what the other targets made here (not the models in ~/.visage)
clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis visage-demo bench.json
	find stages visage tests -type d -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.installed: pyproject.toml $(LOCK) | $(BIN)/python
	@echo "Installing Visage and its libraries into $(VENV) ..."
	@$(PIP) --constraint $(LOCK) --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml $(LOCK) | $(BIN)/python
	@echo "Installing Visage, its libraries and its test tools into $(VENV) ..."
	@$(PIP) --constraint $(LOCK) --editable '.[dev]'
	@touch $@ $(VENV)/.installed

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Visage needs Python 3.10 or newer; name one: make PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "python3 can't make environments here; on Debian: apt-get install python3-venv"; exit 1; }
