# Every target sets up what it needs: Python 3.11 or later, pip, make and a C compiler are enough.
#   make PYTHON=/path/to/python3.12 test     another interpreter
#   make demo ARGS="--accounts 2000"         arguments for the command
#   make test ARGS="tests/book -k ledger"    arguments for pytest
WORKERS ?= 2
ARGS ?=
BIN := .venv/bin
LOCK_FLAGS := --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-config
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help demo serve page wheel test lint format matrix bench docs lock clean setup-runtime setup-dev

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 12

demo: setup-runtime ## a venue live on its page: no data, no network (ARGS=--terminal: here)
	@$(BIN)/steelyard demo $(ARGS)

serve: setup-runtime ## the API and the page over an engine (ARGS=venue.toml)
	@$(BIN)/steelyard serve $(ARGS)

page: setup-dev ## check, test and build the page
	@$(BIN)/python -m tools.page --test
	@$(BIN)/python -m tools.page

wheel: setup-dev ## build the wheel, try it without Node and compiler
	@$(BIN)/python -m tools.wheel

test: setup-dev ## every test
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

lint: setup-dev ## style, types, the dependency rule, the specs matrix
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/matrix.py --check

format: setup-dev ## put the layout right
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

matrix: setup-dev ## write specs/matrix.md anew
	$(BIN)/python tools/matrix.py

bench: setup-dev ## every figure, as ratios, with machine, commit and date
	@$(BIN)/python -m bench.run $(ARGS)

docs: setup-dev ## the pages, in docs/_build/html
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "docs: open docs/_build/html/index.html"

lock: setup-dev ## resolve anew, hashed, without hosts (ARGS=--upgrade for newer versions)
	$(BIN)/uv pip compile $(LOCK_FLAGS) $(ARGS) --group setup -o requirements-uv.lock
	$(BIN)/uv pip compile $(LOCK_FLAGS) $(ARGS) --group page -o requirements-page.lock
	$(BIN)/uv pip compile $(LOCK_FLAGS) $(ARGS) --group build --extra plots --extra feeds --extra service \
		pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile $(LOCK_FLAGS) $(ARGS) --group build --extra plots --extra feeds --extra service \
		--group dev --group bench --group docs -c requirements.lock pyproject.toml -o requirements-dev.lock

clean: ## remove what was built, .venv included
	rm -rf .venv build dist docs/_build .mypy_cache .ruff_cache .hypothesis .pytest_cache .import_linter_cache
	find src tests bench tools -name __pycache__ -type d -prune -exec rm -rf {} +

setup-runtime:
	@tools/setup.sh runtime

setup-dev:
	@tools/setup.sh dev
