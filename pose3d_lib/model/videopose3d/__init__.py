"""Checkpoints of VideoPose3D: names of their weights, and reading them."""
