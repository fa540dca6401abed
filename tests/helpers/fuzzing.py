"""How many changed files the tests of readers try: 50, or by chance the number in POSE3D_FUZZ_EXAMPLES (`make fuzz`)."""

import os

from hypothesis import settings

EXAMPLES = os.environ.get("POSE3D_FUZZ_EXAMPLES")

fuzzed = settings(max_examples=int(EXAMPLES or 50), deadline=None, derandomize=not EXAMPLES)
