"""What holds for all tests: the machine has neighbours, so no test has a time limit of its own.

In CI the examples of property tests are the same each time: a new one that fails is for whoever
writes the next change to find, not for the one whose change it meets.
"""

import os
import signal

from hypothesis import settings

from depthprof.storage.child_processes import REPOSITORY_VARIABLES

for name in REPOSITORY_VARIABLES:  # in a hook of our own, a test's git must not mean our repository
    os.environ.pop(name, None)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a job in the background ignores Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("neighbours", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("neighbours")
