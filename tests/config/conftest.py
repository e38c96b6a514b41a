"""Properties are tried on the same examples in each run, however slow the machine."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("steady", derandomize=True, deadline=None, max_examples=150)
settings.load_profile("steady")
