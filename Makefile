PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: setup demo test test-all lint docs clean

setup: $(STAMP)

# torch comes first: with it in place, no other package pulls a CUDA build.
$(STAMP): setup.py constraints.txt
	$(PYTHON) -c "import sys; sys.exit(0 if sys.version_info >= (3, 11) else 'Python 3.11 or newer is needed: make PYTHON=python3.11')"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(STAMP)

demo: setup
	rm -rf runs/quickstart
	$(BIN)/dvr-ray tune search_spaces/quickstart.yaml --out runs/quickstart

test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n 2 --dist worksteal

test-all: setup
	$(BIN)/python -m pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: setup
	$(BIN)/python docs/generators/json_schema.py
	$(BIN)/python -m sphinx -W --keep-going -n -q -b html docs build/docs
	@echo build/docs/index.html

clean:
	rm -rf .venv runs build *.egg-info
