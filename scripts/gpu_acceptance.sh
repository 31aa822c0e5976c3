#!/usr/bin/env bash
# Every check of the project that needs a GPU, in one command and under nine minutes:
#     scripts/gpu_acceptance.sh [FOLDER] [--device cuda:N] [--quick]
# Uses PYTHON (default python3) as it is and installs nothing. Output goes to FOLDER (reports/<gpu name>):
# a README.md that says what passed, summary.json, a text and a JSON file a check, plots, and the
# raw runs in one archive. It goes on after a failed check; exit code 1 says that one failed.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-python3}" -m scripts.gpu_acceptance "$@"
