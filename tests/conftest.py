"""Property tests are repeatable by default; `HYPOTHESIS_PROFILE=explore` looks for cases that nobody has seen yet."""

import os

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, max_examples=1_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
