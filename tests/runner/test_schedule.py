"""The schedule of whole runs in virtual time: budgets, processes, failures, Ctrl-C."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthprof import errors
from depthprof.records import WARM_UP_TURN, Policy, Run, Workload
from depthprof.report.conditions import facts
from depthprof.report.gated import side_remarks
from depthprof.runner import Plan, Progress, SidePlan, measure, schedule
from depthprof.runner.plan import SLOW_PROCESSES, first_order, pair_order
from depthprof.runner.process_group import MOST_PER_BLOCK, ProcessGroup, iterations_for
from depthprof.runner.warm_up import settled, warm_up_end
from depthprof.stats.interim import (
    ANALYSED_PROCESSES,
    FEWEST_AT_THE_END,
    FEWEST_PROCESSES,
    PROCESSES,
    is_analysis,
)
from depthprof.verdict.decision import judge
from depthprof.verdict.unpaired import gate_turns
from tests.runner.fake_worker import FakeWorker
from tests.runs import recorder_of

pytestmark = pytest.mark.usefixtures("virtual_time")

FAKE = "tests.runner.fake_worker"


def plan(a: str, b: str | None = None, budget_s: float = 0.6, **options: object) -> Plan:
    variants = [a] if b is None else [a, b]
    sides = [SidePlan(n, v, v, Workload()) for n, v in zip("ab", variants, strict=False)]
    known: dict[str, object] = {"launches": 3, **options}
    return Plan(tuple(sides), budget_s=budget_s, worker=FAKE, **known)  # type: ignore[arg-type]


def measured(of: Plan, enough: bool = False) -> tuple[Run, list[Progress]]:
    told: list[Progress] = []
    return measure(of, told.append, lambda _: enough), told


def segments_of(run: Run) -> list[int]:
    """How many segments each process has."""
    return [len(process.segments) for process in run.launches]


def is_pair(run: Run) -> np.ndarray:
    return run.samples.turn != WARM_UP_TURN


def test_samples_are_judged_as_the_sides_really_were() -> None:
    run, _ = measured(plan("ms:4", "ms:8", budget_s=1.2))
    judged = judge(run, Policy())
    assert judged.judgement is not None
    assert judged.judgement.culprit == "forward"


def test_it_ends_early_once_decided_but_not_before_every_process_was_heard() -> None:
    run, _ = measured(plan("ms:1", "ms:1", budget_s=30), enough=True)
    assert run.ended == "decided"
    assert segments_of(run) == [2, 2, 2]  # the first analysis
    assert run.elapsed_s < 4
    alone, _ = measured(plan("ms:1", budget_s=30), enough=True)
    assert alone.ended == "precise"


def test_the_data_are_analysed_only_at_scheduled_numbers_of_segments() -> None:
    analyses: list[int] = []

    def may_end(run: Run) -> bool:
        assert run.ended == "decided"
        assert sum(process.turns for process in run.launches) == len(
            set(zip(run.samples.launch[is_pair(run)], run.samples.turn[is_pair(run)], strict=True))
        )
        analyses.append(sum(segments_of(run)))
        return False

    run = measure(plan("ms:2", "ms:3", budget_s=6), lambda _: None, may_end)
    assert run.ended == "budget"
    assert analyses[:4] == [6, 9, 14, 21]
    assert all(is_analysis(segments) for segments in analyses)


def test_fewer_processes_than_can_be_told_apart_are_never_analysed() -> None:
    for count in range(1, ANALYSED_PROCESSES):
        run, _ = measured(plan("ms:1", "ms:1", budget_s=2, launches=count), enough=True)
        assert run.ended == "budget"


def test_segments_are_short_new_layouts_and_tile_the_pairs() -> None:
    run, _ = measured(plan("ms:2", "ms:2", budget_s=20))
    for process in run.launches:
        assert process.segments[0] == 0
        assert list(process.segments) == sorted(set(process.segments))
        assert process.segments[-1] < process.turns
        assert process.new_layouts
        longest = max(np.diff([*process.segments, process.turns]))
        assert longest * 2 * 15 * 2e-3 <= 1.1 * schedule.SEGMENT_S
    assert min(sum(segments_of(run)), schedule.SEGMENTS) == schedule.SEGMENTS
    short, _ = measured(plan("ms:2", "ms:2", budget_s=3))
    assert sum(segments_of(short)) >= 0.5 * schedule.SEGMENTS  # refills take a part of it
    stays, _ = measured(plan("ms:2", "stays:2", budget_s=3))
    assert not any(process.new_layouts for process in stays.launches)
    assert sum(segments_of(stays)) == sum(segments_of(short))


def worker_after_three_segments(planned: Plan) -> FakeWorker:
    with ProcessGroup(planned, 2) as group:
        group.start()
        group.load()
        list(group.warm_up(1))
        for _ in range(3):
            list(group.begin_segment())
            list(group.pair())
        worker: FakeWorker = group._workers["a"]._worker  # type: ignore[attr-defined]
        return worker


def test_layouts_are_those_of_the_seed() -> None:
    def seeds(seed: int) -> list[str]:
        return list(worker_after_three_segments(plan("ms:1", "ms:1", seed=seed)).seeds)

    assert seeds(1) == seeds(1)
    assert len(set(seeds(1))) == 2  # the first segment has a new layout without asking
    assert not set(seeds(1)) & set(seeds(2))


def processes_in_order(run: Run) -> list[int]:
    """The process of each segment, in the order taken."""
    launches = run.samples.launch[is_pair(run)].tolist()
    return [now for now, before in zip(launches, [-1, *launches], strict=False) if now != before]


def test_processes_take_turns_where_memory_allows() -> None:
    run, _ = measured(plan("ms:2", "ms:2", budget_s=4))
    assert processes_in_order(run)[:6] == [0, 1, 2, 0, 1, 2]
    turns = [process.turns for process in run.launches]
    assert min(turns) >= 0.5 * max(turns)


@pytest.mark.parametrize("enough", [False, True])
def test_processes_follow_each_other_where_memory_is_short(
    monkeypatch: pytest.MonkeyPatch, enough: bool
) -> None:
    monkeypatch.setattr(schedule, "free_memory_bytes", lambda: 10_000_000)
    run, _ = measured(plan("ms:1", "ms:1", budget_s=12), enough=enough)
    assert processes_in_order(run) == [0, 1, 2]
    segments = segments_of(run)
    assert min(segments) > 3 or enough
    if enough:  # no analysis before the third; then at the first that is scheduled
        assert run.ended == "decided"
        assert is_analysis(sum(segments))
        assert segments[2] < segments[1]
    else:
        assert max(segments) - min(segments) <= 3
    assert run.elapsed_s <= 1.0 + 12 + 0.1


def test_the_budget_bounds_everything_after_the_first_imports() -> None:
    of = plan("ms:20:1.5", "ms:20", budget_s=20, observe=True)
    run, told = measured(of)
    assert 0.7 * 20 <= run.elapsed_s - 1.0 <= 20  # imports take 1 s; some is kept for observing
    assert told[0].left_s == 20
    assert [one.left_s for one in told if one.pairs] == sorted(
        (one.left_s for one in told if one.pairs), reverse=True
    )
    assert run.sides[0].observed is not None


def test_time_is_left_for_observing() -> None:
    ends = []
    for observe in (False, True):
        _, told = measured(plan("ms:20", "ms:20", budget_s=40, observe=observe))
        ends.append(next(one.elapsed_s for one in reversed(told) if one.phase == "measuring"))
    assert ends[0] - ends[1] > 4  # sides and peak rates
    known = Plan(plan("ms:1").sides)
    assert known.budget_s == 90


@pytest.mark.parametrize(
    ("load_s", "budget_s", "count"),
    [
        (0.1, 90, PROCESSES),
        (2.0, 45, FEWEST_PROCESSES),  # which take 0.3 of it, so that no more of them follow
        (3.0, 20, SLOW_PROCESSES),
        (10.0, 15, 1),
    ],
)
def test_what_starting_takes_sets_the_number_of_processes(
    load_s: float, budget_s: float, count: int
) -> None:
    run, _ = measured(plan(f"ms:1:{load_s}", "ms:1", budget_s=budget_s, launches=None))
    assert len(run.launches) == count
    assert min(segments_of(run)) >= 1
    asked, _ = measured(plan(f"ms:1:{load_s}", "ms:1", budget_s=budget_s, launches=4))
    assert len(asked.launches) == 4
    assert min(segments_of(asked)) >= 1


def test_processes_beyond_the_fewest_start_only_where_those_decide_nothing() -> None:
    of = plan("ms:1", "ms:1", budget_s=90, launches=None)
    assert len(measured(of, enough=True)[0].launches) == FEWEST_PROCESSES
    run, told = measured(of)
    first = next(one for one in told if one.launch > FEWEST_PROCESSES)
    assert first.phase == "starting"
    assert first.pairs >= FEWEST_PROCESSES
    order = processes_in_order(run)
    assert order[:16] == [*range(6), *range(6, 10), *range(6)]


def test_numbers_of_processes_that_the_plan_gives() -> None:
    known = plan("ms:1", "ms:1", launches=None)
    assert (known.fewest_processes, known.most_processes) == (FEWEST_PROCESSES, PROCESSES)
    apart = known.apart("why")
    assert (apart.fewest_processes, apart.most_processes) == (PROCESSES, PROCESSES)
    asked = replace(known, launches=4)
    assert (asked.fewest_processes, asked.most_processes) == (4, 4)
    assert asked.first_processes(1e9) == 4
    assert known.until == "decided"


def test_a_budget_too_short_to_decide_anything_is_overdrawn() -> None:
    for count in (1, 2, 3):
        run, _ = measured(plan("ms:40", "ms:40", budget_s=0.9, launches=count))
        assert sum(segments_of(run)) == FEWEST_AT_THE_END + 1
        assert run.elapsed_s <= 1.0 + 2 * 0.9 + (1.5 if count > 1 else 0.1)  # with starting
    run, _ = measured(plan("ms:400", "ms:400", budget_s=0.9, launches=1))
    assert 1 <= sum(segments_of(run)) < FEWEST_AT_THE_END


@pytest.mark.parametrize("ms", [2, 75, 400])
def test_caches_are_refilled_before_each_segment(ms: int) -> None:
    run, _ = measured(plan(f"ms:{ms}", f"ms:{ms}", budget_s=max(3, ms / 10)))
    samples = run.samples
    for process in run.launches:
        mine = samples.launch == process.index
        turns, sides = samples.turn[mine], samples.side[mine]
        begins = np.flatnonzero((turns[1:] != WARM_UP_TURN) & (turns[:-1] == WARM_UP_TURN))
        assert turns[begins + 1].tolist() == list(process.segments)
        assert (sides[begins] == sides[begins + 1]).all()  # the side whose block comes next
        for end in begins[1:]:
            start = end - np.flatnonzero(turns[end::-1] != WARM_UP_TURN)[0]
            assert set(sides[start + 1 : end + 1]) == {0, 1}


def test_long_iterations_are_neither_warmed_up_nor_refilled() -> None:
    long, _ = measured(plan("ms:1000", "ms:1200", budget_s=30, launches=2))
    assert is_pair(long).all()
    assert {process.warm_up_end for process in long.launches} == {"checked"}
    assert long.launches[0].segments == tuple(range(long.launches[0].turns))  # a pair each
    shorter, _ = measured(plan("ms:900", "ms:900", budget_s=30, launches=2))
    assert (~is_pair(shorter)).sum() == 2 * 2  # a round of each process


def test_segments_have_some_pairs_but_leave_time_for_many() -> None:
    run, _ = measured(plan("ms:300", "ms:300", budget_s=90))
    assert set(np.diff(run.launches[0].segments[1:])) == {3}
    longer, _ = measured(plan("ms:450", "ms:450", budget_s=20))
    assert set(np.diff(longer.launches[0].segments)) == {1}


def test_the_first_stages_of_long_iterations_run_before_each_segment() -> None:
    long = worker_after_three_segments(plan("ms:1000", "ms:1200", budget_s=30))
    assert [set(pair) for pair in zip(long.prepared[::2], long.prepared[1::2], strict=True)] == (
        [{"a", "b"}] * 3
    )
    assert not worker_after_three_segments(plan("ms:2", "ms:2", budget_s=30)).prepared


def test_a_check_that_was_long_only_once_is_followed_by_warm_up() -> None:
    run, _ = measured(plan("cold:2", "cold:2", budget_s=8, launches=2))
    process = run.launches[0]
    assert process.warm_up_end == "settled"
    assert process.iterations_per_block == 15
    first = run.samples.turn[run.samples.launch == 0]
    assert first[0] == WARM_UP_TURN
    assert (first == 0).sum() == 2 * 15


def test_sides_that_cannot_share_get_a_worker_each() -> None:
    sides = (
        SidePlan("a", "x", "ms:1", Workload(threads=1)),
        SidePlan("b", "y", "ms:1", Workload(threads=2)),
    )
    of = Plan(sides, budget_s=0.4, launches=2, worker=FAKE)
    assert not of.shared
    run, _ = measured(of)
    assert not run.shared
    assert all(len(item.padding_bytes) == 4 for item in run.launches)
    both = plan("ms:1", "ms:1", separate=True)
    assert not both.shared


@pytest.mark.parametrize("moment", ["load", "1", "4"])
def test_sides_that_change_what_they_share_are_measured_apart_and_it_is_said(moment: str) -> None:
    run, _ = measured(plan("ms:1", f"shares@{moment}", budget_s=0.4, launches=2))
    assert not run.shared
    assert run.ended == "budget"
    assert not run.failures
    assert all(len(item.padding_bytes) == 4 for item in run.launches)
    said = "measured in separate processes: the candidate changes what both sides share: cv2.resize"
    assert ("note", said) in facts(judge(run, Policy()))
    judged = judge(run, Policy())
    assert judged.judgement is not None
    (gated,) = gate_turns(judged, "then", "now").sides
    assert said in side_remarks(gated)


def test_a_baseline_of_an_earlier_commit_starts_in_its_own_files_once_apart() -> None:
    known = plan("ms:1", "ms:1")
    earlier = replace(known.sides[0], instead_of=Path("/now"), tree=Path("/then"))
    apart = replace(known, sides=(earlier, known.sides[1])).apart("why")
    assert [side.folder for side in apart.sides] == [Path("/then"), None]
    assert not apart.shared
    assert apart.fewest_processes == 3  # as asked for


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (None, None),
        (4, "4 threads were asked for; in its iterations there were: torch 2, OpenCV 3"),
    ],
)
def test_threads_are_those_in_force_in_the_iterations(asked: int | None, said: str | None) -> None:
    side = SidePlan("a", "mine", "threads:2", Workload(threads=asked))
    run, _ = measured(Plan((side,), budget_s=0.2, launches=1, worker=FAKE))
    assert run.sides[0].threads == 2  # loading had told of 1
    assert [note for kind, note in facts(judge(run, Policy())) if kind == "note"] == (
        [f"mine: {said}"] if said else []
    )


def test_threads_that_change_between_blocks_are_said() -> None:
    recorder = recorder_of([Workload()])
    for turn, threads in enumerate([(4, 4), (4, 4), (1, 4)]):
        answer = {"marks_ns": [list(range(8))], "device_ns": [], "threads": threads}
        recorder.add(0, turn, turn, 0, answer)
    (side,) = recorder.run(1.0, "budget").sides
    assert side.threads == 4
    assert "torch 4, OpenCV 4 or torch 1, OpenCV 4" in side.notes[-1]


def test_one_side_alone_is_a_profile() -> None:
    run, _ = measured(plan("ms:2"))
    assert not run.is_comparison
    assert judge(run, Policy()).judgement is None


@pytest.mark.parametrize(
    ("variant", "code", "said"),
    [
        ("raise@6", "stage_failed", "raise it did"),
        ("memory@6", "out_of_memory", "memory it did"),
    ],
)
def test_a_failure_is_a_finding_and_what_was_measured_stays(
    variant: str, code: str, said: str
) -> None:
    run, _ = measured(plan("ms:1", variant, budget_s=5))
    assert run.ended == "failed"
    assert [(item.code, item.side) for item in run.failures] == [(code, "b")]
    assert said in run.failures[0].text
    assert (run.samples.turn != WARM_UP_TURN).any()
    assert judge(run, Policy()).exit_code == 2


@pytest.mark.parametrize("variant", ["raise@1", "memory@load", "bad@load"])
def test_a_failure_before_anything_was_measured_is_a_refusal(variant: str) -> None:
    with pytest.raises(errors.DepthprofError):
        measured(plan("ms:1", variant))


def test_ctrl_c_ends_early_with_what_was_measured() -> None:
    def interrupt(progress: Progress) -> None:
        if progress.pairs == 3:
            raise KeyboardInterrupt

    run = measure(plan("ms:1", "ms:1", budget_s=30), interrupt, lambda _: False)
    assert run.ended == "interrupted"
    judged = judge(run, Policy())
    assert judged.comparison is not None
    assert judged.comparison.stage("total").pairs == 3
    assert judged.comparison.skipped.count > 0  # the block that was left without its partner
    assert judged.exit_code == 3


def test_ctrl_c_before_anything_was_measured_is_passed_on() -> None:
    def interrupt(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(plan("ms:1", "ms:1"), interrupt, lambda _: False)


@pytest.mark.parametrize("first", [("a", "b"), ("b", "a")])
def test_both_blocks_of_a_pair_come_after_the_same_side(first: tuple[str, str]) -> None:
    # Found by measuring: V2's colouring slows the next preprocess, whosever it is. With orders
    # drawn anew for every other turn, V1 came after V2 in 62 % of cases and was blamed for it.
    sides = [side for turn in range(50) for side in pair_order(first, turn)]
    before = [first[0], *sides]
    for pair in range(50):
        assert before[2 * pair] == before[2 * pair + 1]
        assert sorted(sides[2 * pair : 2 * pair + 2]) == ["a", "b"]
    assert sides[:8] == [*first, *first[::-1]] * 2


def test_processes_begin_with_either_side() -> None:
    starts = Counter(first_order(("a", "b"), Random(f"0/{launch}"))[0] for launch in range(200))
    assert 60 <= starts["a"] <= 140


def test_the_first_turn_comes_after_its_own_side_too() -> None:
    run, _ = measured(plan("ms:1", "ms:1", budget_s=0.3))
    for index in range(3):
        here = run.samples.launch == index
        turns, sides = run.samples.turn[here], run.samples.side[here]
        first = np.flatnonzero(turns == 0)[0]
        assert turns[first - 1] == WARM_UP_TURN  # other warm-ups come between later turns
        assert sides[first - 1] == sides[first]


def test_warm_up_ends_by_its_rule() -> None:
    improving = [100.0, 80.0, 60.0]
    assert not settled([100.0])
    assert not settled(improving)
    assert settled([*improving, 61.0])
    assert warm_up_end({"a": [1.0]}, 99, 1, on_cuda=False) is None  # never before two rounds
    assert warm_up_end({"a": [9.0, 9.0]}, 0.1, 60, on_cuda=False) == "settled"
    assert warm_up_end({"a": [9.0, 9.0]}, 0.1, 60, on_cuda=True) is None  # clocks rise under load
    assert warm_up_end({"a": improving, "b": [9.0, 9.0]}, 1, 60, on_cuda=False) is None
    assert warm_up_end({"a": improving}, 16, 60, on_cuda=False) == "time limit"


@given(st.floats(0, 1e12))
def test_blocks_are_short_but_never_empty(iteration_ns: float) -> None:
    count = iterations_for(30_000_000, iteration_ns)
    assert 1 <= count <= MOST_PER_BLOCK
    assert count == 1 or count * iteration_ns <= 1.5 * 30_000_000


def test_samples_carry_the_layout_of_the_run() -> None:
    run, _ = measured(plan("ms:1", "ms:1", budget_s=0.3, launches=2))
    assert set(np.unique(run.samples.side)) == {0, 1}
    assert (np.diff(run.samples.block[run.samples.launch == 0]) >= 0).all()
