"""What holds for all tests: the machine has neighbours, so no test has a time limit of its own."""

from hypothesis import settings

settings.register_profile("neighbours", deadline=None)
settings.load_profile("neighbours")
