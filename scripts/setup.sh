# Makes the virtual environment .venv and installs depthprof into it. Sourced by the other scripts.
# It installs again only when pyproject.toml has changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python_for_venv() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "depthprof needs Python 3.11 or later; set PYTHON to one, such as PYTHON=/usr/bin/python3.12" >&2
    exit 2
}

VENV_PYTHON="$PWD/.venv/bin/python"
STAMP="$(cksum pyproject.toml scripts/setup.sh)"
if [ ! -x "$VENV_PYTHON" ] || [ "$(cat .venv/installed 2>/dev/null)" != "$STAMP" ]; then
    PYTHON_FOUND="$(python_for_venv)"
    echo "setting up .venv (once; torch is large)" >&2
    "$PYTHON_FOUND" -m venv --clear .venv || {
        echo "no virtual environment could be made; on Debian: apt-get install python3-venv" >&2
        exit 2
    }
    "$VENV_PYTHON" -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
    echo "$STAMP" > .venv/installed
fi
