"""In CI the same examples every time: a push fails for what it changed, not for a lucky draw."""

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
