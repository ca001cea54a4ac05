# Two commands: `make run` starts the portal, `make test` checks it. `make help` lists the rest.

RUN = .venv/bin/python
DEV = .venv-dev/bin/python
TRAIN = .venv-train/bin/python
OUT ?= runs/main

.PHONY: help run test test-faults audit bench train lint lock screenshots translations
.DELETE_ON_ERROR:

help:
	@echo "make run          start the portal (HOST, PORT, DATA_DIR, DATABASE_URL, REDIS_URL)"
	@echo "make test         the suite without its long runs; what the machine lacks is skipped with its reason"
	@echo "make test-faults  the full-size fault and abuse runs (long)"
	@echo "make audit        known weaknesses in the pinned requirements"
	@echo "make bench        the benchmarks, each against a named alternative"
	@echo "make train        train the model (DATA, OUT; ARGS, such as --manifests SPLIT for photographs of your own)"
	@echo "make lint         style and formatting"
	@echo "make lock         pin the requirements again, with hashes"
	@echo "make screenshots  take the pictures in docs/screenshots again"
	@echo "make translations collect the texts to translate and compile the catalogues"

run: .venv/installed
	@exec $(RUN) -m ops

test: .venv-dev/installed
	@$(DEV) -m pytest -m "not long" -n logical --maxprocesses 4 $(ARGS)

test-faults: .venv-dev/installed
	@$(DEV) -m pytest tests/faults tests/abuse $(ARGS)

audit: .venv-dev/installed
	@$(DEV) -m ops.audit

bench: .venv-dev/installed
	@$(DEV) -m benchmarks

train: .venv-train/installed
	@test -n "$(DATA)" || { echo 'Name the folder of the photographs: make train DATA=DIR' >&2; exit 2; }
	@$(TRAIN) -m ml.train --data $(DATA) --out $(OUT) $(ARGS)

lint: .venv-dev/installed
	@$(DEV) -m ruff check .
	@$(DEV) -m ruff format --check .

screenshots: .venv-dev/installed
	@$(DEV) docs/screenshots.py

translations: .venv-dev/installed
	@$(DEV) -m ops.translations

# --- environments: made again only when their requirements change -----------------------------------------------

export PYTHON

.venv/installed: requirements.txt
	@ops/make-venv .venv $<

.venv-dev/installed: requirements-dev.txt
	@ops/make-venv .venv-dev $<

.venv-train/installed: requirements-train.txt
	@ops/make-venv .venv-train $<

LOCK = $(DEV) -m piptools compile --quiet --generate-hashes --strip-extras --allow-unsafe \
	--no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

lock: .venv-dev/installed
	$(LOCK) -o requirements.txt requirements.in
	$(LOCK) -o requirements-dev.txt requirements-dev.in
	$(LOCK) -o requirements-train.txt requirements-train.in
