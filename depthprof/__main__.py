"""`python -m depthprof`: hand over to the command line."""

import sys

from depthprof.cli.main import main


def run() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(main())


if __name__ == "__main__":
    run()
