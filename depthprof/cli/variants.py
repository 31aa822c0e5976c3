"""`depthprof variants`: what can be measured."""

from dataclasses import dataclass

from depthprof.cli import output
from depthprof.cli.options import Command


@dataclass(frozen=True, slots=True)
class VariantsOptions:
    """There are none."""


def variants(_: VariantsOptions) -> int:
    """List the variants, how to name one of your own, and the words a workload knows."""
    from rich.table import Table

    from depthprof.pipelines.registry import VARIANTS
    from depthprof.records import ATTENTIONS, DTYPES, PRODUCTS, SIZE_ALIASES

    sizes = ", ".join(f"{size} ({alias})" for alias, size in SIZE_ALIASES.items())
    own = "a callable of your own in a file: takes a Workload, gives a pipeline"
    tables = {
        "variants": {
            **VARIANTS,
            "FILE.py:NAME": own,
            "package.module:NAME": "the same, from a module that can be imported",
        },
        "\nworkload": {
            "--model": f"{sizes}; v1 has no giant",
            "--dtype": ", ".join(DTYPES),
            "--attention": ", ".join(ATTENTIONS),
            "--product": ", ".join(PRODUCTS),
        },
    }
    console = output.console()
    for title, rows in tables.items():
        table = Table(box=None, pad_edge=False, show_header=False)
        for row in rows.items():
            table.add_row(*row)
        console.print(title, style="bold")
        console.print(table)
    return 0


COMMANDS = {"variants": Command(VariantsOptions, variants, ("variants", "compare v2 v2@fp16"))}
