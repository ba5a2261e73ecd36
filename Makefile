# `make help` says what there is. Everything runs in .venv, which `make setup` makes from the lock files.

PYTHON ?= python3
BIN := .venv/bin
# Where `make run` serves the hub and the sandbox LMS.
port ?= 8080
sandbox_port ?= 8090
# Tests: how many processes, which ones (k=launch), and anything else for pytest (args="-x --lf").
workers ?= 2
k ?=
args ?=

# Versions and hashes for every platform and Python >= 3.11; no address of an index.
LOCK = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
       --no-annotate --quiet --custom-compile-command "make lock" $(if $(upgrade),--upgrade)

.DEFAULT_GOAL := help
.PHONY: help setup runtime run demo test check lint types imports dependencies security \
        translations peers rehearsal bench benchreplay benchlrs endurance conformance lock audit clean

help: ## Say what there is
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "make %-13s %s\n", $$1, $$2 }'

setup: ## Make .venv for development: everything in the lock, checked by its hash
	@$(PYTHON) scripts/bootstrap.py dev

runtime: ## Make .venv with what the hub needs to run, without tests and checks
	@$(PYTHON) scripts/bootstrap.py runtime

run: runtime ## Start the hub with demo data, its worker and a sandbox LMS; port=8081 where 8080 is taken; Ctrl-C ends it
	@exec $(BIN)/wkmb demo --serve --port $(port) --sandbox-port $(sandbox_port)

demo: runtime ## Do the main job unattended, print each step, name the recognized JP
	@exec $(BIN)/wkmb demo

test: setup ## Run the tests on both databases; k=launch selects, args= goes to pytest
	$(BIN)/pytest -n $(workers) --dist worksteal $(if $(k),-k "$(k)") $(args)

check: lint types imports dependencies security peers ## Everything that continuous integration asks for, tests last
	WKMB_TEST_REQUIRE=postgresql,chromium,node,peers $(MAKE) --no-print-directory test

peers: setup ## Install the learning systems of others that tests meet, each in its own folder (needs npm)
	@for lock in tests/peers/*/package-lock.json; do \
	  folder=$$(dirname "$$lock"); \
	  [ "$$folder/node_modules/.package-lock.json" -nt "$$lock" ] || npm ci --silent --prefix "$$folder" || exit 1; \
	done
	@for lock in tests/peers/*/requirements.txt; do \
	  environment=$$(dirname "$$lock")/.venv; \
	  [ "$$environment/installed" -nt "$$lock" ] && continue; \
	  $(BIN)/uv venv --quiet --clear --python $(BIN)/python "$$environment" && \
	  $(BIN)/uv pip install --quiet --python "$$environment" --require-hashes --only-binary :all: -r "$$lock" && \
	  touch "$$environment/installed" || exit 1; \
	done

rehearsal: runtime ## Carry out the Dockerfile without a container engine (downloads the locked packages)
	$(PYTHON) scripts/rehearse_image.py

bench: setup ## Measure, on both databases, how long an accepted statement takes to become visible JP
	@$(BIN)/python tests/bench/visible.py

benchreplay: setup ## Measure replays and recomputations; PEOPLE=100000 is the measurement of docs/performance.md
	@$(BIN)/python tests/bench/replay.py --people $(or $(PEOPLE),2000) $(args)

benchlrs: setup ## Measure the LRS against an empty Flask view on both databases, up to 1,000,000 statements; args= for less
	@$(BIN)/python tests/bench/run.py $(args)

endurance: setup ## Kill the server 50 times, and follow 4 processes of 8 writers for two minutes, on both databases
	WKMB_TEST_ENDURANCE=full $(BIN)/pytest tests/integration/test_endurance.py -s $(args)

conformance: setup ## Judge the LRS by ADL's suite in SUITE=DIR (a clone with npm install run in it), for both versions
	@$(BIN)/python tests/conformance/run.py "$(SUITE)" $(args)

translations: setup ## Collect every sentence of the pages into hub/translations, for translating
	$(BIN)/python scripts/collect_translations.py
	$(BIN)/python scripts/build_backend.py

lint: setup ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## Check types (mypy, strict)
	$(BIN)/mypy

imports: setup ## Check which package may import which
	$(BIN)/lint-imports --no-cache

dependencies: setup ## Check that what is imported is declared, and what is declared is imported
	$(BIN)/deptry .

security: setup ## Look for dangerous calls
	$(BIN)/bandit --quiet --recursive -ll --configfile pyproject.toml hub connectors lrs mappings scripts

lock: setup ## Write the lock files again; upgrade=1 takes the newest versions, else only what must change does
	$(LOCK) pyproject.toml --output-file requirements/runtime.txt
	$(LOCK) pyproject.toml --group dev --constraint requirements/runtime.txt --output-file requirements/dev.txt
	$(LOCK) --group build --constraint requirements/dev.txt --output-file requirements/build.txt

audit: setup ## Ask the advisory service about every locked version (needs the internet)
	$(BIN)/uv tool run pip-audit==2.10.1 --require-hashes --disable-pip --requirement requirements/dev.txt

clean: ## Remove what can be made again; data in ./var stay
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
