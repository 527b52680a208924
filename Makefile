# Every target sets up what it needs from a plain python3 with its venv and pip.
# Set PYTHON to choose the interpreter, PYTEST_ARGS to pass options to pytest.

PYTHON ?= python3
VENV ?= .venv
OTHERS ?= 3.12 3.13
PYTEST_ARGS ?=

# What Python compiles is kept, whatever the environment says: tests are compiled with great care, and
# start many programs.
unexport PYTHONDONTWRITEBYTECODE

PY = $(VENV)/bin/python
PIP = $(PY) -m pip --quiet --disable-pip-version-check
PYTEST = $(PY) -m pytest -q $(PYTEST_ARGS)
# Tests without network and processes do not disturb each other, so all cores may run them.
PARALLEL = -n auto --dist worksteal
# These start no process: all that is printed is printed by Python. To look for it in descriptors, three
# times a test, would take a fifth of the time.
FAST := $(PARALLEL) --capture=sys -m "not integration"
# The others may be run by all cores as well, if each file stays in one: its servers and programs do.
BY_FILES = -n auto --dist loadfile --no-loadscope-reorder

NIGHTLY = examples repeat bench fuzz hostile soak

.DEFAULT_GOAL := help
.PHONY: help demo test test-this test-others fast documented check lint types format docs man pictures changes dist promises bench bench-quick budgets environments environment-this nightly $(addprefix nightly-,$(NIGHTLY)) nightly-autobahn autobahn pins clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 14

demo: $(VENV)/.runtime ## Start the demonstration and print its address
	$(PY) -m examples.demo

test: test-this test-others ## Whole suite here; all but tests/integration on the other Pythons

test-this: $(VENV)/.peers
	$(PYTEST) $(FAST)
	$(PYTEST) $(BY_FILES) -m integration

test-others: $(addprefix test-on-,$(OTHERS))

test-on-%:
	@scripts/test-on $* $(PYTEST_ARGS)

fast: $(VENV)/.dev ## Only the tests that need no network, no time and no process
	$(PYTEST) $(FAST)

documented: $(VENV)/.dev ## What the manual documents
	$(PYTEST) -m documented

check: lint types docs test ## All that must be well before a change is submitted

lint: $(VENV)/.dev ## Rules and format
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

format: $(VENV)/.dev ## Mend what can be mended by itself
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

types: $(VENV)/.dev ## mypy --strict
	$(VENV)/bin/mypy

docs: $(VENV)/.docs ## Make the documentation site, build/docs/html
	$(PY) -m scripts.build_site

pictures: $(VENV)/.runtime ## Draw the pictures of the pages that have changed; needs graphviz
	$(PY) -m scripts.pictures

man: $(VENV)/.runtime ## Write the pages of commands, docs/man/circuits-*, from their parsers
	$(PY) scripts/manpages.py

changes: $(VENV)/.dev ## Show what CHANGES.md will say; RELEASE=2.2.0 writes it and removes the fragments
	$(PY) -m towncrier build $(if $(RELEASE),--yes --version $(RELEASE),--draft)

DIST ?= dist

dist: $(VENV)/.dev .venv-release/.ready ## Build sdist and wheel twice, compare, and look at what would be uploaded
	scripts/dist $(DIST)
	.venv-release/bin/python -m twine check --strict $(DIST)/circuits-*

promises: $(VENV)/.runtime ## Write the figures of docs/promises.md from the reports in build/nightly
	$(PY) scripts/promises.py

RIVALS = .venv-bench/old/.ready .venv-bench/peers/.ready

bench: $(VENV)/.peers $(if $(BASE),,$(RIVALS)) ## Compare with others, or with BASE=commit (BENCH="kernel http ..." BENCH_ARGS=...)
	$(PY) -m benchmarks $(if $(BASE),--base $(BASE)) $(if $(BASE)$(BENCH),,--page docs/benchmarks) $(BENCH_ARGS) $(BENCH)

bench-quick: $(VENV)/.peers $(RIVALS) ## The rows that tell most, in under five minutes
	$(PY) -m benchmarks --quick $(BENCH_ARGS)

budgets: $(VENV)/.runtime ## Count anew what the hot paths take, on every Python that is here
	$(PY) -m tests.hot_paths --record
	@for version in $(OTHERS); do \
	    python=$$(scripts/find-python $$version); \
	    [ -z "$$python" ] || PYTHONPATH=src "$$python" -m tests.hot_paths --record || exit 1; \
	done

nightly: $(addprefix nightly-,$(NIGHTLY)) ## What takes long; each part has 40 minutes, and a report in build/nightly

nightly-examples: $(VENV)/.peers ## Every property and model, with many more generated examples
	scripts/nightly examples env HYPOTHESIS_PROFILE=nightly $(PYTEST) $(PARALLEL) -m "hypothesis or nightly"

