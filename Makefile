# `make` alone lists what there is. ARGS goes through: make test ARGS="-k sandbox", make lab ARGS=--no-browser.
# PYTHON names the interpreter to use: make lab PYTHON=python3.12
.DEFAULT_GOAL := help
.PHONY: help lab run notebooks lint test bench sdk clean
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
LEARNER := .venv/.learner
CONTRIBUTOR := .venv/.contributor
# Asked, not looked up: a shim of a version manager is there even where uv is not.
UV := $(shell uv --version 2>/dev/null)
PYTHON ?= $(if $(UV),'>=3.11',python3)
INSTALL := $(if $(UV),uv pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet)
BASH_SCRIPTS := .ci/run tools/docker-engine tools/test-needs binder/postBuild binder/start $(addprefix tests/binder/,check learner)
PYTHON_SCRIPTS := tools/with-engine tests/images/build $(addprefix tests/binder/,pod serves solved transcript)

help:
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 12

lab: $(LEARNER) ## open the workbook in JupyterLab
	@$(BIN)/python tools/build_notebooks.py
	@$(BIN)/voldemo lab $(ARGS)

run: $(LEARNER) ## run every notebook on your engine, into html/
	@$(BIN)/python tools/build_notebooks.py
	@$(BIN)/voldemo run $(ARGS)

notebooks: $(CONTRIBUTOR) ## build notebooks/en and notebooks/ko from notebooks/source
	$(BIN)/python tools/build_notebooks.py

lint: $(CONTRIBUTOR) ## check style, stale notebooks and the shell scripts
	$(BIN)/ruff check . $(PYTHON_SCRIPTS)
	$(BIN)/ruff format --check voldemo tests tools $(PYTHON_SCRIPTS)
	$(BIN)/python tools/build_notebooks.py --check
	for script in $(BASH_SCRIPTS); do bash -n $$script || exit; done

test: $(CONTRIBUTOR) ## run the tests on a private Docker engine, or on the one DOCKER_HOST names
	@tools/test-needs
	tools/with-engine -- $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

bench: $(CONTRIBUTOR) ## compare speed and memory of a private Docker engine and the embedded one
	@tools/with-engine sid -- sh -c 'DOCKERD=$$DOCKER_HOST exec tools/with-engine embedded -- $(BIN)/python tools/bench.py $(ARGS)'

sdk: $(CONTRIBUTOR) ## run the docker SDK's own integration tests on a private Docker engine and the embedded one
	@tools/with-engine sid -- $(BIN)/python tests/engine/sdk_own.py --throwaway

clean: ## remove what make made
	rm -rf .venv .cache .pytest_cache .ruff_cache build html *.egg-info
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

$(LEARNER): requirements.txt pyproject.toml | $(BIN)/python
	$(INSTALL) -r requirements.txt
	$(INSTALL) --no-deps -e .
	@touch $@

$(CONTRIBUTOR): requirements-dev.txt $(LEARNER)
	$(INSTALL) -r requirements-dev.txt
	@touch $@

# Whether this Python will do, uv says itself (and fetches one if it must).
$(BIN)/python:
	@$(if $(UV),true,$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null) || \
		{ echo "voldemo needs Python 3.11 or newer: install it, or name it with PYTHON=python3.11."; exit 1; }
	@$(if $(UV),true,$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null) || \
		{ echo "Python's venv module is missing: install python3-venv (Debian, Ubuntu), or uv."; exit 1; }
	rm -rf .venv
	$(if $(UV),uv venv --quiet --python $(PYTHON),$(PYTHON) -m venv) .venv
