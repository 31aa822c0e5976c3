#!/usr/bin/env bash
# Every check of the project that needs a GPU, in one command: scripts/gpu_acceptance.sh [FOLDER]
# Uses PYTHON (default python3) as it is and installs nothing; results go to FOLDER. It goes on after
# a failed check and says at the end what failed.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PYTHON="${PYTHON:-python3}"
FOLDER="${1:-reports/gpu}"
mkdir -p "$FOLDER"
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
failed=()

check() {
    local name="$1" allowed="$2"
    shift 2
    echo "== $name"
    timeout 150 "$@" 2>&1 | tee "$FOLDER/$name.txt"
    local code="${PIPESTATUS[0]}"
    [[ " $allowed " == *" $code "* ]] || failed+=("$name (exit code $code)")
}

compare() { # the exit codes 0, 1 and 3 are verdicts; 2 and others are failures
    local name="$1"
    shift
    check "$name" "0 1 3" "$PYTHON" -m depthprof compare "$@" --device cuda --out "$FOLDER" --json "$FOLDER/$name.json"
}

"$PYTHON" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || {
    echo "torch finds no usable GPU here; nothing was checked" >&2
    exit 2
}
nvidia-smi > "$FOLDER/nvidia-smi.txt" 2>&1
check tests-cuda "0" "$PYTHON" -m pytest -q tests/test_cuda.py
check doctor "0 3" "$PYTHON" -m depthprof doctor --device cuda
check limits "0" "$PYTHON" -m depthprof limits --device cuda --fresh
check figures "0 1" "$PYTHON" -m scripts.figures --quick
compare small-image v1 v2 --model small --budget 20
compare small-depth v1 v2 --model small --product depth --budget 20
compare small-same v1 v1 --model small --budget 20
compare small-fp16 v2 v2@fp16,sdpa --model small --budget 15
compare small-batch v2 v2@batch=8 --model small --fixed-size --budget 15
check suites "0" "$PYTHON" -m pytest suites/ -p depthprof.pytest_plugin --depth-device cuda \
    --depth-budget 10 --benchmark-json "$FOLDER/suites.json"

if [ "${#failed[@]}" -gt 0 ]; then
    printf 'failed: %s\n' "${failed[@]}" | tee "$FOLDER/failed.txt"
    exit 1
fi
echo "every GPU check passed; results in $FOLDER"
