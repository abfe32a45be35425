# Make orders the steps; the package decides by content which results to reuse.
# No notebook's output is a goal, because a failed run also leaves one.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

PYTHON ?= python3.11
NEWER ?= python3.13
QUIET := --quiet --disable-pip-version-check

# An activated conda environment that has what the package needs is used as it is.
NEEDS := filelock, lightning, myst_nb, natsort, papermill, pose_format, statsmodels, torch
FIND := import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, '$(NEEDS)'.split(', '))))
ifneq ($(CONDA_PREFIX),)
CONDA_READY := $(shell "$(CONDA_PREFIX)/bin/python" -c "$(FIND)" 2>/dev/null && echo yes)
endif
ifeq ($(CONDA_READY),yes)
PY := "$(CONDA_PREFIX)/bin/python"
else
PY := .venv/bin/python
endif

# Every command imports the package of this folder, whatever else is installed.
export PYTHONPATH := $(CURDIR)

# The paper's recordings, or the name of an import. A profile with a data set's name belongs to it;
# the paper's recordings have the profile default, other imports words.
DATASET ?= fingerspelling
KIND := $(if $(filter fingerspelling,$(DATASET)),default,words)
PROFILE ?= $(if $(wildcard notebooks/params/$(DATASET).yaml),$(DATASET),$(KIND))
RUN := $(PY) notebooks/run.py $(PROFILE) --dataset $(DATASET)
REPORT := $(PY) -m jointprune.paper.report --dataset $(DATASET)

.PHONY: help env data reproduce test newer smoke figures numbers check publish models transfer lab book bench course torture clean

help: ## list the goals (the default)
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# A lock makes a second make wait until the first has built the environment, where there are locks.
env: ## make .venv from requirements.txt, again only when it or the folder changed
ifneq ($(CONDA_READY),yes)
	@set -e; built_from() { pwd -P; cat requirements.txt pyproject.toml; }; \
	ready() { built_from | cmp -s - .venv/built-from && test -x $(PY); }; \
	if ready; then exit 0; fi; \
	command -v $(PYTHON) >/dev/null || { \
	  echo "expected Python 3.11 as $(PYTHON), got none: install it, or run make PYTHON=..." >&2; \
	  exit 1; }; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	  echo "expected Python 3.11, got $$($(PYTHON) --version 2>&1): give its command, make PYTHON=..." >&2; \
	  exit 1; }; \
	mkdir -p build; exec 9>> build/environment.lock; \
	$(PYTHON) -c "import fcntl; fcntl.flock(9, fcntl.LOCK_EX)" 2>/dev/null || true; \
	if ready; then exit 0; fi; \
	echo "Making .venv from requirements.txt (minutes the first time)"; \
	rm -f .venv/built-from; \
	$(PYTHON) -m venv --clear .venv; \
	$(PY) -m pip install $(QUIET) -r requirements.txt; \
	$(PY) -m pip install $(QUIET) --no-deps --no-build-isolation -e .; \
	built_from > .venv/built-from
endif

data: env ## fetch the recordings (96 MB, checked by hash) and prepare the data set
	@$(PY) -m jointprune.data fetch fingerspelling

reproduce: $(if $(filter fingerspelling,$(DATASET)),data,env) ## the five notebooks, figures and numbers (of an import: DATASET=NAME)
	@$(RUN)
	@$(REPORT) --show

# Each process takes whole files, in the order of tests/conftest.py. Threads of their own would
# wait for each other on the same cores.
test: data ## ruff and pytest in two processes, with the five notebooks in the smoke profile
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# uv, because pip took over a quarter of an hour to choose among all versions. Libraries newer than
# the lock may warn of what they will change: only in the lock's environment are warnings errors.
newer: data ## the package's own tests with the newest libraries on another Python, NEWER=python3.13
	@$(NEWER) -m venv --clear build/newer
	@build/newer/bin/python -m pip install $(QUIET) uv
	@build/newer/bin/uv pip install --quiet --python build/newer/bin/python -e '.[paper,dev,bert,book,cluster,export]'
	@OMP_NUM_THREADS=1 build/newer/bin/python -m pytest -n 2 --dist loadfile -m 'not slow' \
	  -o filterwarnings=default --disable-warnings

# Its trainings are shorter than the start of worker processes, which import torch first.
smoke: data ## the five notebooks, tiny, writing only under build/smoke
	@OMP_NUM_THREADS=1 LOKY_MAX_CPU_COUNT=1 $(PY) notebooks/run.py smoke

figures: env ## draw figures and write numbers from data/results, without training
	@$(RUN) --only 05
	@$(REPORT) --show

numbers: env ## write numbers.tex, claims, joints.json and the README's results from data/results
	@$(REPORT)

check: env ## compare fresh results with the published ones
	@$(REPORT) --check
	@$(PY) -m jointprune.paper.models --check

publish: env ## make the current results the published ones
	@$(REPORT) --publish

models: env ## train, test and export the models of data/models
	@$(PY) -m jointprune.paper.models

transfer: env ## test each data set's joints on the other data sets that have results
	@$(PY) -m jointprune.paper.transfer

# The environment's own kernel: other folders may hold another one called python3.
lab: env ## open JupyterLab on the notebooks
	@JUPYTER_PATH= JUPYTER_PREFER_ENV_PATH=1 $(PY) -m jupyterlab notebooks

book: env ## build a static site of the executed notebooks, build/book/index.html
	@$(PY) notebooks/book.py --dataset $(DATASET)

bench: data ## speed and memory as ratios to a peer, to the machine's own limit, and at AUTSL's size
	@$(PY) benchmarks/bench.py

course: data ## prune other people's classifiers, as examples/ do, and measure it (70 minutes)
	@$(PY) benchmarks/course.py

torture: data ## kill smoke runs, fill disks and damage files: is anything lost? (16 minutes)
	@$(PY) benchmarks/torture

clean: ## remove build/ and caches; with RUNS=yes the trained runs too
	@rm -rf build .pytest_cache .ruff_cache $(if $(filter yes,$(RUNS)),data/runs)
	@find jointprune notebooks tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
