"""`python -m depthprof`: hand over to the command line."""

import sys

from depthprof.cli.main import main
from depthprof.cli.output import hold_descriptors
from depthprof.errors import EXIT_REFUSED


def run() -> None:
    """Run the command line and leave with its exit code.

    Python would end with 1, which is a verdict, if even the report of an error failed.
    """
    code = EXIT_REFUSED
    try:
        hold_descriptors()
        code = main()
    finally:
        sys.exit(code)


if __name__ == "__main__":
    run()
