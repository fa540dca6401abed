# The tasks of this project. `make help` lists them.

PYTHON      ?= python3
WORKERS     ?= 2
# Further arguments of `pose3d reproduce`, of JupyterLab and of pytest, such as ARGS="--help" or ARGS="-k metrics".
ARGS        ?=
# On Linux the package index gives PyTorch with CUDA (several GB). For the CPU build:
#   make reproduce TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=

VENV := .venv
BIN  := $(VENV)/bin
PIP  := $(BIN)/python -m pip
INSTALL := $(PIP) install --quiet --constraint constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
PYTEST := $(BIN)/python -m pytest
REFERENCE := $(BIN)/python benchmarks/reference.py
# Cell ids stay: numbered anew, every cell after an inserted one would change.
NBSTRIPOUT := $(BIN)/nbstripout --keep-id --extra-keys "metadata.papermill cell.metadata.papermill metadata.language_info metadata.widgets"

.DEFAULT_GOAL := help
.PHONY: help install install-browser reproduce paper paper-more reference figures ready-model ready-measured lab bench bench-reference simulation test test-slow test-all test-oldest test-chaos test-slurm fuzz lint format lock clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

# A .venv works if it was made in this folder (not copied or moved here) and its Python and pip still run; any other,
# a half-made one included, counts as not installed and is made again.
VENV_WORKS := grep -qsF '$(CURDIR)/$(VENV)' $(VENV)/pyvenv.cfg && \
  $(BIN)/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
ifneq ($(shell $(VENV_WORKS) && echo yes),yes)
$(shell rm -f $(VENV)/.installed $(VENV)/.installed-browser)
endif

install: $(VENV)/.installed  ## make .venv with the versions of constraints.txt (every other target does it when needed)

install-browser: $(VENV)/.installed-browser  ## the same with playwright, MediaPipe and ONNX, for more tests

# Each check stops with what is missing and what to do.
$(VENV)/.installed: pyproject.toml constraints.txt
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { \
	  echo "make: no '$(PYTHON)' on this machine. Install Python 3.11 or newer (https://www.python.org/downloads/," >&2; \
	  echo "      or 'conda create -n py311 python=3.11' and activate it), or name one: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: '$(PYTHON)' is $$("$(PYTHON)" --version 2>&1), and Python 3.11 or newer is needed." >&2; \
	  echo "      Name a newer one: make PYTHON=python3.11 ..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "make: '$(PYTHON)' cannot make virtual environments: its module venv or ensurepip is missing." >&2; \
	  echo "      On Debian and Ubuntu: sudo apt-get install python3-venv. Or name another: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@{ $(VENV_WORKS); } || { rm -rf $(VENV) && "$(PYTHON)" -m venv $(VENV); }
	@echo "Installing into $(VENV): some GB, which takes a minute or more"
	$(INSTALL) --editable '.[test]'
	@touch $@

$(VENV)/.installed-browser: $(VENV)/.installed
	$(INSTALL) --editable '.[dev]'
	@touch $@

reproduce: $(VENV)/.installed  ## run the whole paper: data, every training run, tables and figures (ARGS="..." for options)
	$(BIN)/pose3d reproduce $(ARGS)

paper: $(VENV)/.installed  ## every claim of the paper with its uncertainty: hours of runs; stopped, it resumes
	$(BIN)/pose3d reproduce -p study paper $(ARGS)

paper-more: $(VENV)/.installed  ## the same, and the questions beyond the paper
	$(BIN)/pose3d reproduce -p study more $(ARGS)

# Real motion is in POSE3D_DATA, or is skipped. docs/data.md ("The studies on real motion") says why these parameters.
DATA := $(or $(POSE3D_DATA),data)
REAL := -p lengths 1,8 -p timed 0 -p seeds 0,1,2
BANDAI_NAMCO := $(REAL) -p one_camera true -p batch_size 512
CMU := $(REAL) -p fps 60 -p batch_size 128 -p leave_out train/DirectingTraffic/directing_traffic_1,$\
train/Walking/walking_extra_22,train/Walking/walking_extra_23,train/Walking/walking_extra_24,$\
train/Walking/walking_extra_25,train/Walking/walking_extra_26,train/Walking/walking_extra_27,$\
train/Walking/walking_extra_49,train/Walking/walking_extra_50
# of the reference's name, a dataset within POSE3D_DATA, parameters
define real-motion
@if [ -e "$(DATA)/$(2)" ]; then $(REFERENCE) study $(1) -p dataset $(2) $(3); else \
  echo "Skipped: the study $(1), as there is no $(DATA)/$(2). docs/data.md (The studies on real motion) says how to get it"; fi
endef

reference: $(VENV)/.installed  ## make every study of outputs/reference/, and write it and the tables of the documents
	$(REFERENCE) study quick --notebooks
	$(REFERENCE) study paper -p study more
	$(call real-motion,bandai-namco-2,bandai-namco-2,$(BANDAI_NAMCO))
	$(call real-motion,cmu,cmu_mocap_17joints.npz,$(CMU))
	$(REFERENCE) scarcity

figures: $(VENV)/.installed  ## redraw every table and figure of outputs/reference/ from its observations, without training
	$(REFERENCE) redraw

ready-model: $(VENV)/.installed  ## train the models that come along with CMU's motion of POSE3D_DATA (docs/ready.md); stopped, it resumes
	$(BIN)/python benchmarks/ready_models.py train

ready-measured: $(VENV)/.installed  ## measure them on motion that they never saw, and write the table of docs/ready.md
	$(BIN)/python benchmarks/ready_models.py measure

lab: $(VENV)/.installed  ## open the notebooks in JupyterLab (as root: ARGS=--allow-root)
	$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/notebooks $(ARGS)

bench: $(VENV)/.installed  ## measure what the project promises of speed and memory, as ratios to the promises
	@for file in benchmarks/bench_*.py; do $(BIN)/python $$file || exit 1; done

bench-reference: bench  ## bench, then write docs/performance/ and the tables of docs/performance.md
	$(BIN)/python benchmarks/write_reference.py

simulation: $(VENV)/.installed  ## simulate studies whose truth is known, and write the tables of docs/statistics.md
	$(BIN)/python benchmarks/simulate_studies.py

# One thread for each worker: further ones would wait for the other's core.
test: lint  ## lint, then every test but the slow ones and those that drive a browser (ARGS="-k name" for some)
	OMP_NUM_THREADS=1 $(PYTEST) -n $(WORKERS) --dist loadfile $(ARGS)

test-slow: $(VENV)/.installed-browser  ## only the slow tests and those that drive a browser
	$(PYTEST) -n $(WORKERS) --dist loadfile -m "slow or browser" $(ARGS)

test-all: test  ## every test: those of `make test`, then those of `make test-slow`
	@$(MAKE) --no-print-directory test-slow

# The lower bounds of pyproject.toml, in an environment of its own. It downloads PyTorch again. Old versions give
# deprecation warnings, so they are not errors here.
test-oldest:  ## the default tests with the oldest versions that pyproject.toml allows
	"$(PYTHON)" -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet uv
	.venv-oldest/bin/uv pip install --quiet --no-config --python .venv-oldest/bin/python --resolution lowest-direct \
	  $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) --editable '.[test]'
	.venv-oldest/bin/python -m pytest -n $(WORKERS) --dist loadfile -o filterwarnings=default $(ARGS)

