"""How long `import pose3d_lib` takes in a new process, which imports neither PyTorch nor NumPy."""

import subprocess
import sys

from promises import promise, save_promises

MILLISECONDS = 50  # what the project promises, at most
REPETITIONS = 20
CODE = """
import sys, time
begun = time.perf_counter()
import pose3d_lib
print(1000 * (time.perf_counter() - begun), *{"torch", "numpy"} & set(sys.modules))
"""


def import_it() -> float:
    """Milliseconds."""
    milliseconds, *heavy = subprocess.run(
        [sys.executable, "-c", CODE], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.split()
    if heavy:
        raise AssertionError(f"import pose3d_lib imported {', '.join(heavy)}")
    return float(milliseconds)


def main() -> None:
    import_it()  # compiles
    rows = [promise("import pose3d_lib", "ms", [import_it() for _ in range(REPETITIONS)], MILLISECONDS)]
    save_promises("import", rows)


if __name__ == "__main__":
    main()
