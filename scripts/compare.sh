#!/usr/bin/env bash
# The main job, set-up included: compares V1 with V2 and leaves a report under reports/.
# Arguments replace the default ones: scripts/compare.sh v1 v2@fp16 --model base
# Exit code 1 means that V2 is slower in some stage: the comparison worked.
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
if [ "$#" -eq 0 ]; then
    set -- v1 v2 --model small
fi
exec "$VENV_PYTHON" -m depthprof compare "$@"
