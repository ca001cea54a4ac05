# Two commands: `make run` starts the portal, `make test` checks it. `make help` lists the rest.

# The newest Python of 3.11 or later; name another with PYTHON=/path/to/python3.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3.14 python3,$(shell command -v $(name))))
RUN = .venv/bin/python
DEV = .venv-dev/bin/python
TRAIN = .venv-train/bin/python
DATA ?= ../shared/ham10000
OUT ?= runs/main

.PHONY: help run test test-faults bench train lint lock screenshots translations
.DELETE_ON_ERROR:

help:
	@echo "make run          start the portal (HOST, PORT, DATA_DIR, DATABASE_URL, REDIS_URL)"
	@echo "make test         the whole suite; what the machine lacks is skipped with its reason"
	@echo "make test-faults  the full-size fault and abuse runs (long)"
	@echo "make bench        the benchmarks, each against a named alternative"
	@echo "make train        train the model (DATA, OUT)"
	@echo "make lint         style and formatting"
	@echo "make lock         pin the requirements again, with hashes"
	@echo "make screenshots  take the pictures in docs/screenshots again"
	@echo "make translations collect the texts to translate and compile the catalogues"

run: .venv/installed
	@exec $(RUN) -m ops

test: .venv-dev/installed
	@$(DEV) -m pytest -m "not long" $(ARGS)

test-faults: .venv-dev/installed
	@$(DEV) -m pytest tests/faults tests/abuse $(ARGS)

bench: .venv-dev/installed
	@$(DEV) -m benchmarks

train: .venv-train/installed
	@$(TRAIN) -m ml.train --data $(DATA) --out $(OUT) $(ARGS)

lint: .venv-dev/installed
	@$(DEV) -m ruff check .
	@$(DEV) -m ruff format --check .

screenshots: .venv-dev/installed
	@$(DEV) docs/screenshots.py

translations: .venv-dev/installed
	@$(DEV) -m ops.translations

# --- environments: made again only when their requirements change -----------------------------------------------

.venv/installed: requirements.txt
	@$(call install,.venv,$<)

.venv-dev/installed: requirements-dev.txt
	@$(call install,.venv-dev,$<)

.venv-train/installed: requirements-train.txt
	@$(call install,.venv-train,$<)

define install
test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and none was found. Install it, or name one: make PYTHON=/path/to/python3" >&2; exit 1; }; \
"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "Python 3.11 or newer is needed; $(PYTHON) is older or does not run. Name another: make PYTHON=/path/to/python3" >&2; exit 1; }; \
"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) lacks the venv module (Debian: apt-get install python3-venv)." >&2; exit 1; }; \
echo "Installing $(2) into $(1); this takes about a minute."; \
"$(PYTHON)" -m venv --clear $(1) && \
$(1)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(2) && \
touch $(1)/installed
endef

LOCK = $(DEV) -m piptools compile --quiet --generate-hashes --strip-extras --allow-unsafe \
	--no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

lock: .venv-dev/installed
	$(LOCK) -o requirements.txt requirements.in
	$(LOCK) -o requirements-dev.txt requirements-dev.in
	$(LOCK) -o requirements-train.txt requirements-train.in
