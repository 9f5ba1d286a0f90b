# Each target sets up what it needs in .venv; Python 3.11 or later is all that must be there.
PYTHON ?= python3
BIN := .venv/bin
UV := uv==0.13.8
# What a person names reaches a command through the environment, where no shell reads it as code.
export PAGES NAME KIND
# One worker a core; a page stays whole in one worker. WORKERS=0 runs in one process.
WORKERS ?= $(shell "$(PYTHON)" -c "import os; print(min(4, os.cpu_count() or 1))")

.PHONY: help setup lock book test lint outputs page pages serve lab coverage weather sections seeds bench verification test-gpu clean

# $(call environment,FOLDER,LOCK): the packages of a lock, each checked against its hashes. The book
# itself has none: it is installed alone, and built by the setuptools of the lock.
define environment
	@echo "Setting up $(1) (once): the packages of $(2)"
	@test -x $(1)/bin/python || "$(PYTHON)" -m venv $(1)
	@$(1)/bin/python -m pip install --quiet --disable-pip-version-check $(UV)
	@$(1)/bin/uv pip sync --require-hashes --python $(1)/bin/python $(2)
	@$(1)/bin/uv pip install --quiet --no-deps --no-build-isolation --python $(1)/bin/python -e .
	@touch $(1)/ready
endef

help:  ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' $(MAKEFILE_LIST) | expand -t 24

setup: .venv/ready

.venv/ready: requirements.lock pyproject.toml
	$(call environment,.venv,$<)

.venv-gpu/ready: requirements-gpu.lock pyproject.toml
	$(call environment,.venv-gpu,$<)

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-package knotes

lock: setup  ## resolve the packages again, after a change of a version
	@$(COMPILE) requirements-dev.txt -o requirements.lock
	@$(COMPILE) requirements-gpu.txt -o requirements-gpu.lock

book: setup  ## build the site into _build/html; every warning is an error
	@mkdir -p _build && rm -f _build/.built && touch _build/.started
	@$(BIN)/jupyter-book build . --all -W -n --keep-going
	@mv _build/.started _build/.built  # tests use this site while nothing it is made from is newer
	@echo "Open _build/html/index.html"

# These run in kernels and in their server, whose environment is known and lets no measuring in.
IN_KERNELS := knotes/pipeline/kernels/i*.py,knotes/pipeline/kernels/server.py,knotes/pipeline/reseed.py

test: setup  ## every test, and every page run again and compared with what it stores
	@$(BIN)/python -m pytest tests --cov --cov-report= -q -n "$(WORKERS)"
	@$(BIN)/coverage report --omit="knotes/pipeline/*" --fail-under=100
	@$(BIN)/coverage report --include="knotes/pipeline/*" --omit="$(IN_KERNELS)" --fail-under=96
	@$(BIN)/python -m pytest --nbval book -q -n "$(WORKERS)"

lint: setup  ## ruff and mypy over code, tests and the cells of the pages
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m knotes.pipeline.lint

outputs: setup  ## run changed pages (or PAGES=…) and store their outputs
	@$(BIN)/python -m knotes.pipeline.record $$PAGES

page: setup  ## scaffold a page: NAME=book/layers/foo KIND=layer
	@$(BIN)/python -m knotes.pipeline.scaffold "$$NAME" "$$KIND"

pages: setup  ## how much each page asks of its reader (PAGES=…): lines, cells, figures, …
	@$(BIN)/python -m knotes.pipeline.contract $$PAGES

serve: setup  ## live preview: changed pages are run, the site is rebuilt
	@$(BIN)/jupyter-book build . && echo "http://localhost:8000/book/index.html" \
	&& trap 'kill 0' EXIT INT TERM \
	&& { $(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html 8000 & } \
	&& $(BIN)/watchfiles --filter all "sh -c '$(BIN)/python -m knotes.pipeline.record; $(BIN)/jupyter-book build .'" \
		book _static _config.yml _toc.yml

lab: setup  ## JupyterLab on the notebooks
	@$(BIN)/jupyter lab --notebook-dir=book

coverage: setup  ## which of Keras' public API the pages exercise (ACCEPT=1 saves a fall)
	@$(BIN)/python -m knotes.pipeline.api $(if $(ACCEPT),--accept) $$PAGES

weather: setup  ## compare in other rounding environments (PAGES=…, ONLY=noise, TURN=1, RECORD=cpu)
	@$(BIN)/python -m knotes.pipeline.weather --workers "$(WORKERS)" $(foreach name,$(ONLY),--only "$(name)") \
		$(if $(TURN),--turn) $(if $(RECORD),--record "$(RECORD)") $$PAGES

sections: setup  ## run each section of pages (PAGES=…) alone, after the import cell
	@$(BIN)/python -m knotes.pipeline.alone $$PAGES

seeds: setup  ## run pages (PAGES=…) with other seeds: which assertions fail
	@$(BIN)/python -m knotes.pipeline.seeds $$PAGES

bench: setup  ## plain nbval and this project's runs, side by side, on twelve pages
	@$(BIN)/python -m knotes.pipeline.bench $$PAGES

verification: setup  ## compare the whole book and record what was verified (RECORD=NAME), for the site
	@$(BIN)/python -m pytest --nbval book -q -n "$(WORKERS)" --verification-record "$(or $(RECORD),cpu)"

test-gpu: .venv-gpu/ready  ## the comparison on a machine with an NVIDIA GPU, in an environment of its own
	@CUDA_VISIBLE_DEVICES=0 .venv-gpu/bin/python -m pytest --nbval book -q --verification-record gpu

clean:  ## remove what was built; keeps .venv
	@rm -rf _build .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
