"""Action-based training of VideoPose3D: model, data, metrics and the protocol that compares the two."""

__version__ = "0.1.0"
