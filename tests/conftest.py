"""Hypothesis profiles: how much the law of the coordinator is put to the test; HYPOTHESIS_PROFILE names one."""

import os

from hypothesis import settings

LAW_SCHEDULES = {"dev": 200, "ci": 2_000, "nightly": 100_000}

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("nightly", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))
