"""A worker without torch whose sides do what their variant's name says. Run as a process.

"ms:5" takes 5 ms a forward; "print" besides prints on standard output as a user's code may;
"exit@3", "kill@3", "hang@3", "raise@3", "memory@3" do that at the third block; "@load" at loading,
"@observe" when it is to be looked at, "@limits" when the limits are asked for. "shares@3" refuses
to share its process. "threads:2" says that 2 threads of torch and 3 of OpenCV were in force.
"""

import json
import os
import signal
import sys
import time
from dataclasses import asdict
from typing import Any

from tests.records.gpu import LIMITS, OBSERVED
from tests.runs import ENVIRONMENT, FACTS


def act(variant: str, moment: str) -> dict[str, Any] | None:
    what, _, when = variant.partition("@")
    if when != moment:
        return None
    if what == "exit":
        print("something odd happened", file=sys.stderr)
        sys.exit(7)
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "segv":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "shares":
        text = "the candidate changes what both sides share: cv2.resize"
        return {"error": "SharedState", "text": text, "side": None, "stage": None}
    if what == "hang":
        time.sleep(60)
    kinds = {"raise": "PipelineError", "memory": "OutOfMemory", "bad": "BadInput"}
    return {"error": kinds[what], "text": f"{what} it did", "side": "b", "stage": "forward"}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    variants: dict[str, str] = {}
    blocks: dict[str, int] = {}
    for line in sys.stdin:
        command = json.loads(line)
        answer: dict[str, Any] | None
        if command["command"] == "load":
            variants |= {side["name"]: side["variant"] for side in command["sides"]}
            alone = len(variants) == 1
            names = [v for v in variants.values() if not (alone and v.startswith("shares"))]
            answer = next((a for v in names if (a := act(v, "load"))), None)
            sides = {
                side["name"]: {
                    **FACTS,
                    "workload": side["workload"],
                    "checked_ns": forward_ns(side["variant"]),
                }
                for side in command["sides"]
            }
            answer = answer or {
                "sides": sides,
                "environment": ENVIRONMENT,
                "memory_bytes": 20_000_000,
            }
        elif command["command"] == "observe":
            side = command["side"]
            answer = act(variants[side], "observe") or {"observed": asdict(OBSERVED)}
        elif command["command"] == "limits":
            answer = next((a for v in variants.values() if (a := act(v, "limits"))), None)
            measured = None if "ab12" in command["known"] else asdict(LIMITS)
            answer = answer or {"fingerprint": "ab12", "limits": measured}
        else:
            side = command["side"]
            blocks[side] = blocks.get(side, 0) + 1
            alone = len(variants) == 1 and variants[side].startswith("shares")
            answer = None if alone else act(variants[side], str(blocks[side]))
            answer = answer or block(variants[side], command["iterations"])
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def forward_ns(variant: str) -> int:
    words = variant.partition("@")[0].split(":")
    return int(float(words[1]) * 1e6) if len(words) > 1 else 1_000_000


def block(variant: str, iterations: int) -> dict[str, Any]:
    if variant.partition("@")[0].split(":")[0] == "print":
        print("a user's pipeline may print", flush=True)
    length_ns = forward_ns(variant)
    rows = []
    for _ in range(iterations):
        start = time.perf_counter_ns()
        time.sleep(length_ns / 1e9)
        rows.append([start + offset for offset in (0, 1000, 2000, 2000 + length_ns)])
        rows[-1] += [rows[-1][-1] + offset for offset in (300, 400, 500, 9000)]
    known = {"marks_ns": rows, "device_ns": []}
    if variant.startswith("threads"):
        known["threads"] = [int(variant.partition(":")[2]), 3]  # type: ignore[assignment]
    return known


if __name__ == "__main__":
    main()
