"""A worker without torch whose sides do what their variant's name says. Run as a process.

"ms:5" takes 5 ms a forward, "ms:5:2" 2 s to load besides, "cold:5" 3 s for its first iteration;
"print" prints on standard output as a user's code may; "stays:5" has a network that cannot be
moved. "exit@3", "kill@3", "hang@3", "raise@3", "memory@3" do that at the third block; "@load" at
loading, "@observe" when it is to be looked at, "@limits" when the limits are asked for. "shares@3"
refuses to share its process. "threads:2" says that 2 threads of torch and 3 of OpenCV were in
force.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
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


class FakeWorker:
    """Answers commands as a worker does; time passes by `sleep` alone."""

    def __init__(
        self,
        now_ns: Callable[[], int] = time.perf_counter_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._now_ns, self._sleep = now_ns, sleep
        self._variants: dict[str, str] = {}
        self._blocks: dict[str, int] = {}
        self.seeds: list[str] = []
        self.prepared: list[str] = []

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        answered: dict[str, Any] = getattr(self, command["command"])(command)
        return answered

    def ready(self, _: dict[str, Any]) -> dict[str, Any]:
        return {}

    def renew(self, command: dict[str, Any]) -> dict[str, Any]:
        self.seeds.append(command["seed"])
        return {"moved": not any(v.startswith("stays") for v in self._variants.values())}

    def prepare(self, command: dict[str, Any]) -> dict[str, Any]:
        self.prepared.append(command["side"])
        return {}

    def load(self, command: dict[str, Any]) -> dict[str, Any]:
        self._variants |= {side["name"]: side["variant"] for side in command["sides"]}
        alone = len(self._variants) == 1
        names = [v for v in self._variants.values() if not (alone and v.startswith("shares"))]
        facts = {
            side["name"]: {
                **FACTS,
                "workload": side["workload"],
                "checked_ns": checked_ns(side["variant"]),
            }
            for side in command["sides"]
        }
        self._sleep(max(map(load_s, names), default=0.0))
        loaded = {"sides": facts, "environment": ENVIRONMENT, "memory_bytes": 20_000_000}
        return next((a for v in names if (a := act(v, "load"))), None) or loaded

    def observe(self, command: dict[str, Any]) -> dict[str, Any]:
        observed = {"observed": asdict(OBSERVED)}
        return act(self._variants[command["side"]], "observe") or observed

    def limits(self, command: dict[str, Any]) -> dict[str, Any]:
        measured = None if "ab12" in command["known"] else asdict(LIMITS)
        failed = next((a for v in self._variants.values() if (a := act(v, "limits"))), None)
        return failed or {"fingerprint": "ab12", "limits": measured}

    def block(self, command: dict[str, Any]) -> dict[str, Any]:
        side = command["side"]
        variant = self._variants[side]
        self._blocks[side] = self._blocks.get(side, 0) + 1
        alone = len(self._variants) == 1 and variant.startswith("shares")
        answer = None if alone else act(variant, str(self._blocks[side]))
        return answer or self._measured(variant, command["iterations"])

    def _measured(self, variant: str, iterations: int) -> dict[str, Any]:
        if variant.partition("@")[0].split(":")[0] == "print":
            print("a user's pipeline may print", flush=True)
        length_ns = forward_ns(variant)
        rows = []
        for _ in range(iterations):
            start = self._now_ns()
            self._sleep(length_ns / 1e9)
            rows.append([start + offset for offset in (0, 1000, 2000, 2000 + length_ns)])
            rows[-1] += [rows[-1][-1] + offset for offset in (300, 400, 500, 9000)]
        known: dict[str, Any] = {"marks_ns": rows, "device_ns": []}
        if variant.startswith("threads"):
            known["threads"] = [int(variant.partition(":")[2]), 3]
        return known


def forward_ns(variant: str) -> int:
    words = variant.partition("@")[0].split(":")
    return int(float(words[1]) * 1e6) if len(words) > 1 else 1_000_000


def checked_ns(variant: str) -> int:
    return 3_000_000_000 if variant.startswith("cold") else forward_ns(variant)


def load_s(variant: str) -> float:
    words = variant.partition("@")[0].split(":")
    return float(words[2]) if len(words) > 2 else 0.0


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = FakeWorker()
    for line in sys.stdin:
        answers.write(json.dumps(worker.answer(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
