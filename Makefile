# Two commands: `make demo` shows it working, `make test` proves it. The environment is .venv in this folder.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
BIN := .venv/bin
.DEFAULT_GOAL := help

.PHONY: help demo test soak lint format clean

help:
	@echo "make demo    the whole thing on this machine, on a small synthetic archive, into demo/"
	@echo "make test    the tests"
	@echo "make soak    the longer ones, on real data in VADRAY_TEST_DATA, and hours of faults, kept in soak/"
	@echo "make lint    ruff and mypy"
	@echo "make format  ruff format"
	@echo "make clean   remove .venv, demo/ and soak/"

$(BIN)/python:
	@"$(PYTHON)" -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f"expected Python 3.11 to 3.13, received {v[0]}.{v[1]} at {sys.executable}; say make PYTHON=...")'
	"$(PYTHON)" -m venv .venv

# compiled once: TensorFlow imports three times slower where it is not
.venv/.package: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	-$(BIN)/python -m compileall -q .venv/lib > /dev/null 2>&1
	@touch $@

.venv/.test: .venv/.package
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

demo: .venv/.package
	$(BIN)/vadray demo --out demo

# two processes: while Ray starts a worker, the tests without it run; pytest-xdist 3.8 does not group under pytest 9.2
test: .venv/.test
	@log=$$(mktemp); $(BIN)/python -m pytest -m "ray and not soak" --durations=20 > $$log 2>&1 & with_ray=$$!; \
	trap "kill $$with_ray 2> /dev/null; rm -f $$log" EXIT; \
	$(BIN)/python -m pytest -m "not ray and not soak" --durations=20; status=$$?; \
	echo "waiting for the tests that need Ray"; wait $$with_ray || status=$$?; cat $$log; exit $$status

soak: .venv/.test
	$(BIN)/python -m pytest -m soak
	$(BIN)/python -m tests.faults.soak --out soak --sweeps 13 --scoring 15
	rm -rf soak/fuzz
	$(BIN)/python -m tests.faults.fuzz --out soak/fuzz --files 1000

lint: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv demo soak
