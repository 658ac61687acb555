# Everything a newcomer needs: `make demo` runs the main job, `make test` the tests. Both install first.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEMO   := demo
JOBS   ?= 2

.PHONY: install demo test check fmt bench clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

# The main job on photographs that come inside scikit-image and scikit-learn; goes on where it stood.
demo: install
	$(BIN)/provenance generate --out $(DEMO)/corpus --resume
	$(BIN)/provenance audit $(DEMO)/corpus
	$(BIN)/provenance train-detector $(DEMO)/corpus --out $(DEMO)/models --resume
	$(BIN)/python -m provenance.testing.inbox $(DEMO)/corpus $(DEMO)/inbox
	$(BIN)/provenance scan $(DEMO)/inbox --models $(DEMO)/models --report $(DEMO)/report.html
	@echo
	@echo "Corpus          $(CURDIR)/$(DEMO)/corpus"
	@echo "Contact sheets  $(CURDIR)/$(DEMO)/corpus/sheets"
	@echo "Generators      $(CURDIR)/$(DEMO)/corpus/generators"
	@echo "Detectors       $(CURDIR)/$(DEMO)/models"
	@echo "Scanned folder  $(CURDIR)/$(DEMO)/inbox"
	@echo "Report          $(CURDIR)/$(DEMO)/report.html"

test: install
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -q

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install
	$(BIN)/python -m pytest tests/benchmarks -q -s -p no:xdist
	$(BIN)/python tests/benchmarks/credentials.py
	$(BIN)/python tests/benchmarks/corpora.py

clean:
	rm -rf $(VENV) $(DEMO) build dist .mypy_cache .ruff_cache .pytest_cache
