"""Beside pytest-benchmark: its storage apart by machine, its files with our samples, our account.

Everything here waits until a test of ours is collected: sessions without one stay as they are.
"""

import warnings
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest

from depthprof.errors import BadInput
from depthprof.pytest_plugin.guarding import end, guarded

FIXTURE = "depth_profile"


class Beside:
    """Hooks of a session that has pytest-benchmark.

    Args:
        config: of the session. started: when it began, by the monotonic clock.
    """

    def __init__(self, config: pytest.Config, started: float) -> None:
        self._config = config
        self._started = started
        self._ours = False
        self._compare = config.option.benchmark_compare
        config.option.benchmark_compare = []  # loaded once it is known whose tests these are

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Prepare for our tests, if any are left to run, and load what is to be compared."""
        bench = self._config._benchmarksession  # type: ignore[attr-defined]
        if any(FIXTURE in getattr(item, "fixturenames", ()) for item in session.items):
            self._prepare(bench)
            self._ours = True
        bench.compare = self._config.option.benchmark_compare = self._compare
        if self._compare:
            self._load(bench)

    def _prepare(self, bench: Any) -> None:
        from depthprof.pytest_plugin.machines import folder_name, machine_facts
        from depthprof.pytest_plugin.options import asked
        from depthprof.pytest_plugin.session import DepthSession, OthersOnly, session_key

        try:
            known = asked(self._config)
        except BadInput as error:
            raise pytest.UsageError(f"depthprof: {error}") from None
        checks = tuple(bench.compare_fail or ())
        if checks and not self._compare:
            raise pytest.UsageError(
                "--benchmark-compare-fail was given without --benchmark-compare: there is nothing"
                " to compare with"
            )
        facts = machine_facts(known.settings.device, known.settings.threads)
        self._session = DepthSession(known, facts, checks)
        self._config.stash[session_key] = self._session
        bench.compare_fail = [OthersOnly(check) for check in checks]
        bench.machine_id = folder_name(bench.machine_id, facts)
        bench.storage.default_machine_id = bench.machine_id

    def _load(self, bench: Any) -> None:
        """Load the runs to compare with; what pytest-benchmark has to warn of, we say ourselves.

        Its warnings compare everything it knows of the machine, the momentary clock rate included.
        """
        if not self._ours:
            bench.handle_loading()
            return
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            bench.handle_loading()
        texts = [str(item.message) for item in caught]
        remarks = self._session.remarks
        remarks += [text for text in texts if "machine_info is different" not in text]
        if not bench.compared_mapping:
            bench.compare_fail = []  # nothing can fail, and that was said
        self._session.earlier = bench.compared_mapping

    @pytest.hookimpl(optionalhook=True)
    def pytest_benchmark_compare_machine_info(
        self, machine_info: dict[str, Any], compared_benchmark: dict[str, Any]
    ) -> None:
        """Say in what an earlier run's machine was another."""
        if not self._ours:
            return
        from depthprof.benchmarkfile import KEY

        now, before = machine_info[KEY], compared_benchmark["machine_info"].get(KEY) or {}
        unlike = [
            f"{name} {now[name]} (was {before.get(name)})"
            for name in now
            if now[name] != before.get(name)
        ]
        if unlike:
            self._session.remarks.append(
                f"the earlier run is of another machine: {', '.join(unlike)}"
            )

    @pytest.hookimpl(optionalhook=True)
    def pytest_benchmark_update_machine_info(self, machine_info: dict[str, Any]) -> None:
        """Tell of GPU, driver, torch and threads."""
        if not self._ours:
            return
        with guarded(self._config):
            from depthprof.benchmarkfile import KEY
            from depthprof.pytest_plugin.machines import fingerprint

            facts = self._session.facts
            machine_info[KEY] = {**facts, "fingerprint": fingerprint(facts)}

    @pytest.hookimpl(optionalhook=True)
    def pytest_benchmark_update_json(
        self, benchmarks: list[Any], output_json: dict[str, Any]
    ) -> None:
        """Keep every sample of our entries, which a save drops without --benchmark-save-data."""
        if not self._ours:
            return
        with guarded(self._config):
            from depthprof.benchmarkfile import own_part

            data = {made.fullname: made.stats.data for made in benchmarks}
            for entry in output_json["benchmarks"]:
                if own_part(entry["extra_info"]) is not None:
                    entry["stats"]["data"] = data[entry["fullname"]]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
        """Tell what was not compared, and where the time went."""
        try:
            return (yield)
        finally:
            if self._ours:
                with guarded(self._config):
                    self._tell(terminalreporter)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        """Let errors of ours that nobody foresaw be the last that is said."""
        try:
            return (yield)
        finally:
            end(session)

    def _tell(self, reporter: pytest.TerminalReporter) -> None:
        from depthprof.pytest_plugin.measuring import account_of, account_sentence

        measured = self._session.measurements.all
        for remark in dict.fromkeys(self._session.remarks):
            reporter.write_line(f"depthprof: {remark}")
        if measured:
            account = account_of(measured, monotonic() - self._started)
            reporter.write_line(account_sentence(account, len(measured)))
