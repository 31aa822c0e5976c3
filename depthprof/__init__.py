"""depthprof: which stage of a depth model got slower, by how much, and how surely.

The public names are loaded when first used, so that `import depthprof` costs next to nothing and
the judging side never loads torch.
"""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from depthprof.api import calibrate, compare, load_model, load_pipeline, profile
    from depthprof.errors import DepthprofError
    from depthprof.records import Calibration, Policy, Result, Run, Workload
    from depthprof.report.folder import write as write_report
    from depthprof.report.frames import samples_frame, to_frame
    from depthprof.report.summary import summary
    from depthprof.storage.run_files import read_run
    from depthprof.verdict.decision import judge

_HOMES = {
    "Calibration": "depthprof.records",
    "DepthprofError": "depthprof.errors",
    "Result": "depthprof.records",
    "Policy": "depthprof.records",
    "Run": "depthprof.records",
    "Workload": "depthprof.records",
    "calibrate": "depthprof.api",
    "compare": "depthprof.api",
    "judge": "depthprof.verdict.decision",
    "load_model": "depthprof.api",
    "load_pipeline": "depthprof.api",
    "profile": "depthprof.api",
    "read_run": "depthprof.storage.run_files",
    "samples_frame": "depthprof.report.frames",
    "to_frame": "depthprof.report.frames",
    "summary": "depthprof.report.summary",
    "write_report": "depthprof.report.folder:write",
}

_FORMER = {"Judged": "Result"}
"""Names of an earlier release, which this one still takes."""

__all__ = [
    "Calibration",
    "DepthprofError",
    "Policy",
    "Result",
    "Run",
    "Workload",
    "calibrate",
    "compare",
    "judge",
    "load_model",
    "load_pipeline",
    "profile",
    "read_run",
    "samples_frame",
    "summary",
    "to_frame",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _FORMER:
        former, name = name, _FORMER[name]
        warnings.warn(f"{former} is now {name}", DeprecationWarning, stacklevel=2)
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'depthprof' has no attribute {name!r}")
    module, _, attribute = home.partition(":")
    found = getattr(import_module(module), attribute or name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
