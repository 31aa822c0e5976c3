"""One torch thread in every test: the machine is shared. Runs are kept away from our own."""

import os
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

STORE = tempfile.TemporaryDirectory(prefix="depthprof-")  # gone when the tests end
os.environ["DEPTHPROF_STORE"] = str(Path(STORE.name) / "store.db")

pytest_plugins = ["pytester"]
