"""Poses of every origin as one kind of dataset: skeletons, cameras, readers, checks."""