fuzz: $(VENV)/.installed  ## change files at random for some minutes, and read them (POSE3D_FUZZ_EXAMPLES=20000 of each kind)
	POSE3D_FUZZ_EXAMPLES=$${POSE3D_FUZZ_EXAMPLES:-20000} $(PYTEST) -k "mutation or changed_anywhere" $(ARGS) \
	  tests/data/test_untrusted_pickles.py tests/data/test_bvh_file.py

test-chaos: $(VENV)/.installed  ## kill processes of sweeps at random for minutes (some 10 minutes)
	$(PYTEST) -m chaos $(ARGS)

# Needs root and Debian's packages slurmctld, slurmd, slurm-client and munge.
test-slurm: $(VENV)/.installed  ## the same runs as jobs of a SLURM cluster of one node, which is made for it and removed again
	$(PYTEST) -m slurm $(ARGS)

lint: $(VENV)/.installed  ## ruff on code and notebooks, the floors of pose3d_lib, and no outputs in committed notebooks
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(NBSTRIPOUT) --verify notebooks/*.ipynb

format: $(VENV)/.installed  ## put code and notebooks into the form that `make lint` asks for
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(NBSTRIPOUT) notebooks/*.ipynb

# CUDA packages come and go with the platform's PyTorch, which pins them itself.
lock: $(VENV)/.installed  ## choose the newest versions that pyproject.toml allows and write them to constraints.txt
	$(PIP) install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --all-extras \
	  --no-header --no-annotate --no-emit-index-url --upgrade --output-file $(VENV)/uv.txt pyproject.toml
	@echo '# What was tried, for every platform and Python from 3.11 on. Made by: make lock' > $(VENV)/constraints.txt
	@grep -Ev '^(nvidia|cuda|triton)' $(VENV)/uv.txt >> $(VENV)/constraints.txt
	@mv $(VENV)/constraints.txt constraints.txt

clean:  ## remove .venv and caches; outputs/ stays
	rm -rf $(VENV) build dist .hypothesis .pytest_cache .ruff_cache .import_linter_cache
	find pose3d_lib tests notebooks -name __pycache__ -prune -exec rm -rf {} + -o -name .ipynb_checkpoints -prune -exec rm -rf {} +
