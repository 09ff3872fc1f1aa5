# Everything works in .venv/, which these targets make and keep current.
#
#   make run [ARGS=--once]   the demo: daemon, simulated table, broker, tablet page
#   make test                every test, the browser and real-broker ones included
#   make check               format, lint, types, architecture
#   make docs                the pages that are made from the code, anew
#   make fuzz [SEEDS=200]    the host against the board, for more seeds than every test run has
#   make bench               what the figures of the design are now, written to bench.json
#   make world               the whole system in virtual time, with faults, for twenty seeds
#   make mutants             the searches to their end, and every mutant that they must catch
#   make lock                requirements/*.txt anew
#   make clean               away with all that these targets made

export PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PAGE   := droptable/api/page/modules/.fetched
# Hash-checked, and from nowhere but the locks.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOCKED  := $(INSTALL) --require-hashes

.DELETE_ON_ERROR:
.PHONY: run test check docs bench fuzz world mutants lock clean

run: $(VENV)/.run $(PAGE)
	@tools/need --wish mosquitto
	@exec $(BIN)/droptable demo $(ARGS)

# Tests that measure time or drive a browser have the machine to themselves, after the others, and
# run even when those failed. A run of all tests ends with the proof of every hazard's controls.
test: $(VENV)/.dev $(PAGE)
	@tools/need mosquitto chromium
	@rm -rf build/outcomes
	$(BIN)/python -m pytest -m "not serial" -n auto --outcomes build/outcomes/1.json $(ARGS); \
	side_by_side=$$?; \
	$(BIN)/python -m pytest -m serial --outcomes build/outcomes/2.json $(ARGS); alone=$$?; \
	$(if $(strip $(ARGS)),,$(BIN)/python -m tools.hazards_check build/outcomes/*.json &&) \
	test $$side_by_side$$alone = 00

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -q tests/test_house.py

docs: $(VENV)/.dev
	$(BIN)/python -m tools.docs

bench: $(VENV)/.dev $(PAGE)
	@tools/need mosquitto chromium
	$(BIN)/python -m tests.bench $(ARGS)

fuzz: $(VENV)/.dev
	FUZZ_SEEDS=$(or $(SEEDS),200) $(BIN)/python -m pytest tests/fuzz -n auto $(ARGS)

world: $(VENV)/.run
	$(BIN)/droptable-sim world --seeds 20 --hours 0.5 $(ARGS)

mutants: $(VENV)/.dev
	$(BIN)/python -m tests.search $(ARGS)

$(BIN)/python:
	@tools/need python3-venv
	$(PYTHON) -m venv --clear $(VENV)

# What the demo needs, a broker for where Debian's mosquitto cannot be had included.
$(VENV)/.run: requirements/run.txt pyproject.toml | $(BIN)/python
	$(LOCKED) -r requirements/run.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

# A superset of the above, so that both are current after it.
$(VENV)/.dev: requirements/dev.txt requirements/run.txt pyproject.toml | $(BIN)/python
	$(LOCKED) -r requirements/dev.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $(VENV)/.run $@

# The page's own modules come from npm and are never committed.
$(PAGE): tools/page-modules package.json package-lock.json .npmrc
	@tools/need npm
	@tools/page-modules
	@touch $@

# uv resolves for every platform and Python at once; it has a place of its own, since nothing else
# needs it. A lock holds names, versions and hashes, and never the address of a registry.
UV   := $(VENV)/lock/bin/uv
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header --no-emit-index-url --no-emit-find-links --upgrade \
	pyproject.toml requirements/build.in

lock: | $(BIN)/python
	$(BIN)/python -m venv $(VENV)/lock
	$(VENV)/lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(LOCK) requirements/dev.in --extra demo --extra gpio --output-file requirements/dev.txt
	$(LOCK) --extra demo --constraint requirements/dev.txt --output-file requirements/run.txt
	$(LOCK) --extra gpio --constraint requirements/dev.txt --output-file requirements/gpio.txt

clean:
	rm -rf $(VENV) build dist mutants test-results droptable/api/page/modules bench.json \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
