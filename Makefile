# The same commands by hand and in CI. Needs Rust (rustup) and Python 3.11 or newer; everything else goes into .venv.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
# Tests run on this many processes; a suite that forks and measures memory wants no more than there are cores.
JOBS   ?= $(shell nproc 2>/dev/null || echo 2)
NEON   := aarch64-unknown-linux-musl

# maturin and cargo must see our environment, not whichever one is active.
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
unexport PYTHONHOME CONDA_PREFIX

.DEFAULT_GOAL := help
.PHONY: help venv build release wheel demo test test-rust test-python test-neon bench peak instructions instructions-update lint fmt docs stubs stubs-check clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# --- setting up -------------------------------------------------------------------------------------------------------

# Installs the run-time dependency, the extras in $(1), and maturin: all as pyproject.toml names them.
define install
	$(BIN)/python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb')); \
	x = p['project']['optional-dependencies']; \
	print('\n'.join(p['project']['dependencies'] + p['build-system']['requires'] + [d for e in '$(1)'.split() for d in x[e]]))" \
	> $(VENV)/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(VENV)/requirements.txt
endef

$(BIN)/python:
	$(PYTHON) -c "import sys; assert sys.version_info >= (3, 11), 'Retrograd needs Python 3.11 or newer; say make PYTHON=...'"
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml | $(BIN)/python
	$(call install,)
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(call install,dev)
	@touch $@

$(VENV)/.bench: pyproject.toml | $(BIN)/python
	$(call install,bench)
	@touch $@

venv: $(VENV)/.dev ## the local environment with everything needed to work on Retrograd

# --- building ---------------------------------------------------------------------------------------------------------

build: $(VENV)/.dev ## build and install in place, quick to compile (profile dev)
	$(BIN)/maturin develop --quiet

release: $(VENV)/.run ## build and install in place, optimised
	$(BIN)/maturin develop --quiet --release

wheel: $(VENV)/.run ## the wheel as published (fat LTO: slow), in dist/
	$(BIN)/maturin build --profile wheel --out dist

# --- the main job -----------------------------------------------------------------------------------------------------

demo: release ## train a network that reads handwritten digits
	$(BIN)/python -m retrograd demo

# --- tests ------------------------------------------------------------------------------------------------------------

test: test-rust test-python ## everything, at every SIMD level of this machine

test-rust: build
	@set -e; for level in $$($(BIN)/python -c 'import retrograd; print(*retrograd.simd_levels())'); do \
		echo "== cargo test, RETROGRAD_SIMD=$$level"; \
		RETROGRAD_SIMD=$$level cargo test --quiet -p retrograd-kernels -p retrograd-engine; done

test-python: build
	@set -e; for level in $$($(BIN)/python -c 'import retrograd; print(*retrograd.simd_levels())'); do \
		echo "== pytest, RETROGRAD_SIMD=$$level"; \
		RETROGRAD_SIMD=$$level $(PYTEST) -q -n $(JOBS); done

test-neon: ## the kernels on emulated ARM (needs qemu-user-static and the Rust target; .ci/run installs both)
	CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld \
	CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUSTFLAGS="-C linker-flavor=ld.lld -C link-self-contained=yes" \
	CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUNNER=qemu-aarch64-static \
	RETROGRAD_SIMD=neon cargo test --quiet -p retrograd-kernels --target $(NEON)

bench: release peak $(VENV)/.bench ## speed, as ratios measured in one run; BENCH="gemm --quick" for a part
	$(BIN)/python -m benches $(BENCH)

peak: ## the programs that measure the machine's limits and the thread pool, for the benchmarks
	cargo build --quiet --release -p retrograd-kernels --example peak --example pool

instructions: release ## instruction counts of small operations, compared with benches/instructions.json (needs valgrind)
	$(BIN)/python -m benches.instructions

instructions-update: release ## counts them and writes them to benches/instructions.json
	$(BIN)/python -m benches.instructions --update

# --- checks -----------------------------------------------------------------------------------------------------------

lint: build ## formatting, warnings, types, stubs: what CI insists on
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(MAKE) --no-print-directory stubs-check

fmt: $(VENV)/.dev ## put everything into its format
	cargo fmt --all
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format

define generate-stubs
	@rm -rf target/stubs
	$(BIN)/maturin generate-stubs --quiet --features stubs --manifest-path rust/python/Cargo.toml --out target/stubs
	$(BIN)/python tools/stubs.py target/stubs/retrograd/_core.pyi $(1)
endef

stubs: $(VENV)/.dev ## write python/retrograd/_core.pyi from the Rust part
	$(call generate-stubs,python/retrograd/_core.pyi)

stubs-check: $(VENV)/.dev
	$(call generate-stubs,target/stubs/finished.pyi)
	@diff -u python/retrograd/_core.pyi target/stubs/finished.pyi || { echo "_core.pyi has drifted: run make stubs"; exit 1; }

docs: build ## the Rust documentation, and every Python example in docs/ and docstrings run
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --no-deps --document-private-items
	$(PYTEST) -q tests/test_docs.py

clean:
	rm -rf target dist $(VENV) .pytest_cache .mypy_cache .ruff_cache
