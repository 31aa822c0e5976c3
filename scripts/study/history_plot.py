"""Plot of the study of `history`: steps found and placed, by their size."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

COLOURS = {"normal": "#0072B2", "heavy-tailed": "#009E73", "autocorrelated": "#D55E00"}
STYLE: Any = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}


def plot_sizes(sizes: pd.DataFrame, path: Path) -> None:
    """Shares found and placed within two points, a line a noise; dashed what is possible."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        found, placed = figure.subplots(1, 2, sharex=True, sharey=True)
        for noise, colour in COLOURS.items():
            part = sizes[sizes.noise == noise]
            x = 100 * part.step_ratio
            found.plot(x, part.found, "o-", color=colour, ms=3, lw=1.2, label=noise)
            placed.plot(x, part.within_2, "o-", color=colour, ms=3, lw=1.2)
            placed.plot(x, part.all_known_within_2, "--", color=colour, lw=1)
        for axes in (found, placed):
            axes.axhline(0.95, color="grey", lw=0.8, ls=":")
            axes.set_ylim(-0.03, 1.03)
            axes.set_xlabel("step, % of the stage (noise 2 %, 120 points)")
        found.set_title("share of steps found", loc="left")
        placed.set_title("placed within 2 points; dashed: what is possible", loc="left")
        found.legend(frameon=False)
        figure.savefig(path, dpi=130)
