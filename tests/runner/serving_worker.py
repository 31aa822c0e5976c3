"""A worker that serves as the real ones do, without torch. Run as a process."""

import sys
from typing import Any

from depthprof.runner.process import serve


def echo(command: dict[str, Any]) -> dict[str, Any]:
    print("printed: ± 深 \udcff", command["text"])
    print("printed: ± 深 \udcff", command["text"], file=sys.stderr)
    return {"text": command["text"]}


def fault(command: dict[str, Any]) -> dict[str, Any]:
    print("before it")
    return {"text": command["no such word"]}


if __name__ == "__main__":
    serve({"echo": echo, "fault": fault})
