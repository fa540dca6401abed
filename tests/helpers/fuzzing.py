"""Settings of fuzzing tests: the same 50 examples each time, or POSE3D_FUZZ_EXAMPLES random ones (`make fuzz`)."""

import os

from hypothesis import settings

EXAMPLES = os.environ.get("POSE3D_FUZZ_EXAMPLES")

fuzzed = settings(max_examples=int(EXAMPLES or 50), deadline=None, derandomize=not EXAMPLES)
