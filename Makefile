# Every chore is one command here, and CI calls the same ones. Nothing has to be installed before: what is missing is fetched, visibly.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
CCXT   := .venv-ccxt
NATIVE := $(wildcard src/pricewire/_native/*.[ch])
PAGE   := src/pricewire/server/page/index.html
NPM    := npm --prefix web
# Python compiles what it imports, when it does: to compile all of SciPy at once takes half of the installation's time. So what it has
# compiled is kept, whatever the environment says: the tests start hundreds of processes, of which each would compile it all anew.
unexport PYTHONDONTWRITEBYTECODE
PIP    := $(BIN)/python -m pip install --disable-pip-version-check --no-compile
# For the oldest Python that we promise, and with markers where a newer Python or another system needs another version.
PIN    := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11.0 --custom-compile-command "make pins"

# npm keeps what it fetched in the home directory, which not every account can write to.
ifeq ($(shell test -w "$$HOME" || echo no),no)
export npm_config_cache := $(CURDIR)/.npm-cache
endif

.PHONY: run test test-python test-failed test-gateways test-languages test-ccxt test-web prepare matrix bench peers fuzz soak chaos churn churn-tabs many-topics verify-repeat kill lint format docs dist pins clean
.DEFAULT_GOAL := run

# Both halves of the installation wait for a registry most of the time, so they wait together.
run:  ## serve Pricewire with its trading page on http://127.0.0.1:8080; options by ARGS="--port 9000"
	@$(MAKE) --no-print-directory --jobs 2 $(VENV)/run $(PAGE)
	$(BIN)/pricewire serve $(ARGS)

test: test-web test-python  ## run every test; one part by PYTEST="tests/hub -k lag"

test-python: prepare
	$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder $(PYTEST)

test-failed:  ## run again those that have failed, one after the other; the first that fails again ends it
	$(BIN)/pytest --last-failed --last-failed-no-failures none --exitfirst

test-gateways: $(VENV)/dev  ## run the tests of streams, trading and the client with their servers behind two gateways each
	$(BIN)/pytest --gateways --numprocesses 3 --dist loadfile tests/client tests/server/routes $(PYTEST)

test-languages: $(VENV)/dev  ## run the programs of the documentation in all languages, also those that take long to compile
	$(BIN)/pytest --languages tests/docs/test_publishing.py $(PYTEST)

test-ccxt: $(CCXT)/dev  ## run the tests of exchanges, which need versions of their own: ccxt asks for exact ones
	$(CCXT)/bin/pytest tests/market/feeds/test_ccxt.py $(PYTEST)

test-web: web/node_modules/.dev
	$(NPM) test

prepare: $(VENV)/dev web/dist/pricewire.js $(PAGE) .system-packages  ## install and build what the tests need

matrix:  ## run `make run` and `make test` on every kind of machine that this one can show; some of them by ARGS="user random"
	$(PYTHON) tests/matrix.py $(ARGS)

bench: $(VENV)/dev  ## measure; prints a table and writes bench/results/*.json; options by ARGS="fanout --quick"
	$(BIN)/python -m bench $(ARGS)

# websockets and sse-starlette came with the environment. Centrifugo is built, which takes minutes; who has a `mercure` puts it on the PATH.
peers: $(VENV)/dev  ## install the servers that the benchmarks compare with, as far as they can be had here
	-tests/install-system-packages nginx ngx_nchan_module.so caddy
	@command -v go > /dev/null || echo "Centrifugo is left out: Go 1.26 or newer is needed to build it."
	! command -v go > /dev/null || GOBIN=$(CURDIR)/.peers go install github.com/centrifugal/centrifugo/v6@v6.9.1

fuzz: $(VENV)/fuzz web/dist/pricewire.js  ## feed hostile inputs to all that reads any, a minute each; options by ARGS="http --runs 1000000"
	$(BIN)/python -m fuzz $(ARGS)

soak: $(VENV)/dev  ## an hour of well-behaved readers among hostile ones; shorter by ARGS="--minutes 2"
	$(BIN)/python -m soak $(ARGS)

chaos: $(VENV)/dev  ## an hour of faults among servers, gateways and NATS; shorter by ARGS="--minutes 2"
	$(BIN)/python -m soak.chaos $(ARGS)

churn: $(VENV)/dev  ## an hour of subscribers that join and leave over a network that cuts and loses; shorter by ARGS="--minutes 2"
	$(BIN)/python -m soak.churn $(ARGS)

kill: $(VENV)/dev  ## kill and stop a trading server until 10,000 contracts are settled; fewer by ARGS="--contracts 100"
	$(BIN)/python -m soak.kill $(ARGS)

many-topics: $(VENV)/dev  ## ten minutes of one client with 250 topics at twenty times their rate; shorter by ARGS="--minutes 2"
	$(BIN)/python -m soak.many_topics $(ARGS)

verify-repeat: prepare  ## have `pricewire verify` judge real servers, proxies and bad lines twenty times; more by ARGS="--verify-times 100"
	$(BIN)/pytest tests/verify/test_real_servers.py tests/verify/test_bad_lines.py --verify-times 20 --timeout 0 $(ARGS)

churn-tabs: prepare  ## an hour of five tabs that are closed, crash, are blocked, hidden and frozen; shorter by ARGS="--churn-minutes 5"
	$(BIN)/pytest tests/browsers/test_churn.py --churn-minutes 60 --timeout 0 $(ARGS)

lint: $(VENV)/dev web/node_modules/.dev  ## check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(NPM) run lint

format: $(VENV)/dev web/node_modules/.dev  ## bring the code into its form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(NPM) run format

docs: $(VENV)/dev  ## build the documentation into site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

dist: $(VENV)/dev web/node_modules/.dev $(PAGE)  ## build the wheel, the source archive and the browser package into dist/, and check them
	rm -rf dist && mkdir dist
	$(BIN)/uv build --quiet --sdist --wheel --out-dir dist
	cd web && npm pack --pack-destination ../dist && npm run check:package
	$(BIN)/twine check --strict dist/*.whl dist/*.tar.gz
	npm publish --dry-run ./dist/pricewire-*.tgz
	$(BIN)/pytest tests/packages --packages dist

pins: $(VENV)/dev  ## renew the pinned versions of requirements*.txt from pyproject.toml
	$(PIN) --extra server --extra cli -o requirements.txt pyproject.toml
	$(PIN) --extra all --extra dev -c requirements.txt -o requirements-dev.txt pyproject.toml
	$(PIN) --extra all --extra ccxt --extra dev -o requirements-ccxt.txt pyproject.toml
	$(PIN) --extra all --extra fuzz -c requirements-dev.txt -o requirements-fuzz.txt pyproject.toml

clean:  ## remove everything that the other commands made
	rm -rf $(VENV) $(CCXT) .npm-cache .system-packages .mypy_cache .pytest_cache .ruff_cache .hypothesis site dist bench/results .fuzz .peers
	rm -rf web/node_modules web/dist src/pricewire/server/page src/pricewire/_native/core.*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name it by PYTHON=…"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || tests/install-system-packages "$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
	$(PYTHON) -m venv --clear $(VENV)

# The first line of each recipe removes a stamp that an interrupted installation might leave behind.
$(VENV)/run: requirements.txt pyproject.toml hatch_build.py $(NATIVE) | $(BIN)/python
	@rm -f $@
	$(PIP) -r requirements.txt
	$(PIP) --no-deps --editable .
	@touch $@

$(VENV)/dev: requirements-dev.txt $(VENV)/run
	@rm -f $@
	$(PIP) -r requirements-dev.txt
	@touch $@

$(CCXT)/dev: requirements-ccxt.txt pyproject.toml | $(BIN)/python
	rm -rf $(CCXT)
	$(PYTHON) -m venv $(CCXT)
	$(CCXT)/bin/python -m pip install --disable-pip-version-check --no-compile -r requirements-ccxt.txt
	$(CCXT)/bin/python -m pip install --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/fuzz: requirements-fuzz.txt $(VENV)/dev
	@rm -f $@
	$(PIP) -r requirements-fuzz.txt
	@touch $@

WEB_PACKAGES := web/package.json web/page/package.json web/package-lock.json

web/node_modules/.page: $(WEB_PACKAGES)
	@command -v npm > /dev/null || { echo "Node 20 or newer with npm is needed to build the trading page."; exit 1; }
	$(NPM) ci --omit=dev --no-audit --no-fund
	@touch $@

web/node_modules/.dev: $(WEB_PACKAGES)
	@command -v npm > /dev/null || { echo "Node 20 or newer with npm is needed to build and test the browser client."; exit 1; }
	$(NPM) ci --no-audit --no-fund
	@touch web/node_modules/.page $@

WEB_SOURCES := $(shell find web/src web/page -type f 2> /dev/null) web/vite.config.ts

# What was installed for the tests does for the page as well: so its stamp counts only where it is missing.
$(PAGE): $(WEB_PACKAGES) $(WEB_SOURCES) | web/node_modules/.page
	$(NPM) run build:page
	@touch $@

web/dist/pricewire.js: $(WEB_SOURCES) web/node_modules/.dev
	$(NPM) run build:lib
	@touch $@

# The browsers, the other clients, and the database that tests talk to. A machine without apt-get is expected to have them.
.system-packages: tests/install-system-packages
	tests/install-system-packages
	@touch $@
