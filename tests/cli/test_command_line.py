"""The command line from the words typed to exit codes, without torch where none is needed."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from depthprof import api
from depthprof.cli.main import Call, main, parse
from depthprof.cli.measuring import side_plans
from depthprof.cli.parser import COMMANDS, build_parser
from depthprof.errors import BadInput, OutOfMemory
from depthprof.records import ATTENTIONS, DTYPES, PRODUCTS, SIZES, Policy, Run, Workload
from depthprof.report import folder
from depthprof.runner import Plan
from depthprof.runner.plan import split_side
from depthprof.verdict.decision import judge
from tests.runs import simulated

ROOT = Path(__file__).parents[2]


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, Policy]]:
    """Measure nothing: note the plan and judge a run of known truth."""
    seen: list[tuple[object, Policy]] = []

    def carry_out(plan: object, policy: Policy, *_: object) -> object:
        seen.append((plan, policy))
        return judge(simulated(turns=20, change={"return": 4.0}), policy)

    monkeypatch.setattr(api, "carry_out", carry_out)
    monkeypatch.setattr(folder, "draw", lambda *_: {})  # figures have tests of their own
    return seen


def test_compare_prints_a_table_a_sentence_and_where_the_report_is(
    planned: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "v1", "v2", "--out", str(tmp_path)]) == 1
    shown = capsys.readouterr().out
    assert "return is slower in v2" in shown
    assert all(word in shown for word in ("preprocess", "h2d", "sync", "total", "SLOWER", "SAME"))
    (written,) = tmp_path.iterdir()
    assert f"report: {written / 'report.html'}" in shown.replace("\n", "")
    assert written.name.endswith("-v1-vs-v2-small")
    assert len(planned) == 1


@pytest.mark.parametrize("words", ["compare v1 v2", "profile v1"])
@pytest.mark.parametrize("option", ["", "--no-observe"])
def test_sides_are_looked_at_unless_that_is_not_wanted(
    words: str, option: str, planned: list[tuple[Plan, Policy]], tmp_path: Path
) -> None:
    main([*words.split(), *option.split(), "--out", str(tmp_path), "--quiet"])
    assert planned[0][0].observe == (not option)


def test_json_on_standard_output_is_only_json(
    planned: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "v1", "v2", "--out", str(tmp_path), "--json", "-"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["culprit"] == "return"
    assert document["exit_code"] == 1
    assert planned


def test_json_goes_to_a_file_beside_the_table(
    planned: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "out.json"
    assert main(["compare", "v1", "v2", "--out", str(tmp_path), "--json", str(file)]) == 1
    assert json.loads(file.read_text())["kind"] == "comparison"
    assert "SLOWER" in capsys.readouterr().out
    bad = str(tmp_path / "no" / "out.json")
    assert main(["compare", "v1", "v2", "--out", str(tmp_path), "--json", bad]) == 2
    assert "could not write" in capsys.readouterr().err
    assert planned


def test_quiet_prints_one_sentence(
    planned: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "v1", "v2", "--out", str(tmp_path), "--quiet"]) == 1
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 1
    assert captured.err == ""
    assert planned


def test_options_reach_the_plan_and_the_policy(
    planned: list[tuple[api.Plan, Policy]], tmp_path: Path
) -> None:
    (tmp_path / "w.pth").touch()
    (tmp_path / "x.png").touch()
    words = shlex.split(
        "compare v1 v2@fp16,batch=8,sdpa --model vitb --input-size 98 --batch 2 --fixed-size"
        " --device cpu --dtype bf16 --attention sdpa --threads 3 --product depth --seed 5"
        " --max-depth 20 --allow-nonfinite"
        " --budget 7.5 --processes 2 --separate --threshold 10% --floor-us 20 --fail-on never"
    )
    words += ["--checkpoint", f"v2={tmp_path / 'w.pth'}", "--images", str(tmp_path / "x.png")]
    assert main([*words, "--out", str(tmp_path)]) == 0
    ((plan, policy),) = planned
    assert policy == Policy(threshold_ratio=0.1, floor_ns=20_000, fail_on=())
    first, second = plan.sides
    assert first.workload == Workload(
        "base", 98, 2, True, "cpu", "bf16", "sdpa", 3, "depth", 5, 20.0
    )
    assert first.allow == second.allow == ("nonfinite",)
    assert second.workload == first.workload.changed(dtype="fp16", batch=8)
    assert (first.checkpoint, second.checkpoint) == (None, tmp_path / "w.pth")
    assert (plan.budget_s, plan.launches, plan.separate, plan.seed) == (7.5, 2, True, 5)
    assert plan.images == (tmp_path / "x.png",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v2", ("v2", {})),
        ("v2@fp16", ("v2", {"dtype": "fp16"})),
        ("v2@vitb,cuda:1,depth", ("v2", {"model": "vitb", "device": "cuda:1", "product": "depth"})),
        ("./a.py:N@batch=8,input_size=98", ("./a.py:N", {"batch": 8, "input_size": 98})),
        ("v1@fixed-size,threads=2", ("v1", {"fixed_size": True, "threads": 2})),
        ("./me@home/a.py:N", ("./me@home/a.py:N", {})),
        ("v2@max-depth=0.5,fp16", ("v2", {"max_depth": 0.5, "dtype": "fp16"})),
    ],
)
def test_options_after_the_at_sign_belong_to_one_side(text: str, expected: object) -> None:
    assert split_side(text) == expected


def test_sides_of_one_name_are_told_apart(
    planned: list[tuple[api.Plan, Policy]], tmp_path: Path
) -> None:
    main(["compare", "v1", "v1", "--out", str(tmp_path)])
    assert [side.label for side in planned[0][0].sides] == ["v1 (a)", "v1 (b)"]


REFUSED = [
    ("compare v1 v3", ['"v3"', 'did you mean "v2"']),
    ("compare v1 v2 --model smal", ['"smal"', '"small"']),
    ("compare v1 v2 --dtype fp8", ['"fp8"', "fp32, fp16, bf16"]),
    ("compare v1 v2 --batch 0", ["batch is 0", "at least 1"]),
    ("compare v1 v2 --batch many", ["--batch", "'many'"]),
    ("compare v1 v2 --input-size 3", ["input-size is 3", "14"]),
    ("compare v1 v2 --device tpu", ['"tpu"', "cuda:N"]),
    ("compare v1 v2 --budget 0", ["budget is 0.0", "above 0"]),
    ("compare v1 v2 --budget nan", ["budget is nan"]),
    ("compare v1 v2 --processes 0", ["processes is 0"]),
    ("compare v1 v2 --threshold much", ['"much"', "0.05 or 5%"]),
    ("compare v1 v2 --threshold 0", ["threshold is 0.0"]),
    ("compare v1 v2 --floor-us -1", ["floor is -1000.0 ns"]),
    ("compare v1 v2 --fail-on slow", ['"slow"', '"slower"']),
    ("compare v1 v2 --images nowhere.png", ["nowhere.png", "does not exist"]),
    ("compare v1 v2 --checkpoint nowhere.pth", ["nowhere.pth", "does not exist"]),
    ("compare v1 v2 --checkpoint c=x.pth", ['"c=x.pth"', "names no side"]),
    ("compare v1 v2@fp61", ['"fp61"', '"fp16"']),
    ("compare v1 v2@batc=2", ['"batc"', '"batch"']),
    ("compare v1 v2@batch=two", ['"two"', "whole number"]),
    ("compare v1 v2@batch=0", ["batch is 0"]),
    ("compare v1 v2@max-depth=deep", ['"deep"', "is no number"]),
    ("compare v1 v2 --max-depth 0", ["max-depth is 0.0", "metres above 0"]),
    ("compare v1 v2 --max-depth nan", ["max-depth is nan"]),
    ("profile v2@max-depth=inf", ["max-depth is inf"]),
    ("compare v1 ./nowhere.py:X", ["./nowhere.py", "does not exist"]),
    ("compare v1 ./nowhere.py", ["./nowhere.py:NAME"]),
    ("compare v1", ["required: B", "--help"]),
    ("comparr v1 v2", ["comparr", "compare"]),
    ("compare v1 v2 --modle small", ["--modle"]),
    ("report nowhere", ["nowhere is not there"]),
    ("profile v9", ['"v9"']),
]


@pytest.mark.parametrize(("words", "said"), REFUSED, ids=[words for words, _ in REFUSED])
def test_bad_input_is_one_sentence_and_exit_2(
    words: str, said: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main([*words.split(), *(["--out", str(tmp_path)] if "report" not in words else [])])
    except SystemExit as end:  # argparse's own refusals
        code = int(str(end.code))
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert captured.err.startswith("depthprof: ")
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    for word in said:
        assert word in captured.err
    assert not list(tmp_path.iterdir())


def test_a_refusal_is_json_where_json_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "v1", "v3", "--json", "-"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert document["kind"] == "refusal"
    assert document["exit_code"] == 2
    assert "v3" in document["error"]["text"]


def test_a_side_that_fails_is_named_in_the_refusal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise OutOfMemory("no memory in the stage forward", side="b", stage="forward")

    monkeypatch.setattr(api, "carry_out", fail)
    assert main(["compare", "v1", "v2", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "depthprof: side b (v2): no memory in the stage forward\n"
    assert not list(tmp_path.iterdir())


def test_ctrl_c_before_anything_was_measured_leaves_no_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "carry_out", interrupt)
    assert main(["compare", "v1", "v2", "--out", str(tmp_path)]) == 130
    assert "no report" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_unwritable_place_is_refused_before_measuring(
    planned: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["compare", "v1", "v2", "--out", str(tmp_path / "file")]) == 2
    assert "--out" in capsys.readouterr().err
    assert not planned


def test_what_was_measured_is_shown_even_if_the_report_cannot_be_written(
    planned: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder, "encode", full)
    assert main(["compare", "v1", "v2", "--out", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert "return is slower in v2" in captured.out
    assert "No space left on device" in captured.err
    assert not list(tmp_path.iterdir())
    assert planned


def test_variants_and_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["variants"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in (*SIZES, *DTYPES, *ATTENTIONS, *PRODUCTS, "v1", "v2"))
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("depthprof ")
    assert main([]) == 2
    assert "compare" in capsys.readouterr().out


def test_the_help_names_every_word_a_workload_knows() -> None:
    help_text = build_parser()._subparsers._group_actions[0].choices["compare"].format_help()  # type: ignore[union-attr, index]
    for word in (*SIZES, *DTYPES, *ATTENTIONS, *PRODUCTS):
        assert word in help_text


def examples(command: str, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """Words after the program's name, as the help of a command gives them."""
    assert main([*command.split(), "--help"]) == 0
    lines = capsys.readouterr().out.partition("examples:\n")[2].partition("\n\n")[0].splitlines()
    program = ["python", "-m", "depthprof"]
    assert [shlex.split(line)[:3] for line in lines] == [program, program]
    return [shlex.split(line)[3:] for line in lines]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_each_help_has_two_examples_that_are_read(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in examples(command, capsys):
        call = parse(words)
        assert isinstance(call, Call), words
        assert call.name == words[0]


def test_the_old_option_is_taken_with_one_line_of_warning(
    planned: list[tuple[Plan, Policy]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", "v1", "v2", "--out", str(tmp_path), "--quiet"]
    assert main([*words, "--launches", "3"]) == 1
    told = capsys.readouterr()
    assert told.err == "depthprof: DeprecationWarning: --launches is now --processes; use that\n"
    assert main([*words, "--processes=4"]) == 1
    assert capsys.readouterr().err == ""
    assert [plan.launches for plan, _ in planned] == [3, 4]
    assert main(["compare", "--help"]) == 0
    assert "--launches" not in capsys.readouterr().out


def test_a_closed_pipe_is_no_traceback() -> None:
    done = subprocess.run(
        f"{sys.executable} -m depthprof variants | true",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert "Traceback" not in done.stderr


def test_the_public_compare_refuses_before_starting_anything() -> None:
    with pytest.raises(BadInput, match="v7"):
        api.compare("v1", "v7")
    with pytest.raises(BadInput, match="does not exist"):
        api.compare("v1", "v2", images=["nowhere.png"])
    with pytest.raises(BadInput, match="does not exist"):
        api.profile("v1", checkpoint="nowhere.pth")
    with pytest.raises(BadInput, match="processes is 0"):
        api.profile("v1", processes=0)
    with pytest.raises(BadInput, match='allow "infinite"; did you mean "nonfinite"'):
        api.profile("v1", allow=["infinite"])


def test_the_old_name_of_processes_is_taken_with_a_warning(
    planned: list[tuple[Plan, Policy]],
) -> None:
    for measure in (
        lambda **words: api.compare("v1", "v2", **words),
        lambda **words: api.profile("v1", **words),
    ):
        with pytest.warns(DeprecationWarning, match="processes="):
            measure(launches=3)
        measure(processes=4)
    assert [plan.launches for plan, _ in planned] == [3, 4, 3, 4]


@pytest.mark.parametrize(
    "words", [[], ["--allow-constant"], ["--allow-constant", "--allow-nonfinite"]]
)
@pytest.mark.parametrize("command", ["compare v1 v2", "profile v1", "gate v2 --against HEAD"])
def test_what_is_allowed_reaches_the_sides(command: str, words: list[str]) -> None:
    call = parse([*command.split(), *words])
    assert isinstance(call, Call)
    (side, *_) = side_plans(call.settings.work, (call.settings.baseline,))
    assert side.allow == {0: (), 1: ("constant",), 2: ("nonfinite", "constant")}[len(words)]


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Plan]:
    """Measure nothing: note the plans and hand out runs of identical code."""
    seen: list[Plan] = []

    def measure(plan: Plan, *_: object) -> Run:
        seen.append(plan)
        return simulated(turns=20, seed=len(seen))

    monkeypatch.setattr(api, "measure", measure)
    monkeypatch.setattr(folder, "draw", lambda *_: {})
    monkeypatch.chdir(tmp_path)
    return seen


@pytest.mark.parametrize("columns", ["80", "120"])
def test_calibrate_saves_shows_and_is_used_by_compare(
    measured: list[Plan],
    columns: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert main(["calibrate", "v1", "--comparisons", "4", "--allow-constant"]) == 0
    shown = capsys.readouterr().out
    assert "4 comparisons of identical code, 2 of them with a placebo" in shown
    assert "in forward is detectable in 90 s" in " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= int(columns)
    assert [plan.sides[1].placebo for plan in measured] == [False, True, False, True]
    assert all(not plan.sides[0].placebo for plan in measured)
    assert len({plan.seed for plan in measured}) == 4
    assert {side.allow for plan in measured for side in plan.sides} == {("constant",)}
    (file,) = Path(".depthprof/calibration").iterdir()
    main(["compare", "v1", "v2", "--json", "verdict.json"])
    assert "calibrated on" in capsys.readouterr().out
    document = json.loads(Path("verdict.json").read_text())
    assert document["policy"]["calibration"]["fingerprint"] == file.stem


def test_calibrate_gives_json_or_a_sentence(
    measured: list[Plan], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", "--comparisons", "2", "--json", "-"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["kind"] == "calibration"
    assert document["stages"][-1]["stage"] == "total"
    assert measured[0].sides[0].variant == "v2"
    assert main(["calibrate", "--comparisons", "2", "--quiet"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--comparisons", "0"], "comparisons is 0"),
        (["v3"], "v3"),
        (["--budget", "0"], "budget is 0"),
        (["--threshold", "x"], "threshold"),
    ],
)
def test_calibrate_refuses_in_a_sentence(
    measured: list[Plan], words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1
    assert not measured


def test_a_broken_calibration_is_a_refusal_with_a_way_out(
    measured: list[Plan], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", "--comparisons", "1"]) == 0
    (file,) = Path(".depthprof/calibration").iterdir()
    file.write_text("{")
    capsys.readouterr()
    measured.clear()
    assert main(["compare", "v1", "v2"]) == 2
    assert "depthprof calibrate" in capsys.readouterr().err
    assert not measured  # refused before anything was measured
