# Nine verbs. `make` lists them; CI calls nothing else.
.DEFAULT_GOAL := help
.PHONY: help up stop test check fmt lock generate bench
BIN := .venv/bin
export PYTHON

define NEXT
"" "What next:" \
"  .venv/bin/wbx get                          everything, with its state (apps with their URL)" \
"  .venv/bin/wbx why Experiment/species       why one thing is as it is" \
"  .venv/bin/wbx logs RunnerJob/ingest        what a run printed" \
"  .venv/bin/wbx db psql                      the ops schema, in SQL" \
"  edit a file in ssot/, then .venv/bin/wbx plan ssot/ and .venv/bin/wbx apply ssot/" \
"  make stop                                  end what is running; the data stays"
endef

help:  ## list the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up:  ## make ssot/ real on this machine and show it
	@.ci/venv runtime
	@$(BIN)/wbx up --once; status=$$?; printf '%s\n' $(NEXT); exit $$status

stop:  ## end what `make up` left running (the data stays)
	@.ci/venv runtime
	@$(BIN)/wbx up --stop

test:  ## run every test; lists what this machine cannot run (ARGS="-k planner" narrows)
	@.ci/venv dev
	@$(BIN)/python -m compileall -q controller
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --durations=25 --randomly-seed=20261125 $(ARGS)

check:  ## lint, format, types, layers, spelling, migrations, generated files, locked requirements
	@.ci/venv dev
	$(BIN)/lint-imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/python -m workbenchx.api.emit --check
	$(BIN)/python -m workbenchx.console.emit --check
	$(BIN)/python .ci/reference.py --check
	$(BIN)/python .ci/manifests.py --check
	.ci/migrations
	.ci/lock --check

fmt:  ## format, and fix what can be fixed
	@.ci/venv dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generate:  ## write crds/, schemas/, controller/REFERENCE.md and the schema's snapshot from the code
	@.ci/venv dev
	$(BIN)/python -m workbenchx.api.emit
	$(BIN)/python -m workbenchx.console.emit
	$(BIN)/python .ci/reference.py
	$(BIN)/python .ci/manifests.py
	$(BIN)/python tests/support/store_snapshot.py

lock:  ## lock requirements/ from pyproject.toml
	@.ci/venv dev
	@.ci/lock

bench:  ## measure against the peers; writes tests/bench/RESULTS.md (ARGS=plan narrows)
	@.ci/venv bench
	@$(BIN)/python tests/bench/run.py $(ARGS)
