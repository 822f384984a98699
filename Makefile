# make run     train the first model of README.md, from nothing, and print a sample
# make test    lint, types, tests
# make parity  compare with PyTorch, and with Keras on it (installs both)
# make bench   time against PyTorch and ONNX Runtime (installs what it can of them)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test lint types unit tests-of-runs tests-of-the-rest tests-without-kernels parity bench clean

run: $(VENV)/installed
	$(BIN)/rnnkit run model_specs/word_lstm.json --resume auto --out runs/word-lstm
	$(BIN)/rnnkit sample runs/word-lstm --prompt "The " --length 100 -t 0.5

test: lint types unit

lint: $(VENV)/tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/tested
	$(BIN)/mypy

# Two at a time, as on two cores; each prints when it has ended, and make fails where one does.
unit: $(VENV)/tested
	$(MAKE) --jobs=2 --keep-going $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) tests-of-runs tests-of-the-rest tests-without-kernels

tests-of-runs:
	$(BIN)/python -m pytest tests/training tests/cli tests/guide tests/analysis

tests-of-the-rest:
	$(BIN)/python -m pytest --ignore=tests/training --ignore=tests/cli --ignore=tests/guide --ignore=tests/analysis

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
