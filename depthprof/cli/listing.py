"""What can be measured, as a list for people."""

from rich.console import Console
from rich.table import Table

from depthprof.pipelines.registry import VARIANTS
from depthprof.records import ATTENTIONS, DTYPES, PRODUCTS, SIZE_ALIASES


def print_variants(console: Console) -> None:
    """Print the variants, how to name one of your own, and the words a workload knows."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, text in VARIANTS.items():
        table.add_row(name, text)
    table.add_row(
        "FILE.py:NAME", "a callable of your own in a file: takes a Workload, gives a pipeline"
    )
    table.add_row("package.module:NAME", "the same, from a module that can be imported")
    console.print("variants", style="bold")
    console.print(table)
    words = Table(box=None, pad_edge=False, show_header=False)
    sizes = ", ".join(f"{size} ({alias})" for alias, size in SIZE_ALIASES.items())
    words.add_row("--model", f"{sizes}; v1 has no giant")
    words.add_row("--dtype", ", ".join(DTYPES))
    words.add_row("--attention", ", ".join(ATTENTIONS))
    words.add_row("--product", ", ".join(PRODUCTS))
    console.print("\nworkload", style="bold")
    console.print(words)