# The tests that need nobody else many times over, and everything a few times.
nightly-repeat: $(VENV)/.peers ## The suite again and again, in random order (ROUNDS=20, WHOLE=3)
	scripts/nightly repeat bash -ec 'for round in $$(seq $${ROUNDS:-20}); do \
	    $(PYTEST) $(FAST) --shuffle $$round; done; \
	    for round in $$(seq $${WHOLE:-3}); do $(PYTEST) $(BY_FILES) --shuffle $$round -m integration; done'

nightly-bench: $(VENV)/.peers $(RIVALS) ## Every comparison
	scripts/nightly bench $(MAKE) --no-print-directory bench

# Fourteen codecs, two at a time: 28 minutes.
nightly-fuzz: $(VENV)/.peers ## Every codec against broken input and other people's (SECONDS=240 a codec, FUZZ="irc --seed 1")
	scripts/nightly fuzz $(PY) -m tests.fuzz --seconds $(or $(SECONDS),240) --jobs 2 $(FUZZ)

nightly-hostile: $(VENV)/.peers ## 200 hostile clients before every server (HOSTILE="http --clients 50")
	scripts/nightly hostile $(PY) -m tests.nightly.hostile $(HOSTILE)

nightly-soak: $(VENV)/.peers ## Everything at once in one process, and whether it grows (SOAK_SECONDS=1800)
	scripts/nightly soak $(PY) -m tests.nightly.soak --seconds $(or $(SOAK_SECONDS),1800)

AUTOBAHN = $(PY) -m tests.nightly.autobahn .venv-autobahn/env/bin/wstest

# Some 25 minutes of a processor and a half.
nightly-autobahn: $(VENV)/.dev .venv-autobahn/.ready ## The Autobahn suite, all 517 cases, against our WebSockets; needs Python 2.7
	scripts/nightly autobahn $(AUTOBAHN) --all $(AUTOBAHN_ARGS)

autobahn: $(VENV)/.dev .venv-autobahn/.ready ## The same without the cases of compression: a minute
	timeout --kill-after=10 600 $(AUTOBAHN) $(AUTOBAHN_ARGS)

pins: ## Choose the newest versions of the development tools
	scripts/pins

clean: ## Remove environments, caches and builds
	rm -rf .venv .venv-* build dist docs/reference .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# -- environments: a stamp each, made anew when the pins or the metadata change --

# All that `make check` needs, at once; what goes into one environment goes there step by step.
environments:
	@$(MAKE) --no-print-directory -j4 environment-this .venv-release/.ready $(addprefix environment-,$(OTHERS))

environment-this:
	@$(MAKE) --no-print-directory $(VENV)/.docs
	@$(MAKE) --no-print-directory $(VENV)/.peers

environment-%:
	@python=$$(scripts/find-python $*); [ -z "$$python" ] || \
	    $(MAKE) --no-print-directory VENV=.venv-$* PYTHON="$$python" .venv-$*/.dev

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "circuits needs Python 3.11 or later; $(PYTHON) is %d.%d: set PYTHON" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)

# The build backend comes from our pins too, hence no build isolation.
$(VENV)/.runtime: requirements/build.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) install --require-hashes -r requirements/build.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

# What integration tests run beside us.
$(VENV)/.peers: requirements/peers.txt $(VENV)/.dev
	$(PIP) install --require-hashes -r requirements/peers.txt
	@touch $@

# What the site is made with. The pages run what tests run, so the reference can import it all.
$(VENV)/.docs: requirements/docs.txt $(VENV)/.dev
	$(PIP) install --require-hashes -r requirements/docs.txt
	@touch $@

.venv-release/.ready: requirements/release.txt
	$(PYTHON) -m venv .venv-release
	.venv-release/bin/python -m pip --quiet --disable-pip-version-check install --require-hashes -r $<
	@touch $@

.venv-bench/old/.ready: requirements/bench-old.txt
.venv-bench/peers/.ready: requirements/bench.txt
.venv-bench/%/.ready:
	$(PYTHON) -m venv .venv-bench/$*
	.venv-bench/$*/bin/python -m pip --quiet --disable-pip-version-check install --require-hashes -r $<
	@touch $@

# Without the module venv, which Python 2.7 does not have.
.venv-autobahn/.ready: requirements/autobahn.txt
	@rm -rf .venv-autobahn
	@python=$$(scripts/find-python 2.7); \
	    [ -n "$$python" ] || { echo "the Autobahn suite needs Python 2.7" >&2; exit 1; }; \
	    "$$python" -m pip --quiet --disable-pip-version-check install --target .venv-autobahn/tool "virtualenv<20.22" && \
	    PYTHONPATH=.venv-autobahn/tool "$$python" -m virtualenv --quiet .venv-autobahn/env
	.venv-autobahn/env/bin/pip --quiet --disable-pip-version-check install -r $<
	@touch $@
