"""The command pose3d."""
