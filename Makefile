VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= python3

.PHONY: demo test lint browser bench docs clean

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[train,tune,map,raw,serve,dev]'
	touch $@

demo: $(VENV)/.installed          ## train, judge, index and search the sample, in a few minutes
	$(BIN)/lookalike demo

test: lint                        ## everything that must hold
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

browser:                          ## Debian's Chromium, for the tests that open pages; where it cannot be had, they are skipped
	@command -v chromium chromium-browser google-chrome >/dev/null || \
	{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || \
	echo "no Chromium: the tests that open pages are skipped"

bench: $(VENV)/.installed         ## the figures of benchmarks/README.md, measured anew
	$(BIN)/python -m benchmarks

docs: $(VENV)/.installed          ## run every code block of README and docs, and draw README's picture anew
	$(BIN)/python tools/draw_readme_picture.py
	$(BIN)/python -m pytest tests/test_docs.py

clean:
	rm -rf $(VENV) runs .mypy_cache .ruff_cache .pytest_cache
