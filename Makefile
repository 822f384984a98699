# make run     train the first model of README.md, from nothing, and print a sample
# make test    lint, types, tests
# make parity  compare with PyTorch, and with Keras on it (installs both)
# make bench   time against PyTorch and ONNX Runtime (installs what it can of them)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Each command that a test or a benchmark starts would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test lint types types-and-unit tests-of-cells tests-of-runs tests-of-models tests-of-the-rest tests-without-kernels parity bench clean

run: $(VENV)/installed
	$(BIN)/rnnkit run model_specs/word_lstm.json --resume auto --out runs/word-lstm
	$(BIN)/rnnkit sample runs/word-lstm --prompt "The " --length 100 -t 0.5

test: lint types-and-unit

lint: $(VENV)/tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/tested
	$(BIN)/mypy

CELLS := tests/test_plugin_cells.py tests/test_plugin_mgu.py tests/exchange/test_equation_cells.py tests/contracts tests/compute
RUNS := tests/training tests/cli tests/guide tests/analysis
MODELS := tests/builtin tests/network tests/checkpoint tests/inference tests/sweep

# Two at a time, as on two cores, the longest first; each prints when it has ended, and make fails
# where one does. What several parts compile lies in the cache once one of them has come to it.
types-and-unit: $(VENV)/tested
	$(MAKE) --jobs=2 --keep-going $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) tests-of-cells tests-of-runs tests-of-models tests-of-the-rest tests-without-kernels types

tests-of-cells:
	$(BIN)/python -m pytest $(CELLS)

tests-of-runs:
	$(BIN)/python -m pytest $(RUNS)

tests-of-models:
	$(BIN)/python -m pytest $(MODELS)

tests-of-the-rest:
	$(BIN)/python -m pytest $(addprefix --ignore=,$(CELLS) $(RUNS) $(MODELS))

tests-without-kernels:
	RNNKIT_KERNELS=numpy $(BIN)/python -m pytest tests/builtin/test_conformance.py tests/builtin/test_golden.py tests/builtin/losses/test_losses.py tests/builtin/optimizers tests/compute/stack tests/network/test_sections.py

parity: $(VENV)/tested
	$(BIN)/pip install --quiet "torch==2.13.0" "keras>=3.13"
	$(BIN)/python -m pytest tests/parity tests/exchange tests/training/test_clip.py tests/builtin/losses/test_losses.py tests/builtin/optimizers tests/builtin/schedules

bench: $(VENV)/tested
	-$(BIN)/pip install --quiet "torch==2.13.0"
	-$(BIN)/pip install --quiet onnx onnxruntime
	$(BIN)/pip install --quiet matplotlib
	$(BIN)/python -m benchmarks --out benchmarks

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable ".[fast]"
	touch $@

$(VENV)/tested: $(VENV)/installed
	$(BIN)/pip install --quiet --editable ".[test]"
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info plugins/*/build plugins/*/*.egg-info
