#!/usr/bin/env bash
# The main job, set-up included: compares V1 with V2 and leaves a report under reports/.
# Without arguments the verdict does not fail it: exit code 0 means that the comparison worked.
# Arguments replace the default ones: scripts/compare.sh v1 v2@fp16 --model base
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
if [ "$#" -eq 0 ]; then
    set -- v1 v2 --model small --fail-on never
fi
exec "$VENV_PYTHON" -m depthprof compare "$@"
