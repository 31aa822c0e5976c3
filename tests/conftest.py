"""What holds for all tests: the machine has neighbours, so no test has a time limit of its own.

In CI the examples of property tests are the same each time: a new one that fails is for whoever
writes the next change to find, not for the one whose change it meets.
"""

import os

from hypothesis import settings

settings.register_profile("neighbours", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("neighbours")
