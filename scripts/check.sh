#!/usr/bin/env bash
# Passes the tests, set-up included: style, types, then the suite.
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
"$VENV_PYTHON" -m ruff format --check .
"$VENV_PYTHON" -m ruff check .
"$VENV_PYTHON" -m mypy
"$VENV_PYTHON" -m pytest -n 2 --dist loadfile "$@"
