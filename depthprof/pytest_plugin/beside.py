"""Hooks beside pytest-benchmark: what it loads, saves and says of our entries.

Everything here waits until a test of ours is collected: sessions without one stay as they are.
An unforeseen error is no failed test: it ends the session with pytest's exit code 3. Raised at the
session's end, where pytest does not catch it, it would end with 1, as failed tests do.
"""

import copy
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from depthprof.errors import BadInput
from depthprof.pytest_plugin.absent import Selected

if TYPE_CHECKING:
    from depthprof.pytest_plugin.session import DepthSession

FIXTURE = "depth_profile"

unforeseen_key = pytest.StashKey[list[str]]()
"""A sentence for each unforeseen error of the session."""


@contextmanager
def guarded(config: pytest.Config) -> Iterator[None]:
    """Go on after what is not foreseen: it is noted, and its details are in a file."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the one place of the plugin: a hook must not raise
        from depthprof.storage import crash_reports

        text = crash_reports.reported(error, ["pytest", *map(str, config.invocation_params.args)])
        config.stash.setdefault(unforeseen_key, []).append(text)


class Beside:
    """Hooks of a session that has pytest-benchmark; `started` is by the monotonic clock."""

    def __init__(self, config: pytest.Config, started: float) -> None:
        self._config = config
        self._started = started
        self._session: DepthSession | None = None  # made if a test of ours is left to run
        self._compare = config.option.benchmark_compare
        self._checks: tuple[Any, ...] = ()
        self._remarks: list[str] = []
        self._runs: dict[Any, Any] = {}
        self._tests = Selected(config)
        config.option.benchmark_compare = []  # loaded once it is known whose tests these are

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Keep which tests -k, -m and the like leave out."""
        self._tests.deselected |= {item.nodeid for item in items}

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep which files could not be read."""
        if report.failed:
            self._tests.broken.add(report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what became of a test."""
        self._tests.note(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Prepare for our tests, if any are left to run, and load what is to be compared."""
        bench = self._config._benchmarksession  # type: ignore[attr-defined]
        self._tests.chosen |= {item.nodeid for item in session.items}
        self._checks = tuple(bench.compare_fail or ())
        if any(FIXTURE in getattr(item, "fixturenames", ()) for item in session.items):
            self._session = self._prepare(bench)
        bench.compare = self._config.option.benchmark_compare = self._compare
        if self._compare:
            self._load(bench)

    def _prepare(self, bench: Any) -> "DepthSession":
        from depthprof.pytest_plugin.earlier import allowed
        from depthprof.pytest_plugin.measuring import folder_name, machine_facts
        from depthprof.pytest_plugin.options import asked
        from depthprof.pytest_plugin.session import DepthSession, OthersOnly, session_key
        from depthprof.verdict.policy import policy_for

        try:
            known, limits = asked(self._config), allowed(self._checks)
            for options in limits.options:
                policy_for("unpaired", known.settings.gate, "small", options)
        except BadInput as error:
            raise pytest.UsageError(f"depthprof: {error}") from None
        if self._checks and not self._compare:
            raise pytest.UsageError("--benchmark-compare-fail needs --benchmark-compare too")
        facts = machine_facts(known.settings.device, known.settings.threads)
        made = DepthSession(known, facts, limits, remarks=self._remarks)
        self._config.stash[session_key] = made
        bench.compare_fail = [OthersOnly(check) for check in self._checks]
        bench.machine_id = folder_name(bench.machine_id, facts)
        bench.storage.default_machine_id = bench.machine_id
        return made

    def _load(self, bench: Any) -> None:
        """Load the runs to compare with; what pytest-benchmark has to warn of, we say ourselves.

        Its warnings compare everything it knows of the machine, the momentary clock rate included.
        """
        if self._session is None:
            bench.handle_loading()
            self._runs = lost_runs(self._config, bench)
            return
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                bench.handle_loading()
            except ValueError as error:  # a path that is no file and no pattern
                raise pytest.UsageError(f"--benchmark-compare: {error}") from None
        texts = [str(item.message) for item in caught]
        self._remarks += [text for text in texts if "machine_info is different" not in text]
        if not bench.compared_mapping:
            bench.compare_fail = []  # nothing can fail, and that is said
        self._runs = dict(bench.compared_mapping)
        self._session.compare_with(self._runs)

    @pytest.hookimpl(optionalhook=True)
    def pytest_benchmark_update_machine_info(self, machine_info: dict[str, Any]) -> None:
        """Add GPU, driver, torch and threads."""
        if self._session is None:
            return
        with guarded(self._config):
            from depthprof.pytest_plugin.measuring import MACHINE_DIGITS
            from depthprof.records.traits import fingerprint
            from depthprof.storage.run_files import KEY

            facts = self._session.facts
            machine_info[KEY] = {**facts, "fingerprint": fingerprint(facts, MACHINE_DIGITS)}

    @pytest.hookimpl(optionalhook=True)
    def pytest_benchmark_update_json(
        self, benchmarks: list[Any], output_json: dict[str, Any]
    ) -> None:
        """Keep every sample of our entries, which a save drops without --benchmark-save-data."""
        if self._session is None:
            return
        with guarded(self._config):
            from depthprof.storage.run_files import own_part

            data = {made.fullname: made.stats.data for made in benchmarks}
            for entry in output_json["benchmarks"]:
                if own_part(entry["extra_info"]) is not None:
                    entry["stats"]["data"] = data[entry["fullname"]]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Name what was not measured; where nothing was compared, a gate does not pass."""
        bench = self._config._benchmarksession  # type: ignore[attr-defined]
        off = bench.disabled or bench.skip or self._config.option.collectonly
        if self._compare and not off and (self._session or self._runs):
            with guarded(self._config):
                self._end(session, bench)

    def _end(self, session: pytest.Session, bench: Any) -> None:
        from depthprof.pytest_plugin.absent import absent_lines
        from depthprof.storage.run_files import own_part

        measured = {made.fullname: own_part(made.extra_info) for made in bench.benchmarks}
        lines, is_lost = absent_lines(self._runs, measured, self._tests)
        if not (self._session or is_lost):
            return
        self._remarks += lines
        others = {name for name, part in measured.items() if part is None}
        is_compared = any(entries.keys() & others for entries in self._runs.values())
        if is_compared or (self._session and self._session.compared):
            return
        if not self._checks:
            self._remarks.append("nothing was compared")
            return
        remedy = "save a run to compare with (--benchmark-autosave), or name another one"
        if bench.benchmarks and (bench.save or bench.autosave):
            remedy = "this run is saved, so the next one is compared with it"
        what = "nothing was compared, which is no pass for --benchmark-compare-fail"
        self._remarks.append(f"{what}; {remedy}")
        if session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
        """Show the verdicts, what was not compared, and where the time went."""
        try:
            return (yield)
        finally:
            with guarded(self._config):
                self._summarise(terminalreporter)

    def _summarise(self, reporter: pytest.TerminalReporter) -> None:
        if self._session is not None:
            from depthprof.pytest_plugin.earlier import table
            from depthprof.pytest_plugin.measuring import time_sentence

            for earlier in self._session.earlier:
                if earlier.rows:
                    reporter.write_sep("-", f"depthprof: compared with {earlier.path}")
                    reporter.write("\n".join([*table(earlier.rows), "", ""]))
            if measured := self._session.measurements.all:
                self._remarks.append(time_sentence(measured, monotonic() - self._started))
        for remark in dict.fromkeys(self._remarks):
            reporter.write_line(f"depthprof: {remark}")


class LastWord:
    """Outermost at a session's end: unforeseen errors are shown last, and decide."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        """End as after an internal error of pytest, if one of ours was noted."""
        try:
            return (yield)
        finally:
            noted = session.config.stash.get(unforeseen_key, [])
            reporter = session.config.pluginmanager.getplugin("terminalreporter")
            for text in dict.fromkeys(noted):
                if reporter is not None:
                    reporter.write_line(f"INTERNAL ERROR of depthprof: {text}", red=True)
            if noted:
                session.exitstatus = pytest.ExitCode.INTERNAL_ERROR


def lost_runs(config: pytest.Config, bench: Any) -> dict[Any, Any]:
    """Earlier runs with entries of ours, in a session without a test of ours: all may be gone.

    They are those that pytest-benchmark loaded, or else the ones in the folder of this machine.
    """
    from depthprof.pytest_plugin.absent import own_entries
    from depthprof.pytest_plugin.measuring import folder_name, machine_facts
    from depthprof.pytest_plugin.options import asked

    runs = dict(bench.compared_mapping)
    if not runs and hasattr(bench.storage, "path"):
        try:
            known = asked(config).settings
        except BadInput:  # settings of ours that nobody uses in this session
            return {}
        storage = copy.copy(bench.storage)
        facts = machine_facts(known.device, known.threads)
        storage.default_machine_id = folder_name(bench.machine_id, facts)
        loaded = [*storage.load()][-1:] if bench.compare is True else storage.load(bench.compare)
        runs = {
            path: {one["fullname"]: one for one in saved["benchmarks"]} for path, saved in loaded
        }
    return {path: entries for path, entries in runs.items() if own_entries(entries)}
