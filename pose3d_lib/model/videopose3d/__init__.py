"""Checkpoints of VideoPose3D: names of their weights, and reading them."""

SUFFIX = ".bin"
SUFFIXES = (SUFFIX, ".pt", ".pth", ".tar")  # of checkpoints by VideoPose3D, and by its forks
