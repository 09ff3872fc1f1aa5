"""What holds for every test: it leaves nothing behind, and Hypothesis replays in CI."""

import os

from hypothesis import settings

pytest_plugins = ["tests.leaks", "tests.outcomes"]

# No deadline: two cores are shared, and a slow example is not a wrong one.
settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")
