"""`python -m scripts.study`: measure what is still missing, then write tables and plots."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic

from depthprof.errors import BadInput, DepthprofError
from scripts.study.cells import ARMS, CONDITIONS, GENERATION, WORLDS, Cell, Sizes, course
from scripts.study.store import Store
from scripts.study.tables import as_it_was
from scripts.study.taking import neighbours, take

SIZES = {
    ("light", "quiet"): Sizes(1, 16, 145, 10),
    ("light", "loaded"): Sizes(1, 16, 145, 10),
    ("light", "shuffled"): Sizes(1, 16, 145, 10),
    ("real", "quiet"): Sizes(1, 2, 12, 10),
    ("real", "loaded"): Sizes(1, 2, 12, 10),
    ("real", "shuffled"): Sizes(1, 2, 12, 10),
    ("virtual", "quiet"): Sizes(4, 10, 150, 10),
    ("virtual", "loaded"): Sizes(4, 10, 150, 10),
    ("virtual", "shuffled"): Sizes(4, 10, 150, 10),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study, or the part of it that was asked for, and report."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.study",
        description="Measure false alarms, power and attribution where the truth is known. What"
        " the folder holds already is not measured again.",
    )
    parser.add_argument("folder", type=Path, help="where the results are and go")
    parser.add_argument("--worlds", default=",".join(WORLDS), help="light,real,virtual")
    parser.add_argument("--conditions", default=",".join(CONDITIONS), help="quiet,loaded,shuffled")
    parser.add_argument("--arms", default=",".join(ARMS), help="aa,placebo,injected")
    parser.add_argument(
        "--sizes",
        type=_sizes,
        metavar="A,B,C,D",
        help="rounds of everything, of the goals, comparisons of identical code, rounds of long"
        " stages doubled [by world]",
    )
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so long")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds a comparison [60]")
    parser.add_argument(
        "--same-budget", type=float, metavar="S", help="the same, of identical code [as --budget]"
    )
    parser.add_argument("--samples", type=Path, help="keep every sample in this folder (large)")
    parser.add_argument("--report-only", action="store_true", help="measure nothing")
    chosen = parser.parse_args(arguments)
    store = Store(chosen.folder, chosen.samples)
    if not chosen.report_only:
        _measure(store, chosen)
    from scripts.study.findings import PEERS_FILE, write_findings

    if chosen.samples is not None:
        from scripts.study.rejudge import rejudge

        rejudge(as_it_was(store.rows()), chosen.samples).to_csv(
            chosen.folder / PEERS_FILE, index=False
        )
    write_findings(store)
    return 0


def cells(
    worlds: Sequence[str], conditions: Sequence[str], sizes: Sizes | None = None
) -> Iterator[Cell]:
    """All cells of the study, by world and condition."""
    for world in worlds:
        for condition in conditions:
            yield from course(world, condition, sizes or SIZES[world, condition])


def _sizes(text: str) -> Sizes:
    words = text.split(",")
    if len(words) != 4 or not all(word.isdecimal() for word in words):
        raise argparse.ArgumentTypeError(
            f'4 whole numbers with commas between them are needed, not "{text}"'
        )
    return Sizes(*map(int, words))


def _measure(store: Store, chosen: argparse.Namespace) -> None:
    rows = store.rows()
    worlds = chosen.worlds.split(",")
    generations = {row.get("generation", 0) for row in rows if row["world"] in worlds}
    others = sorted(generations - {GENERATION})
    if others:
        raise BadInput(
            f"{store.folder} holds comparisons of generation {others[-1]}, and these would be of"
            f" {GENERATION}: name another folder, or --report-only"
        )
    done = {row["name"] for row in rows}
    ends = monotonic() + 60 * chosen.minutes
    todo = [
        cell
        for cell in cells(chosen.worlds.split(","), chosen.conditions.split(","), chosen.sizes)
        if cell.name not in done and cell.arm in chosen.arms.split(",")
    ]
    for condition in CONDITIONS:
        mine = [cell for cell in todo if cell.condition == condition]
        real = any(cell.world != "virtual" for cell in mine)  # in virtual time they are drawn
        with neighbours(condition if real else "quiet"):
            for cell in mine:
                if monotonic() >= ends:
                    return
                same_s = chosen.budget if chosen.same_budget is None else chosen.same_budget
                judged, row = take(cell, chosen.budget if cell.injection else same_s)
                store.add(row, judged.run)
                spent = f"{row['turns']} turns, {row['elapsed_s']:.1f} s"
                culprit = row["culprit"] or "none"
                print(f"{row['name']}: {row['ended']}, {spent}, culprit {culprit}", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except DepthprofError as error:
        sys.exit(f"scripts.study: {error}")
    except KeyboardInterrupt:
        sys.exit("scripts.study: stopped; run it again to go on")
